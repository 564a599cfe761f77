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
  readonly #waiters: LongPollWaiters
  readonly #shares: OwnerShares
  readonly #timers: ReturnType<typeof setInterval>[]
  #streams = 0
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
    return this.#waiters.size
  }

  get watched(): number {
    return this.#channels.size + this.#owners.size
  }

  /**
   * Not so while the server stops: a client that comes back on a connection that is still open gets a stream that ends, since
   * `EventSource` would give up for good at any other answer.
   */
  get full(): boolean {
    return this.#streams + this.#waiters.size >= this.#maxStreams
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

  async changed(known: KnownState, owner: string, ms: number, signal: AbortSignal): Promise<boolean> {
    if (this.#ended || this.fullFor(owner) !== null) return false
    const hold = this.#shares.hold(owner)
    return this.#waiters.wait(known, ms, signal).finally(() => hold.release())
  }

  /** Ends every stream and every wait; clients resume elsewhere. */
  close(): void {
    this.#ended = true
    for (const timer of this.#timers) clearInterval(timer)
    this.#waiters.close()
    for (const channel of this.#all) channel.end()
  }

  /** Begins a stream; false when it ended with that, because the hub is closed. */
  #open(sink: Sink): boolean {
    this.#streams++
    sink.onClose(() => this.#streams--)
    sink.write(opening())
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
    const ids = [...new Set([...this.#channels.keys(), ...this.#waiters.batchIds])]
    if (ids.length === 0) return
    const heads = new Map((await readHeads(this.#deps.db, ids)).map((head) => [head.id, head]))
    for (const id of ids) {
      const channel = this.#channels.get(id)
      const head = heads.get(id)
      if (head === undefined) channel?.look()
      else channel?.reaches(head.lastSeq)
    }
    this.#waiters.compare(heads)
  }
}
