/** Shapes of a batch's budget. */

/** Limits on what may go wrong with a batch, and on what it may cost. A limit that is absent bounds nothing. */
export interface BatchBudget {
  /** Failures, for good, that are taken; one more exceeds it. */
  readonly maxFailures?: number | undefined
  /** Share of failures among the jobs that ended, 0 to 1. */
  readonly maxFailureRate?: number | undefined
  /** Jobs that have ended before the rate is looked at. @default 20 */
  readonly minEnded?: number | undefined
  /** Sum of the tallies named `cost`. */
  readonly maxCost?: number | undefined
  /** @default `pause` */
  readonly onExceeded?: 'pause' | 'cancel' | undefined
}

/** The limit that a batch exceeded. */
export interface BudgetExcess {
  readonly limit: 'maxFailures' | 'maxFailureRate' | 'maxCost'
  /** Value that exceeded the limit. */
  readonly value: number
  readonly max: number
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** State of a budget, as stored with the batch. */
export interface BudgetState extends BatchBudget {
  readonly onExceeded: 'pause' | 'cancel'
  /** Counters of the batch that it counts from; absent where it never was counted anew. */
  readonly from?: { readonly failed: number; readonly ended: number; readonly cost: number }
  /** Absent while no limit is exceeded. */
  readonly exceeded?: BudgetExcess
}
