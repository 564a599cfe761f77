/** Counts the work that the worker of this process has done since it started, by operation. */
import { STORAGE_FAULTS, type StorageFault } from '../storage-errors.ts'
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

  readonly #faults = new Map<StorageFault, number>(STORAGE_FAULTS.map((fault) => [fault, 0]))
  /** Outcomes of jobs that are not written yet. More than a moment's worth means that the storage takes nothing. */
  unwritten = 0

  /** Counts something that the storage did not take: a request, a group of outcomes, a run, a try of one of these. */
  addStorageFault(fault: StorageFault): void {
    this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + 1)
  }

  /** Storage faults so far, by kind. */
  get storageFaults(): ReadonlyMap<StorageFault, number> {
    return this.#faults
  }

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
