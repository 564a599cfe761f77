/** Counts what this process has done since it started: attempts of its worker by operation, and requests. */
import { Histogram } from '../formats/histogram.ts'
import { STORAGE_FAULTS, type StorageFault } from '../storage-errors.ts'
import type { Outcome } from './transitions/complete-jobs.ts'

/** Attempts of one operation that ended one way. */
export interface Metered {
  readonly operation: string
  /** `completed`, `failed`, `cancelled`, `retry`. */
  readonly outcome: Outcome['kind']
  readonly durations: Histogram
}

/** Requests of one kind that were answered. */
export interface MeteredRequests {
  readonly method: string
  readonly status: number
  readonly durations: Histogram
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Counts attempts and requests, and the time they took. */
export class Meter {
  readonly #rows = new Map<string, Metered>()
  readonly #requests = new Map<string, MeteredRequests>()

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
    const row = this.#rows.get(key) ?? { operation, outcome, durations: new Histogram() }
    row.durations.observe(ms / 1_000)
    this.#rows.set(key, row)
  }

  /**
   * Counts a request.
   * @param method unknown methods count as one, so that callers cannot create labels
   * @param ms until its answer began
   */
  addRequest(method: string, status: number, ms: number): void {
    const known = METHODS.has(method) ? method : 'other'
    const key = `${known} ${status}`
    const row = this.#requests.get(key) ?? { method: known, status, durations: new Histogram() }
    row.durations.observe(ms / 1_000)
    this.#requests.set(key, row)
  }

  /** Requests that were counted. */
  get requests(): readonly MeteredRequests[] {
    return [...this.#requests.values()]
  }

  /** Attempts that were counted. */
  get rows(): readonly Metered[] {
    return [...this.#rows.values()]
  }
}
