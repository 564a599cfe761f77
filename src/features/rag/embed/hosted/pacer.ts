/** Paces the requests of an owner to a service: after a 429 none of them is sent before the time that the service named. */
import { backoff, sleep } from '../../../../backoff.ts'
import type { Clock } from '../../../../ports.ts'

/** Longest pause that a run waits for; a longer one ends the run, which continues after it. */
const MAX_WAIT_MS = 10_000
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 60_000
/** Longest `Retry-After` that is honoured. */
const MAX_RETRY_AFTER_MS = 60 * 60_000

/** A pause that is too long to be waited for. */
export class Paused extends Error {
  override readonly name = 'Paused'
  /** Milliseconds since the epoch. */
  readonly until: number

  constructor(until: number) {
    super('The service asks for a pause.')
    this.until = until
  }
}

/** Pauses by owner and service, shared by all requests of a process or isolate. */
export class Pacer {
  readonly #until = new Map<string, number>()
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Waits until the owner may send.
   * @throws Paused where that is longer than `longestMs`; the reason of `signal`
   */
  async wait(key: string, signal?: AbortSignal, longestMs = MAX_WAIT_MS): Promise<void> {
    for (;;) {
      signal?.throwIfAborted()
      const until = this.#until.get(key)
      const ms = (until ?? 0) - this.#clock.now()
      if (until === undefined || ms <= 0) break
      if (ms > longestMs) throw new Paused(until)
      await sleep(ms, signal)
    }
    this.#until.delete(key)
  }

  /**
   * Notes that the service asked for a pause.
   * @param failures times that it did so in a row
   * @param seconds as it said; null where it did not
   */
  pause(key: string, failures: number, seconds: number | null): void {
    const ms =
      seconds === null
        ? backoff(failures, { firstMs: FIRST_PAUSE_MS, mostMs: LONGEST_PAUSE_MS })
        : Math.min(seconds * 1_000, MAX_RETRY_AFTER_MS)
    this.#until.set(key, Math.max(this.#until.get(key) ?? 0, this.#clock.now() + ms))
  }
}
