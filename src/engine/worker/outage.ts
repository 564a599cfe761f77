import type { Clock } from '../../ports.ts'

/**
 * Notes when the database last took a write. After a time in which it took none, or in which the clock jumped, every lease has run out
 * though its worker lives; so for as long as a lease lasts none is taken away, and each worker gets to renew its own.
 */
export class OutageWatch {
  readonly #clock: Clock
  readonly #leaseMs: number
  #writtenAt: { readonly wall: number; readonly monotonic: number }
  #recentUntil = 0

  /** @param leaseMs how long a lease lasts; half of it without a write counts as an outage */
  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock
    this.#leaseMs = leaseMs
    this.#writtenAt = this.#now()
  }

  /** Notes that the database took a write. */
  written(): void {
    const { wall, monotonic } = this.#writtenAt
    this.#writtenAt = this.#now()
    const passed = Math.max(this.#writtenAt.wall - wall, this.#writtenAt.monotonic - monotonic)
    if (passed > this.#leaseMs / 2) this.#recentUntil = this.#writtenAt.monotonic + this.#leaseMs
  }

  /** True where an outage ended less than the duration of a lease ago. */
  get recent(): boolean {
    return performance.now() < this.#recentUntil
  }

  #now() {
    return { wall: this.#clock.now(), monotonic: performance.now() }
  }
}
