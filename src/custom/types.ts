/** Types of custom operations: their definition, and the context that a run gets. */
import type * as z from 'zod'
import type { Operation } from '../operation.ts'
import type { BlobInfo, Log, RequestMethod } from '../ports.ts'
import type { ContinueLater } from './continue-later.ts'

/** Bytes that a run keeps or reads. They belong to the batch, and are deleted with it. */
export interface OperationBlobs {
  /**
   * Stores bytes; they are durable once the job has completed.
   * @param filename name under which they are downloaded
   * @returns their key, for the job's result, with their size and hashes
   * @throws MillraceError QUOTA_EXCEEDED beyond what the owner may keep
   */
  put(
    filename: string,
    body: ReadableStream<Uint8Array> | Uint8Array | string,
  ): Promise<BlobInfo & { readonly key: string }>
  /** Reads bytes by their key; null where there are none. */
  get(key: string, range?: { offset: number; length?: number }): Promise<ReadableStream<Uint8Array> | null>
}

/** Options of a guarded fetch. */
export interface GuardedFetchOptions {
  /** @default `GET` */
  readonly method?: RequestMethod
  /** Headers by name; none that belongs to the connection, such as `Host`. `Authorization` and `Cookie` are given to no other origin at a redirect. */
  readonly headers?: Readonly<Record<string, string>>
  /** None with GET and HEAD. */
  readonly body?: string | Uint8Array<ArrayBuffer>
  /** Bytes that the body may have. @default 10 MB */
  readonly maxBytes?: number
  /** Milliseconds for the whole exchange. @default 30,000 */
  readonly timeoutMs?: number
}

/** Everything that a run may use beside its item. */
export interface OperationContext<Input = unknown> {
  /** `input` of the create, which holds for the whole batch; checked by the definition's schema. */
  readonly input: Input
  readonly batchId: string
  readonly jobId: string
  /** The owner whose batch it is. */
  readonly owner: string
  /** Position of the item in its batch, from 0. */
  readonly index: number
  /** 1 for the first try. */
  readonly attempt: number
  /** Aborts when the batch is cancelled, the time limit is over, the lease is lost or the server stops. */
  readonly signal: AbortSignal
  /** State that an earlier run of this job stored by `checkpoint` or `continueLater`; null for none. */
  readonly state: unknown
  /**
   * Reports the progress of the job. The latest value counts; it is published at most some ten times a second.
   * @param percent 0 to 100
   */
  progress(percent: number, message?: string): void
  /** Keeps JSON from which the next run of this job starts, should this one not end. Durable when it resolves. */
  checkpoint(state: unknown): Promise<void>
  /**
   * Ends this run and continues the job in a fresh one, which is not another attempt: for work that is longer than a run should be.
   * @param state stored for the next run, as by `checkpoint`; left out: the state stored last
   * @example
   * return ctx.continueLater({ page: page + 1 })
   */
  continueLater(state?: unknown): Promise<ContinueLater>
  /** Holds once this run has used up the budget of its runtime (Cloudflare: time, queries), and should `continueLater`. */
  readonly budgetExhausted: boolean
  /**
   * Adds to a number that is summed over the batch, and stands in its `tallies`. Counted once, when the job completes.
   * @param name @default `total`
   */
  emit(amount: number, name?: string): void
  readonly blobs: OperationBlobs
  /**
   * Fetches a URL that a caller named: http(s) only, no private, link-local or metadata address at any redirect, bounded in size and time.
   * @returns the answer, where its status is a success
   * @throws MillraceError as it fails, with `details.status` where there was an answer; a transient one is retried
   * @example
   * const answer = await ctx.fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(item) })
   */
  fetch(url: string | URL, options?: GuardedFetchOptions): Promise<Response>
  /** Writes lines to the server's log, with the ids of the job. */
  readonly log: Log
}

/** Definition of a custom operation. Everything but `name`, `item` and `run` has a default. */
export interface OperationDefinition<
  Name extends string,
  Item extends z.ZodType,
  Result extends z.ZodType,
  Input extends z.ZodType,
> {
  /** Names it in requests: letters, digits, `.`, `_` and `-`, 64 of them at most. */
  readonly name: Name
  /** Says in one sentence what it does; shown in the OpenAPI document. */
  readonly description?: string
  /** One item of a batch; a job each. */
  readonly item: Item
  /** Result of a job, checked before it is stored. @default any JSON */
  readonly result?: Result
  /** `input` of a create, which holds for the whole batch. @default none */
  readonly input?: Input
  /** Jobs of a batch that run at once. @default no limit but the workers' own */
  readonly concurrency?: number
  /** Attempts that a job has. @default 3 */
  readonly maxAttempts?: number
  /** Milliseconds after which an attempt is ended. @default 5 minutes */
  readonly timeLimit?: number
  /** Jobs that a batch may have. @default no limit */
  readonly maxJobs?: number
  /** Milliseconds to wait after so many attempts. @default exponential, up to a minute */
  readonly backoff?: (attempt: number) => number
  /**
   * Does the work for one item. A thrown error is retried, up to `maxAttempts`; a `NonRetryableError` is not, and a
   * `RetryAfterError` says when.
   */
  run(
    item: z.output<Item>,
    ctx: OperationContext<z.output<Input>>,
  ): Promise<z.input<Result> | ContinueLater> | z.input<Result> | ContinueLater
}

/** Schemas of an operation: of an item, of the result of a job, and of what holds for the whole batch. */
export interface OperationSchemas<
  Item extends z.ZodType = z.ZodType,
  Result extends z.ZodType = z.ZodType,
  Input extends z.ZodType = z.ZodType,
> {
  readonly item: Item
  readonly result: Result
  readonly input: Input
}

/** A custom operation, as `defineOperation` makes it. */
export interface DefinedOperation<
  Name extends string = string,
  Item extends z.ZodType = z.ZodType,
  Result extends z.ZodType = z.ZodType,
  Input extends z.ZodType = z.ZodType,
> extends Operation {
  readonly name: Name
  readonly schemas: OperationSchemas<Item, Result, Input>
}
