/** Describes what an owner submits: a request for an operation, with its uploads and options, and the answer to it. */
import type { BatchPlan, Operation } from '../../operation.ts'
import type { BatchBudget } from '../../schema/budget.ts'
import type { NextState } from '../../schema/chain.ts'
import type { Upload } from '../uploads.ts'
import type { WebhookOptions } from '../webhooks.ts'

/** Options that a batch is run with. Times are milliseconds since the epoch. */
export interface BatchOptions {
  /** Head start of its jobs over the owner's others, in units of virtual time (one a job); negative to come after them. */
  readonly priority?: number
  /** When its jobs may begin. */
  readonly runAt?: number
  /** Attempts a job, instead of the operation's number. */
  readonly maxAttempts?: number
  /** Jobs ready or running at once; never more than the operation allows. */
  readonly concurrency?: number
  /** When what is left of it is failed. */
  readonly deadlineAt?: number
  /** Time that it may take from when it may begin, and again from when it is retried, in milliseconds; used where `deadlineAt` is absent. */
  readonly limitMs?: number
  readonly labels?: readonly string[]
  /** The caller's own data: JSON text. */
  readonly metadata?: string
  /** Pauses or cancels the rest of it where too much goes wrong. */
  readonly budget?: BatchBudget | undefined
  /** The batch that follows it. */
  readonly next?: NextState | undefined
  /** Puts it off by `periodMs`, and takes the place of the one before under the key; the first of a series waits `timeoutMs` at most. */
  readonly debounce?:
    | { readonly key: string; readonly periodMs: number; readonly timeoutMs?: number | undefined }
    | undefined
  /** Puts it off so that within any `periodMs` no more than `limit` batches under the key begin. */
  readonly throttle?: { readonly key: string; readonly limit: number; readonly periodMs: number } | undefined
  /** Takes more items until this time, unless it is sealed before. */
  readonly openUntil?: number
  /** Receiver of its events. */
  readonly webhook?: WebhookOptions
}

/** Submission by an owner: a request for an operation, with its uploads and options. */
export interface Submission {
  readonly owner: string
  readonly operation: Operation
  /** Checked by the operation's `plan`. */
  readonly request: unknown
  /** Plans the request in place of the operation's `plan`, for one so large that it is planned in parts. */
  readonly plan?: () => Promise<BatchPlan>
  readonly uploads?: readonly Upload[]
  readonly options?: BatchOptions
  /**
   * The caller's own id for it. `content` is what was asked, in a form that is the same whenever the same is asked; `field` where the id
   * stands in the request, by default the header.
   */
  readonly idempotency?: { readonly key: string; readonly content: unknown; readonly field?: string } | undefined
  /** Asked just before anything is made, never for what was accepted before. */
  readonly admit?: ReserveQuota | undefined
}

/**
 * Counts something that is about to be made; what it gives back takes that back, should nothing come of it.
 * @throws MillraceError when there is no more to be made
 */
export type ReserveQuota = () => Promise<() => Promise<void>>

/** Result of an accepted submission. */
export interface Accepted {
  readonly batchId: string
  readonly totalJobs: number
  /** False when the same request had been accepted before: this is the batch it made. */
  readonly created: boolean
}

/** Returns the lower of two limits; null is none. */
export function leastOf(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.min(a, b)
}
