/** Shapes that the client takes and gives, where they are not those of the wire. */
import type { JobResult } from '../features/batches/follow-schemas.ts'
import type { CreateBatch, ItemResult } from '../features/batches/schemas.ts'
import type { InputOf, TypedOperation } from './operations.ts'

/** Passed to every call. */
export interface CallOptions {
  /** Aborts the call, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/** A batch by its id, by the name its creator gave it (its idempotency key), or as its creation was answered. */
export type BatchRef = string | { readonly batchId: string; readonly streamUrl?: string }

/** Contents of a new batch. */
export interface NewBatch {
  readonly operation: string
  /** Input that holds for the whole batch. */
  readonly input?: unknown
  readonly options?: CreateBatch['options']
  /** The caller's own name for the batch; the same request under the same key makes it once. Default: random. */
  readonly idempotencyKey?: string | undefined
}

/** Options of a batch of a custom operation. */
export interface CreateOptions<Op extends TypedOperation>
  extends CallOptions,
    Pick<NewBatch, 'options' | 'idempotencyKey'> {
  /** Input that holds for the whole batch. */
  readonly input?: InputOf<Op>
}

/** A document to be read. */
export type Document = Blob | { readonly name: string; readonly bytes: Uint8Array | ArrayBuffer | string }

/** A file, whole or as it comes. */
export type Upload = Blob | Uint8Array | ArrayBuffer | string | ReadableStream<Uint8Array>

/** Swimmers, or the team, whose events are looked for, and the documents to search. */
export interface ExtractRequest {
  readonly swimmer?: string | readonly string[]
  /** Name or code of a team, instead of swimmers: all its swimmers. */
  readonly team?: string
  /** PDFs; a `File` brings its name. */
  readonly pdfs?: readonly Document[]
  /** Links to PDFs. */
  readonly urls?: readonly string[]
  /** As of `NewBatch`. */
  readonly idempotencyKey?: string | undefined
}

/** A batch in a list. */
export interface BatchSummary {
  readonly id: string
  readonly operation: string
  readonly status: 'pending' | 'processing' | 'completed' | 'partial' | 'failed' | 'cancelled'
  readonly totalJobs: number
  readonly completedJobs: number
  readonly failedJobs: number
  readonly cancelledJobs: number
  readonly paused: boolean
  /** True where it takes more items. */
  readonly open: boolean
  readonly labels: readonly string[]
  /** ISO 8601. */
  readonly createdAt: string
  readonly finishedAt: string | null
  /** The caller's own data, as it was sent in `options.metadata`. */
  readonly metadata?: unknown
  /** Facts that its operation adds. */
  readonly [fact: string]: unknown
}

/** A job in a list. */
export type JobItem = Omit<JobResult, 'jobId'> & {
  readonly id: string
  /** Position in the batch, from 1. */
  readonly sequence: number
  readonly filename: string | null
  readonly status: string
  readonly errorCode: string | null
  readonly errorMessage: string | null
  /** 0–100. */
  readonly progressPercent: number
  readonly progressMessage: string | null
}

/** Filters and page of a list of batches. */
export interface ListQuery {
  readonly status?: BatchSummary['status'] | undefined
  readonly operation?: string | undefined
  readonly label?: string | undefined
  /** Entries a page, at most 1,000. */
  readonly limit?: number | undefined
  /** `next` of the page before. */
  readonly cursor?: string | undefined
}

/** Filters and page of a list of a batch's jobs. */
export interface JobsQuery {
  readonly status?: 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled' | undefined
  /** Entries a page, at most 1,000. */
  readonly limit?: number | undefined
  /** `next` of the page before. */
  readonly cursor?: number | undefined
}

/** Set and page of a batch's items to read. */
export interface ItemsQuery {
  /** `succeeded`; `failed` for good; `untouched`: all the rest. */
  readonly set: ItemResult['set']
  /** Entries a page, at most 1,000. */
  readonly limit?: number | undefined
  /** `next` of the page before. */
  readonly cursor?: number | undefined
}
