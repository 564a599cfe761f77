/** The contract of an operation, as types: how a request becomes jobs, how one of them runs, and what becomes of the results. */

import type { SQL } from 'drizzle-orm'
import type * as z from 'zod'
import type { MillraceError } from './errors.ts'
import type { LanguageModel } from './language-model.ts'
import type { MediaLister } from './media-ports.ts'
import type { BlobStore, Clock, Compute, Database, Fetcher, Log, Statement, VectorServices } from './ports.ts'
import type { ChainError } from './schema/chain.ts'
import type { Scope } from './scopes.ts'
import type { Speech } from './speech-ports.ts'

/** A job as its operation plans it. */
export interface JobPlan {
  /** JSON, the operation's own shape. */
  readonly input: unknown
  /** Name that people know it by, such as that of its file. */
  readonly label?: string | undefined
  /** Link that its document is behind. */
  readonly url?: string
  /** The caller's own id for its item, unique in its batch. Set by the surface that accepted the items, not by the operation. */
  readonly itemId?: string
}

/** A batch as its operation plans it. */
export interface BatchPlan {
  /** JSON that every job may need, the operation's own shape. */
  readonly input: unknown
  /** Fields that `batch_started` and status answers carry beside the common ones. */
  readonly facts: Readonly<Record<string, unknown>>
  readonly jobs: readonly JobPlan[]
  /** Concurrency limit of this batch, where it is lower than its operation's; null or absent for none. */
  readonly concurrency?: number | null
}

/**
 * Continues the job in a fresh run at a given time, which is not another attempt; until then the job occupies no slot. A checkpoint whose `due`
 * is true makes it continue at once: an event that the job waits for arrived while it still ran.
 */
export interface ContinueAt {
  /** Milliseconds since the epoch. */
  readonly continueAt: number
}

/** A claimed job, as its operation sees it. */
export interface Attempt {
  readonly jobId: string
  readonly batchId: string
  readonly owner: string
  /** Position in its batch, from 1. */
  readonly sequence: number
  /** 1 for the first try. */
  readonly attempt: number
  readonly input: unknown
  readonly batchInput: unknown
  /** Checkpoint of an earlier run of this job; null for none. */
  readonly checkpoint: unknown
}

/** Open batches, as a job feeds them. */
export interface OpenBatches {
  /**
   * Adds jobs, all or none; those that are there already are passed over.
   * @param first sequence of the first of them, from 1
   * @throws MillraceError CONFLICT where the batch takes no more; QUOTA_EXCEEDED
   */
  append(
    batch: { readonly id: string; readonly owner: string },
    first: number,
    jobs: readonly JobPlan[],
  ): Promise<unknown>
  /** Seals a batch that follows another, `from`. @param errors why some results of that one became no items */
  seal(batchId: string, from: string, errors: readonly ChainError[]): Promise<void>
}

/** Ports and services that a running job may use. */
export interface RunContext {
  /** Aborts when the lease is lost, the time limit is over, the batch was cancelled or the process stops. */
  readonly signal: AbortSignal
  /** Latest value counts; sent on at most some ten times a second. */
  progress(percent: number, message: string, stage?: string): void
  /** Gives the job the name of its file, where only a run finds out. Lists, events and results show it from then on. */
  rename(filename: string): void
  /** Keeps JSON from which the next run of this job starts, should this one not end. Durable when it resolves. */
  checkpoint(state: unknown): Promise<void>
  /**
   * Returns true once this run has used up the budget of its runtime for one run (queries, time): it should keep a checkpoint and end with
   * `continue`. Called after each stretch of work that made progress. Never true where nothing is bounded.
   */
  budgetExhausted(): boolean
  /** Yields to the event loop, for long work that awaits nothing. */
  yield(): Promise<void>
  readonly clock: Clock
  /** Log of the server. */
  readonly log: Log
  readonly db: Database
  readonly blobs: BlobStore
  readonly fetcher: Fetcher
  readonly compute: Compute
  readonly speech: Speech
  /** Null where this server is given none. */
  readonly languageModel: LanguageModel | null
  /** Null where this server has the local model and its own store alone. */
  readonly vectors: VectorServices | null
  readonly openBatches: OpenBatches
  /** Null where this server lists no channels. */
  readonly media: MediaLister | null
}

/** Result of a finished run, written in one commit with its counters and its event. */
export interface RunResult {
  /** JSON, stored with the job. At most 1 MB; larger things are artifacts. */
  readonly result: unknown
  /** The few fields that `job_completed` and lists carry. */
  readonly summary: Readonly<Record<string, unknown>>
  /** Numbers summed over the batch. */
  readonly tallies: Readonly<Record<string, number>>
  /** Rows of its own, part of the same commit. `held` is true only while the lease is: every statement must be guarded by it. */
  readonly writes?: (held: SQL<boolean>) => readonly Statement[]
}

/** A completed job, for merging. */
export interface CompletedJob {
  readonly jobId: string
  readonly sequence: number
  readonly filename: string | null
  readonly url: string | null
  readonly result: unknown
  readonly summary: Readonly<Record<string, unknown>>
  /** When it ended, in milliseconds since the epoch; null of one that did not. */
  readonly finishedAt: number | null
}

/** A kind of work. Everything that makes Millrace useful for one field is an operation; the rest does not know it. */
export interface Operation {
  /** `heat-sheet`, `cards.import`. */
  readonly name: string
  /** Queue that workers over HTTP claim its jobs from; absent where the server runs them. */
  readonly queue?: string
  /** Concurrency limit: number of a batch's jobs that may be ready or running at once; null for no limit. */
  readonly concurrency: number | null
  readonly maxAttempts: number
  /** Milliseconds to wait after so many tries, the last of which failed with `error`; absent or undefined: exponential, up to a minute. */
  backoff?(attempt: number, error: MillraceError): number | undefined
  /** An attempt is ended after this long. */
  readonly timeLimitMs: number
  /** The fields of a summary where a job has none, so that lists have one shape. */
  readonly summaryDefaults: Readonly<Record<string, unknown>>
  /**
   * Checks a request and cuts it into jobs.
   * @throws MillraceError naming the field and what would be right
   */
  plan(request: unknown): BatchPlan
  /**
   * Checks the input of a batch that is about to be created against the database.
   * @param input as the plan has it
   * @throws MillraceError naming the field and what would be right
   */
  checkInput?(db: Database, owner: string, input: unknown): Promise<void>
  /**
   * Makes the request of what the native surface was sent; null where this operation has only its own surface.
   * @param input what holds for the whole batch: as a caller sent it, or as an earlier plan of the same batch stored it
   * @param whole whether these are all items of the batch, so that duplicates may be merged; else each keeps its own position
   * @throws MillraceError naming the field and what would be right
   */
  readonly fromItems: ((input: unknown, items: readonly unknown[], whole?: boolean) => unknown) | null
  /** True where an item's `id` is a field as any other; else it is the caller's own id for the item, and is taken off. */
  readonly keepsItemIds?: boolean
  /** Sentence that the OpenAPI document says of it. */
  readonly description?: string | undefined
  /** Schemas of an item, of a job's result and of what holds for the batch, for the OpenAPI document; absent where it says nothing of them. */
  readonly schemas?: { readonly item: z.ZodType; readonly result: z.ZodType; readonly input: z.ZodType }
  /** The same as JSON Schemas (2020-12), of an operation that was declared as data; those that are absent accept everything. */
  readonly jsonSchemas?: { readonly item?: unknown; readonly result?: unknown; readonly input?: unknown }
  /** Most jobs that a batch made of items may have; absent: no limit. */
  readonly maxJobs?: number
  /** The scope that its items and results take beside `batch:read`, where another surface has them too; absent: none. */
  readonly contentScope?: Scope
  /** Returns statements that delete the operation's rows of expired batches; `ids` is a JSON array. */
  deleteOwnedRows?(db: Database, ids: string): readonly Statement[]
  /** Statements that delete what a batch made and outlives it, for an owner who deletes the batch; `condition` holds while it may be deleted. */
  deleteContent?(db: Database, batchId: string, condition: SQL<boolean>): readonly Statement[]
  /**
   * Does the work. `continue` ends this run and continues in a fresh one from the last checkpoint, which is not another attempt: for work that is longer
   * than one run should be.
   * @throws MillraceError; a transient one is retried
   */
  run(job: Attempt, ctx: RunContext): Promise<RunResult | ContinueAt | 'continue'>
  /** Makes the fields that `batch_completed` carries beside the common ones. */
  batchTotals(tallies: Readonly<Record<string, number>>): Readonly<Record<string, unknown>>
  /** The merged answer of `GET …/results`; null where what each job gave is listed as it is. */
  readonly merge: ((batchInput: unknown, jobs: readonly CompletedJob[]) => Readonly<Record<string, unknown>>) | null
}

/** The operations that owners declared for workers over HTTP, beside the built-in ones. */
export interface DeclaredOperations {
  /** Finds an owner's operation; null where the owner declared none of that name. */
  find(owner: string, name: string): Promise<Operation | null>
  /** Lists the names of an owner's operations. */
  names(owner: string): Promise<readonly string[]>
  /** Says of a queue that no worker asks for an owner's jobs in it; null where one does. */
  noticeOf(owner: string, queue: string): Promise<string | null>
}

/** The operations of a server, by name. */
export type Operations = Readonly<Record<string, Operation>>
