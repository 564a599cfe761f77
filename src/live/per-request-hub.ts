/**
 * Following where nothing may be shared between requests: every stream has a channel, a database and timers of its own, and ends with
 * its request. What is read once for many comes with the notices (see `pushed-pages.ts`).
 *
 * A request may ask the database only so often. A stream ends before that, and its client resumes where it was.
 */
import { encodeComment, encodeEvent } from '../formats/sse.ts'
import type { Operations } from '../operation.ts'
import type { Database, Log, Notifier, Sink } from '../ports.ts'
import { Channel, type Feed, type Follower } from './channel.ts'
import { readEnd, readOwnersPage } from './event-log.ts'
import { batchFeed } from './feeds.ts'
import { COMMENT_EVERY_MS, opening } from './hub.ts'
import { type KnownState, LongPollWaiters } from './long-poll.ts'
import type { OwnerShares } from './owner-shares.ts'
import { readHeads, readRunningOf } from './state.ts'
import { batchStateFeed, type ReadState, StateChannel } from './state-channel.ts'
import type { FollowedBatch, StreamHub } from './stream-hub.ts'

/** Queries that a stream leaves unused: what it may still ask between two looks at how many are left. */
const RESERVE = 20
/** Between looks of a request that waits: most changes are noticed, a claim or a pause is not. */
const LOOK_EVERY_MS = 2_000
/** Between two reads of a state that is followed. */
const STATE_EVERY_MS = 500
/** Notices may be out of order for once: a stream does without them for no longer than this. */
const GREETED_WITHIN_MS = 1_000
/** A consumer of a queue stores progress once a second or so, and may take as long to do it. */
const STORED_WITHIN_MS = 3_000
/** Between looks at all of an owner's batches; each costs some three queries. */
const OWNER_EVERY_MS = 2_000
/** Maximum of running jobs whose progress a stream of all batches reports. */
const OWNER_JOBS = 500

/** A database for one request. */
export interface RequestDatabase {
  readonly db: Database
  /** Number of queries that the request may still make. */
  readonly meter: { readonly left: number }
}

/** Dependencies of a per-request hub. */
export interface PerRequestHubDeps {
  readonly openDatabase: () => RequestDatabase
  readonly notifier: Notifier
  readonly operations: Operations
  readonly basePath?: string
  readonly log: Log
}

/** Between renewals of what a stream holds of its owner's share. */
const RENEW_EVERY_MS = COMMENT_EVERY_MS
/** Age after which a hold that was not renewed belongs to a request that the runtime ended without notice; see {@link OwnerShares}. */
export const STALE_MS = 4 * RENEW_EVERY_MS

/** Follows batches for clients, each separately. Shares with other streams only the number of each owner's on this isolate. */
export class PerRequestHub implements StreamHub {
  readonly streams = 0
  readonly waiting = 0
  readonly watched = 0
  readonly #deps: PerRequestHubDeps
  readonly #shares: OwnerShares

  /** @param shares of the isolate */
  constructor(deps: PerRequestHubDeps, shares: OwnerShares) {
    this.#deps = deps
    this.#shares = shares
  }

  get maxPerOwner(): number {
    return this.#shares.max
  }

  fullFor(owner: string): 'owner' | null {
    return this.#shares.isFull(owner) ? 'owner' : null
  }

  hold(owner: string, sink: Sink): void {
    const hold = this.#shares.hold(owner)
    const timer = setInterval(() => hold.renew(), RENEW_EVERY_MS)
    sink.onClose(() => {
      clearInterval(timer)
      hold.release()
    })
  }

  holdWait(owner: string): (() => void) | null {
    if (this.fullFor(owner) !== null) return null
    const hold = this.#shares.hold(owner)
    return () => hold.release()
  }

  follow(batch: FollowedBatch, sink: Sink, cursor: number): void {
    sink.write(opening())
    this.#follow(batch, sink, cursor)
  }

  resync(batch: FollowedBatch, sink: Sink, state: unknown): void {
    sink.write(opening())
    sink.write(encodeEvent({ id: batch.lastSeq, event: 'resync', data: JSON.stringify(state) }))
    this.#follow(batch, sink, batch.lastSeq)
  }

  followOwner(owner: string, end: number, sink: Sink, from: { cursor: number } | { state: unknown }): void {
    sink.write(opening())
    if ('state' in from) sink.write(encodeEvent({ id: end, event: 'resync', data: JSON.stringify(from.state) }))
    const own = this.#deps.openDatabase()
    const feed = polledFeed(own.db, this.#deps, owner)
    this.#run(own, feed, { end, cursor: 'state' in from ? end : from.cursor }, sink, async () => {})
  }

  followState(batchId: string, sink: Sink, read: ReadState): void {
    const { db, meter } = this.#deps.openDatabase()
    const feed = batchStateFeed({ db, notifier: this.#deps.notifier }, batchId, read)
    const channel = new StateChannel({ feed, log: this.#deps.log }, () => clearInterval(timer), STATE_EVERY_MS)
    const look = async () => {
      const [head] = await readHeads(db, [batchId])
      channel.compare(head === undefined ? 'gone' : `${head.lastSeq}.${head.progressVersion}`)
    }
    const timer = setInterval(() => {
      if (meter.left < RESERVE) channel.end()
      else look().catch((error: unknown) => this.#deps.log.warn({ err: error, batchId }, 'not compared'))
    }, LOOK_EVERY_MS)
    channel.join(sink)
  }

  async changed(known: KnownState, owner: string, ms: number, signal: AbortSignal): Promise<boolean> {
    const release = this.holdWait(owner)
    if (release === null) return false
    const { db } = this.#deps.openDatabase()
    const waiters = new LongPollWaiters(this.#deps.notifier)
    const look = async () => {
      try {
        const heads = await readHeads(db, [known.id])
        waiters.compare(new Map(heads.map((head) => [head.id, head])))
      } catch (error) {
        this.#deps.log.warn({ err: error, batchId: known.id }, 'a batch that is waited for could not be read')
      }
    }
    const timer = setInterval(() => void look(), LOOK_EVERY_MS)
    const changed = waiters.wait(known, ms, signal)
    // Finds changes between the caller's read and the beginning of the wait.
    void look()
    return changed.finally(() => {
      clearInterval(timer)
      release()
    })
  }

  #follow(batch: FollowedBatch, sink: Sink, cursor: number): void {
    const own = this.#deps.openDatabase()
    const feed = greeted(batchFeed({ ...this.#deps, db: own.db }, batch))
    const compare = async (channel: Channel) => {
      const [head] = await readHeads(own.db, [batch.id])
      if (head === undefined) channel.look()
      else channel.reaches(head.lastSeq)
    }
    this.#run(own, feed, { end: batch.lastSeq, cursor }, sink, compare)
  }

  /** A channel that ends with its only client, or before its request has asked too often. */
  #run(
    own: RequestDatabase,
    feed: Feed,
    from: { readonly end: number; readonly cursor: number },
    sink: Sink,
    compare: (channel: Channel) => Promise<void>,
  ): void {
    const { log } = this.#deps
    const page: Feed['page'] = async (after) => (own.meter.left < RESERVE ? null : feed.page(after))
    const deps = { feed: { ...feed, page }, log, storedWithinMs: STORED_WITHIN_MS }
    const channel = new Channel(deps, from.end, () => clearInterval(timer), from.cursor)
    const comment = encodeComment('')
    const timer = setInterval(() => {
      channel.broadcast(comment)
      // With the comment, so that a stream costs one query while nothing happens.
      if (own.meter.left < RESERVE) channel.end()
      else compare(channel).catch((error: unknown) => log.warn({ err: error, ...feed.label }, 'not compared'))
    }, COMMENT_EVERY_MS)
    channel.join(sink, from.cursor)
  }
}

/**
 * Delays the read of stored progress until the first notice has come, or has failed to come for 1 s, because notified progress is newer than
 * stored progress.
 */
function greeted(feed: Feed): Feed {
  const { promise, resolve } = Promise.withResolvers<void>()
  return {
    ...feed,
    subscribe(follower) {
      const timer = setTimeout(resolve, GREETED_WITHIN_MS)
      const unsubscribe = feed.subscribe({
        reaches(seq) {
          resolve()
          follower.reaches(seq)
        },
        look: () => follower.look(),
        progress: (batchId, progress) => follower.progress(batchId, progress),
      })
      return () => {
        clearTimeout(timer)
        resolve()
        unsubscribe()
      }
    },
    async running() {
      await promise
      return feed.running()
    },
  }
}

/** Polls all batches of an owner, since a request can't subscribe to as many batches as an owner may have. */
function polledFeed(
  db: Database,
  deps: Pick<PerRequestHubDeps, 'operations' | 'basePath' | 'log'>,
  owner: string,
): Feed {
  let end = 0
  let sent = new Map<string, string>()
  const look = async (follower: Follower) => {
    try {
      if ((await readEnd(db)) > end) follower.look()
      const running = await readRunningOf(db, owner, OWNER_JOBS)
      const texts = new Map(running.map((one) => [one.jobId, JSON.stringify(one)]))
      for (const { batchId, ...progress } of running) {
        if (sent.get(progress.jobId) !== texts.get(progress.jobId)) follower.progress(batchId, [progress])
      }
      sent = texts
    } catch (error) {
      deps.log.warn({ err: error, owner }, 'the batches of an owner could not be looked at; tried again soon')
    }
  }
  return {
    label: { owner },
    async page(after) {
      const page = await readOwnersPage(db, deps, owner, after)
      end = page.end
      return page
    },
    running: () => readRunningOf(db, owner, OWNER_JOBS),
    subscribe(follower) {
      const timer = setInterval(() => void look(follower), OWNER_EVERY_MS)
      return () => clearInterval(timer)
    },
  }
}
