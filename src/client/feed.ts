/** Reads a batch's events for one follower: by stream, or by long polls where streams are blocked. */

import { sleep } from '../backoff.ts'
import { ApiError } from './errors.ts'
import type { Http } from './http.ts'
import type { Item, Position, Target } from './items.ts'
import { pollBatch } from './poll.ts'
import { throwIfAborted } from './signals.ts'
import { Blocked, readStream } from './stream.ts'

/** Consecutive attempts without an event after which polls are tried between streams. */
const STREAM_FAILURES = 3

/** Feeds of one client, which share what one finds out about the connection to the server. */
export class Feeds {
  readonly #http: Http
  #blockedUntil = 0

  constructor(http: Http) {
    this.#http = http
  }

  /**
   * The events after `cursor`, in order, each once, whatever happens to connections. Ends after `batch_completed`, or at once when the
   * cursor is at it.
   * @throws ApiError for what does not pass; the signal's reason
   */
  async *events(target: Target, cursor: number, signal: AbortSignal): AsyncGenerator<Item, void, void> {
    const { timing } = this.#http
    const at: Position = { cursor, failures: 0, retryMs: timing.retryMs }
    for (;;) {
      let retryAfter: number | undefined
      try {
        if (yield* this.#next(target, at, signal)) return
      } catch (error) {
        throwIfAborted(signal)
        if (error instanceof Blocked) {
          this.#blockedUntil = Date.now() + timing.blockedMs
          continue
        }
        if (!(error instanceof ApiError && error.transient)) throw error
        retryAfter = error.retryAfter
      }
      const pause = at.retryMs * 2 ** Math.max(0, at.failures - 1)
      const least = retryAfter === undefined ? Math.min(timing.mostRetryMs, pause) : retryAfter * 1_000
      // Jitter: clients that were cut off together must not reconnect together.
      await sleep(least * (1 + Math.random() / 2), signal)
    }
  }

  /** One stream, or polls as long as streams are blocked, or one poll where streams fail. Returns whether the batch is over. */
  async *#next(target: Target, at: Position, signal: AbortSignal): AsyncGenerator<Item, boolean, void> {
    const blocked = () => Date.now() < this.#blockedUntil
    const failures = ++at.failures
    if (!blocked() && failures <= STREAM_FAILURES) return yield* readStream(this.#http, target, at, signal)
    const over = yield* pollBatch(this.#http, target, at, signal, blocked)
    // The server answers, so a stream is tried next; if that fails too, another poll.
    at.failures = STREAM_FAILURES - 1
    return over
  }
}
