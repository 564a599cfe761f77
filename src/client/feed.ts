/** One follower's own way to a batch's events: by stream, or by long polls where streams do not come through. */
import { ApiError } from './errors.ts'
import type { Http } from './http.ts'
import type { Item, Position, Target } from './items.ts'
import { pollBatch } from './poll.ts'
import { Blocked, readStream } from './stream.ts'
import { sleep } from './timing.ts'

/** Ways in a row that brought nothing, after which polls are tried between streams. */
const STREAM_FAILURES = 3

/** Feeds of one client. What one learns of the way to the server holds for all. */
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
        signal.throwIfAborted()
        if (error instanceof Blocked) {
          this.#blockedUntil = Date.now() + timing.blockedMs
          continue
        }
        if (!(error instanceof ApiError && error.transient)) throw error
        retryAfter = error.retryAfter
      }
      const pause = at.retryMs * 2 ** Math.max(0, at.failures - 1)
      const least = retryAfter === undefined ? Math.min(timing.mostRetryMs, pause) : retryAfter * 1_000
      // Those that were cut off together should not come back together.
      await sleep(least * (1 + Math.random() / 2), signal)
    }
  }

  /** One stream, or polls as long as streams are blocked, or one poll where streams fail. Returns whether the batch is over. */
  async *#next(target: Target, at: Position, signal: AbortSignal): AsyncGenerator<Item, boolean, void> {
    const blocked = () => Date.now() < this.#blockedUntil
    const failures = ++at.failures
    if (!blocked() && failures <= STREAM_FAILURES) return yield* readStream(this.#http, target, at, signal)
    const over = yield* pollBatch(this.#http, target, at, signal, blocked)
    // The server answers, so a stream is due; if it fails too, another poll.
    at.failures = STREAM_FAILURES - 1
    return over
  }
}
