/** All that this process follows: a channel for each log that someone watches, the requests that wait, and the timers they share. */
import { encodeComment, encodeEvent, encodeRetry } from '../formats/sse.ts'
import type { Log, Sink } from '../ports.ts'
import { Channel, type Feed } from './channel.ts'
import { readEnd } from './event-log.ts'
import { batchFeed, type FeedDeps, ownerFeed } from './feeds.ts'
import { type KnownState, LongPollWaiters } from './long-poll.ts'
import { OwnerShares } from './owner-shares.ts'
import { join } from './ring.ts'
import { readHeads } from './state.ts'
import { batchStateFeed, type ReadState, StateChannel } from './state-channel.ts'
import type { FollowedBatch, StreamHub } from './stream-hub.ts'

/** Every write shows whether the client is still there. */
export const COMMENT_EVERY_MS = 15_000
/** A notice that was lost costs this long. */
const COMPARE_EVERY_MS = 1_000
/** Clients that were cut off together should not come back together. */
const RETRY_MS = { least: 1_000, spread: 1_000 }

/** Dependencies of a hub. */
export interface HubDeps extends FeedDeps {
  readonly log: Log
}

/** Makes the beginning of a stream: the pause before a reconnect (`retry`), and a first byte at once. */
export function opening(): Uint8Array {
  return join([encodeRetry(RETRY_MS.least + Math.random() * RETRY_MS.spread), encodeComment('millrace')])
}

/** Follows batches for the clients of this process: one reader and one ring of frames a batch, however many watch. */
export class Hub implements StreamHub {
  readonly #deps: HubDeps
  readonly #maxStreams: number
  /** By batch. */
  readonly #channels = new Map<string, Channel>()
  /** By owner. */
  readonly #owners = new Map<string, Channel>()
  /** Of states, by batch. */
  readonly #states = new Map<string, StateChannel>()
  readonly #waiters: LongPollWaiters
  readonly #shares: OwnerShares
  readonly #timers: ReturnType<typeof setInterval>[]
  #streams = 0
  #waits = 0
  #comparing = false
  #ended = false

  /**
   * @param options.maxStreams streams and waiting requests that this process holds at once; more are refused, none is dropped
   * @param options.maxPerOwner how many of these one owner may hold
   */
  constructor(deps: HubDeps, options: { maxStreams?: number; maxPerOwner?: number } = {}) {
    this.#deps = deps
    this.#shares = new OwnerShares(options.maxPerOwner)
    this.#maxStreams = options.maxStreams ?? Number.POSITIVE_INFINITY
    this.#waiters = new LongPollWaiters(deps.notifier)
    this.#timers = [
      setInterval(() => this.#comment(), COMMENT_EVERY_MS),
      setInterval(() => void this.#compare(), COMPARE_EVERY_MS),
    ]
  }

  get streams(): number {
    return this.#streams
  }

  get waiting(): number {
    return this.#waits
  }

  get watched(): number {
    return this.#channels.size + this.#states.size + this.#owners.size
  }

  /**
   * True where no further stream fits. A shutdown does not make it true: a client that reconnects over an open connection gets a stream that ends, since
   * `EventSource` stops reconnecting at any other answer.
   */
  get full(): boolean {
    return this.#streams + this.#waits >= this.#maxStreams
  }

  get maxPerOwner(): number {
    return this.#shares.max
  }

  fullFor(owner: string): 'server' | 'owner' | null {
    if (this.full) return 'server'
    return this.#shares.isFull(owner) ? 'owner' : null
  }

  hold(owner: string, sink: Sink): void {
    const hold = this.#shares.hold(owner)
    sink.onClose(() => hold.release())
  }

  holdWait(owner: string): (() => void) | null {
    if (this.#ended || this.fullFor(owner) !== null) return null
    const hold = this.#shares.hold(owner)
    this.#waits++
    return () => {
      this.#waits--
      hold.release()
    }
  }

  follow(batch: FollowedBatch, sink: Sink, cursor: number): void {
    if (!this.#open(sink)) return
    this.#join(this.#channels, batch.id, () => batchFeed(this.#deps, batch), batch.lastSeq).join(sink, cursor)
  }

  resync(batch: FollowedBatch, sink: Sink, state: unknown): void {
    if (!this.#open(sink)) return
    sink.write(encodeEvent({ id: batch.lastSeq, event: 'resync', data: JSON.stringify(state) }))
    this.#join(this.#channels, batch.id, () => batchFeed(this.#deps, batch), batch.lastSeq).join(sink, batch.lastSeq)
  }

  followOwner(owner: string, end: number, sink: Sink, from: { cursor: number } | { state: unknown }): void {
    if (!this.#open(sink)) return
    if ('state' in from) sink.write(encodeEvent({ id: end, event: 'resync', data: JSON.stringify(from.state) }))
    const cursor = 'state' in from ? end : from.cursor
    this.#join(this.#owners, owner, () => ownerFeed(this.#deps, owner), end).join(sink, cursor)
  }

  followState(batchId: string, sink: Sink, read: ReadState): void {
    if (!this.#count(sink)) return
    let channel = this.#states.get(batchId)
    if (channel === undefined) {
      const feed = batchStateFeed(this.#deps, batchId, read)
      channel = new StateChannel({ feed, log: this.#deps.log }, () => this.#states.delete(batchId))
      this.#states.set(batchId, channel)
    }
    channel.join(sink)
  }

  async changed(known: KnownState, owner: string, ms: number, signal: AbortSignal): Promise<boolean> {
    const release = this.holdWait(owner)
    return release === null ? false : this.#waiters.wait(known, ms, signal).finally(release)
  }

  /** Ends every stream and every wait; clients resume elsewhere. */
  close(): void {
    this.#ended = true
    for (const timer of this.#timers) clearInterval(timer)
    this.#waiters.close()
    for (const channel of this.#all) channel.end()
    for (const channel of this.#states.values()) channel.end()
  }

  /** Begins a stream of events; false when it ended with that, because the hub is closed. */
  #open(sink: Sink): boolean {
    sink.write(opening())
    return this.#count(sink)
  }

  /** Counts a stream; false when it was ended, because the hub is closed. */
  #count(sink: Sink): boolean {
    this.#streams++
    sink.onClose(() => this.#streams--)
    if (this.#ended) sink.end()
    return !this.#ended
  }

  #join(channels: Map<string, Channel>, key: string, feed: () => Feed, end: number): Channel {
    let channel = channels.get(key)
    if (channel === undefined) {
      channel = new Channel({ feed: feed(), log: this.#deps.log }, end, () => channels.delete(key))
      channels.set(key, channel)
    } else {
      channel.reaches(end)
    }
    return channel
  }

  get #all(): Channel[] {
    return [...this.#channels.values(), ...this.#owners.values()]
  }

  #comment(): void {
    const comment = encodeComment('')
    for (const channel of this.#all) channel.broadcast(comment)
  }

  async #compare(): Promise<void> {
    if (this.#comparing) return
    this.#comparing = true
    try {
      await this.#compareBatches()
      if (this.#owners.size > 0) {
        const end = await readEnd(this.#deps.db)
        for (const channel of this.#owners.values()) channel.reaches(end)
      }
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'watched batches could not be compared; tried again in a second')
    } finally {
      this.#comparing = false
    }
  }

  async #compareBatches(): Promise<void> {
    const ids = [...new Set([...this.#channels.keys(), ...this.#states.keys(), ...this.#waiters.batchIds])]
    if (ids.length === 0) return
    const heads = new Map((await readHeads(this.#deps.db, ids)).map((head) => [head.id, head]))
    for (const id of ids) {
      const channel = this.#channels.get(id)
      const head = heads.get(id)
      if (head === undefined) channel?.look()
      else channel?.reaches(head.lastSeq)
      this.#states.get(id)?.compare(head === undefined ? 'gone' : `${head.lastSeq}.${head.progressVersion}`)
    }
    this.#waiters.compare(heads)
  }
}
