/**
 * Paces look-ups of public codes by an address. Without a pace, concurrent requests could try as many codes at once; an hourly limit alone
 * would lock out all clients that share the address, such as all visitors of a pool.
 */
import { jitter, sleep } from '../../backoff.ts'
import type { Clock } from '../../ports.ts'

/**
 * Look-ups of one address within a second that come to nothing, or whose end is not known yet. With 41 bits of a code and a million results,
 * 10 a second find one by chance in 2 ** 41 / 1e6 / 10 s, which is 61 hours.
 */
const MAX_GUESSES = 10
const WINDOW_MS = 1_000
/** Longest wait of a look-up for the pace, mean pause between its tries, and the most that wait for one address. */
const MAX_WAIT_MS = 15_000
const RETRY_MS = 100
const MAX_WAITING = 200
/** Addresses that are remembered; of more, those that came first are forgotten. */
const MAX_ADDRESSES = 10_000

/** Look-ups of an address. Every entry expires by itself: where a runtime drops a request, nothing takes its entry back. */
interface Pace {
  /** Times at which each guess stops counting, in milliseconds since the epoch. */
  guesses: number[]
  /** Times at which each waiting look-up times out, in milliseconds since the epoch. */
  waiting: number[]
}

/** Lets look-ups of an address through at a pace. Plain data, so that requests of one isolate share it. */
export class GuessPace {
  readonly #paces = new Map<string, Pace>()

  /**
   * Waits until the pace permits a look-up.
   * @returns refunds the look-up, for one that found something; null where too many wait, or it waited 15 s
   */
  async enter(address: string, clock: Clock): Promise<(() => void) | null> {
    const until = clock.now() + MAX_WAIT_MS
    for (let isWaiting = false; ; isWaiting = true) {
      const now = clock.now()
      const pace = this.#paceOf(address, now)
      if (pace.guesses.length < MAX_GUESSES) {
        if (isWaiting) removeOne(pace.waiting, until)
        const end = now + WINDOW_MS
        pace.guesses.push(end)
        return () => removeOne(pace.guesses, end)
      }
      if (!isWaiting && pace.waiting.length >= MAX_WAITING) return null
      if (now >= until) return null
      if (!isWaiting) pace.waiting.push(until)
      // At random, so that none of those who wait is always the last.
      await sleep(jitter(RETRY_MS))
    }
  }

  #paceOf(address: string, now: number): Pace {
    const known = this.#paces.get(address)
    if (known !== undefined) {
      known.guesses = known.guesses.filter((end) => end > now)
      known.waiting = known.waiting.filter((end) => end > now)
      return known
    }
    const oldest = this.#paces.size < MAX_ADDRESSES ? undefined : this.#paces.keys().next().value
    if (oldest !== undefined) this.#paces.delete(oldest)
    const pace: Pace = { guesses: [], waiting: [] }
    this.#paces.set(address, pace)
    return pace
  }
}

function removeOne(times: number[], time: number): void {
  const at = times.indexOf(time)
  if (at >= 0) times.splice(at, 1)
}
