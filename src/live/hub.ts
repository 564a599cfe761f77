/** All that this process follows: a channel for each batch that someone watches, and the timers they share. */
import { encodeComment, encodeEvent, encodeRetry } from '../formats/sse.ts'
import type { Sink } from '../ports.ts'
import { Channel, type ChannelDeps } from './channel.ts'
import { join } from './ring.ts'
import { readHeads } from './state.ts'

/** Every write shows whether the client is still there. */
const COMMENT_EVERY_MS = 15_000
/** A notice that was lost costs this long. */
const COMPARE_EVERY_MS = 1_000
/** Clients that were cut off together should not come back together. */
const RETRY_MS = { least: 1_000, spread: 1_000 }

/** Follows batches for the clients of this process. */
export class Hub {
  readonly #deps: ChannelDeps
  readonly #channels = new Map<string, Channel>()
  readonly #timers: ReturnType<typeof setInterval>[]
  #comparing = false
  #ended = false

  constructor(deps: ChannelDeps) {
    this.#deps = deps
    this.#timers = [
      setInterval(() => this.#comment(), COMMENT_EVERY_MS),
      setInterval(() => void this.#compare(), COMPARE_EVERY_MS),
    ]
  }

  /**
   * Sends a batch's events after `cursor` to a sink, then what follows, until the batch is over or the client is gone.
   * @param batch as just read
   * @param cursor number of the last event the client has; at most `batch.lastSeq`
   */
  async follow(batch: { id: string; operation: string; lastSeq: number }, sink: Sink, cursor: number): Promise<void> {
    sink.write(join([encodeRetry(retryMs()), encodeComment('millrace')]))
    if (this.#ended) {
      sink.end()
      return
    }
    let channel = this.#channels.get(batch.id)
    if (channel === undefined) {
      channel = new Channel(this.#deps, batch, () => this.#channels.delete(batch.id))
      this.#channels.set(batch.id, channel)
    } else {
      channel.notice({ seq: batch.lastSeq })
    }
    await channel.join(sink, cursor)
  }

  /**
   * Sends a client whose cursor is of no use the state as it is now, then what follows from there.
   * @param state the polling answer
   */
  async resync(
    batch: { id: string; operation: string; lastSeq: number; finished: boolean },
    sink: Sink,
    state: unknown,
  ): Promise<void> {
    sink.write(encodeEvent({ id: batch.lastSeq, event: 'resync', data: JSON.stringify(state) }))
    if (batch.finished) sink.end()
    else await this.follow(batch, sink, batch.lastSeq)
  }

  /** Streams open now. */
  get watched(): number {
    return this.#channels.size
  }

  /** Ends every stream; clients resume elsewhere. */
  close(): void {
    this.#ended = true
    for (const timer of this.#timers) clearInterval(timer)
    for (const channel of [...this.#channels.values()]) channel.end()
  }

  #comment(): void {
    const comment = encodeComment('')
    for (const channel of this.#channels.values()) channel.broadcast(comment)
  }

  async #compare(): Promise<void> {
    if (this.#comparing || this.#channels.size === 0) return
    this.#comparing = true
    try {
      for (const head of await readHeads(this.#deps.db, [...this.#channels.keys()])) {
        this.#channels.get(head.id)?.notice({ seq: head.lastSeq })
      }
    } catch (error) {
      this.#deps.log.warn({ err: error }, 'watched batches could not be compared; tried again in a second')
    } finally {
      this.#comparing = false
    }
  }
}

const retryMs = () => Math.round(RETRY_MS.least + Math.random() * RETRY_MS.spread)
