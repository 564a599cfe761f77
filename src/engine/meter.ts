/** What the worker of this process has done since it started, by operation. */
import type { Outcome } from './transitions/complete-jobs.ts'

/** Attempts of one operation that ended one way. */
export interface Metered {
  readonly operation: string
  /** `completed`, `failed`, `cancelled`, `again`. */
  readonly outcome: Outcome['kind']
  readonly count: number
  readonly seconds: number
}

/** Counts attempts and the time they took. */
export class Meter {
  readonly #rows = new Map<string, { operation: string; outcome: Outcome['kind']; count: number; seconds: number }>()

  /** @param ms how long the attempt took */
  add(operation: string, outcome: Outcome['kind'], ms: number): void {
    const key = `${operation} ${outcome}`
    const row = this.#rows.get(key) ?? { operation, outcome, count: 0, seconds: 0 }
    row.count++
    row.seconds += ms / 1_000
    this.#rows.set(key, row)
  }

  /** All that was counted. */
  get rows(): readonly Metered[] {
    return [...this.#rows.values()]
  }
}
