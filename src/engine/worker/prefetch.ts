/**
 * Sizes the prefetch: the number of jobs that a worker claims before it has slots for them. Where all slots turn over within milliseconds,
 * claiming for the free ones alone would make a commit of every few jobs; longer jobs must not wait here while another worker has a free slot.
 */

/** Longest that a prefetched job should wait, about, in milliseconds. */
const WAIT_MS = 10
/** Few enough that a commit of them holds the write lock for milliseconds, and that their input fits in memory. */
const MOST = 300
/** Smallest number of jobs over which the mean moves, so that no single one dominates it. */
const LEAST_WEIGHED = 8

/** Sizes the prefetch by the mean duration of recent jobs. */
export class PrefetchSizer {
  readonly #slots: number
  /** Moving mean of how long a job takes. */
  #meanMs: number

  /**
   * @param slots jobs that run at once
   * @param meanMs how long a job took of late, in milliseconds; where nothing is known, no job is taken to be quick
   */
  constructor(slots: number, meanMs = WAIT_MS) {
    this.#slots = slots
    this.#meanMs = meanMs
  }

  /** Moving mean of the duration of a job, in milliseconds. */
  get meanMs(): number {
    return this.#meanMs
  }

  /** Notes how long a job took, in milliseconds. */
  note(ms: number): void {
    this.#meanMs += (ms - this.#meanMs) / Math.max(LEAST_WEIGHED, this.#slots)
  }

  /** Resets the mean to that of a job that is not quick. */
  reset(): void {
    this.#meanMs = WAIT_MS
  }

  /** Jobs that may wait for a slot: as many as are through within {@link WAIT_MS}, beyond those that run. */
  get jobs(): number {
    const ahead = this.#slots * (WAIT_MS / Math.max(this.#meanMs, Number.EPSILON) - 1)
    return Math.max(0, Math.min(MOST, Math.floor(ahead)))
  }
}
