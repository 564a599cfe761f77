/**
 * Sizes the prefetch: the number of jobs that a worker claims before it has slots for them. Where all slots turn over within milliseconds,
 * claiming for the free ones alone would make a commit of every few jobs; longer jobs must not wait here while another worker has a free slot.
 */

/** Jobs claimed ahead are to wait no longer than about this, in milliseconds. */
const WAIT_MS = 10
/** Few enough that a commit of them holds the write lock for milliseconds, and that their input fits in memory. */
const MOST = 300
/** Jobs of which one is not to sway the mean. */
const LEAST_WEIGHED = 8

/** Learns from how long jobs take. */
export class PrefetchSizer {
  readonly #places: number
  /** Moving mean of how long a job takes. */
  #meanMs: number

  /**
   * @param places jobs that run at once
   * @param meanMs how long a job took of late, in milliseconds; where nothing is known, no job is taken to be quick
   */
  constructor(places: number, meanMs = WAIT_MS) {
    this.#places = places
    this.#meanMs = meanMs
  }

  /** Moving mean of the duration of a job, in milliseconds. */
  get meanMs(): number {
    return this.#meanMs
  }

  /** Notes how long a job took, in milliseconds. */
  note(ms: number): void {
    this.#meanMs += (ms - this.#meanMs) / Math.max(LEAST_WEIGHED, this.#places)
  }

  /** Forgets what it learned. */
  reset(): void {
    this.#meanMs = WAIT_MS
  }

  /** Jobs that may wait for a place: as many as are through within {@link WAIT_MS}, beyond those that run. */
  get jobs(): number {
    const ahead = this.#places * (WAIT_MS / Math.max(this.#meanMs, Number.EPSILON) - 1)
    return Math.max(0, Math.min(MOST, Math.floor(ahead)))
  }
}
