/**
 * Sizes the prefetch: the number of jobs that a worker claims before it has slots for them. Where all slots turn over within milliseconds,
 * claiming for the free ones alone would make a commit of every few jobs; longer jobs must not wait here while another worker has a free slot.
 * A slot whose job ended stays empty until the commit that writes the outcome brings the next job, so as many more are prefetched as slots turn
 * over during a commit. Of jobs that take seconds these are none.
 */

/** Longest that a prefetched job should wait beyond a commit, about, in milliseconds. */
const WAIT_MS = 10
/** Few enough that a commit of them holds the write lock for milliseconds, and that their input fits in memory. */
const MOST = 300
/** Smallest number of jobs over which the mean moves, so that no single one dominates it. */
const LEAST_WEIGHED = 8
/** Longest time until an outcome is written that is counted, in milliseconds: a storage fault must not have a worker claim what others could run. */
const MAX_COMMIT_MS = 50

/** Sizes the prefetch by the mean durations of recent jobs and commits. */
export class PrefetchSizer {
  readonly #slots: number
  /** Moving mean of how long a job takes. */
  #meanMs: number
  /** True where that was measured. */
  #isKnown: boolean
  /** Moving mean of the time from the end of a job until its outcome is written. */
  #commitMs = 0

  /**
   * @param slots jobs that run at once
   * @param meanMs how long a job took of late, in milliseconds; where nothing is known, no job is taken to be quick
   */
  constructor(slots: number, meanMs?: number) {
    this.#slots = slots
    this.#meanMs = meanMs ?? WAIT_MS
    this.#isKnown = meanMs !== undefined
  }

  /** Moving mean of the duration of a job, in milliseconds. */
  get meanMs(): number {
    return this.#meanMs
  }

  /** Notes how long a job took, in milliseconds. */
  note(ms: number): void {
    this.#isKnown = true
    this.#meanMs += (ms - this.#meanMs) / Math.max(LEAST_WEIGHED, this.#slots)
  }

  /** Notes how long outcomes waited until they were written, in milliseconds. */
  noteCommit(ms: number): void {
    this.#commitMs += (Math.min(ms, MAX_COMMIT_MS) - this.#commitMs) / LEAST_WEIGHED
  }

  /** Resets the mean to that of a job that is not quick. */
  reset(): void {
    this.#meanMs = WAIT_MS
    this.#isKnown = false
  }

  /**
   * Jobs that may be leased beyond those that run: as many as are through within {@link WAIT_MS}, and those whose outcomes are being written, which
   * need no slot any more.
   */
  get jobs(): number {
    if (!this.#isKnown) return 0
    const meanMs = Math.max(this.#meanMs, Number.EPSILON)
    const ahead = this.#slots * (Math.max(0, WAIT_MS / meanMs - 1) + this.#commitMs / meanMs)
    return Math.min(MOST, Math.floor(ahead))
  }
}
