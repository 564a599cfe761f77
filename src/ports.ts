/** Ports: interfaces through which the engine and the operations use the world, as types. Drivers implement them; nothing else may. */

import type { SQL } from 'drizzle-orm'
import type { BatchItem, BatchResponse } from 'drizzle-orm/batch'
import type { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core'
import type { MillraceError } from './errors.ts'
import type { Scope } from './scopes.ts'

/** Source of the current time, so that tests can set it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

/** Size and hashes of a stored blob, measured while it streamed in. */
export interface BlobInfo {
  /** Bytes. */
  readonly size: number
  /** Lower-case hex. */
  readonly md5: string
  /** Lower-case hex. */
  readonly sha256: string
}

/** Bytes kept under a key. Keys are made per upload, of `[A-Za-z0-9._-]` segments joined by `/`, never from content. */
export interface BlobStore {
  /** Streams in; when it answers, the bytes are durable. A failed or aborted put leaves nothing under the key. */
  put(key: string, body: ReadableStream<Uint8Array> | Uint8Array): Promise<BlobInfo>
  /** The bytes from `offset` (default 0), `length` of them (default to the end); null when there is no such key. */
  get(key: string, range?: { offset: number; length?: number }): Promise<ReadableStream<Uint8Array> | null>
  /** Absent keys are no error. */
  delete(keys: readonly string[]): Promise<void>
  /** Keys under a prefix with their age, for sweeping what no row names. */
  list(prefix: string): AsyncIterable<{ key: string; modifiedAt: number }>
  /** Removes what puts of processes that are gone left half-written, and gives how many; absent where the store does so by itself. */
  sweep?(): Promise<number>
}

/** Scripts and styles of our own pages, by name. A home that serves them by itself needs none of this. */
export interface Assets {
  /** Reads a file; the same bytes each time where they are kept in memory. Null when there is no such file. */
  read(name: string): Promise<Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null>
}

/** Response to a guarded fetch. */
export interface Fetched {
  /** The address that answered, after redirects. */
  readonly url: string
  /** As the server said, without parameters, lower case; empty when it said nothing. */
  readonly contentType: string
  /** File name from Content-Disposition, else the last path segment, else null. Never a path. */
  readonly filename: string | null
  readonly body: ReadableStream<Uint8Array>
}

/** Response of a receiver to a POST. */
export interface Sent {
  readonly status: number
  /** Seconds from Retry-After, never negative; null where it said nothing. */
  readonly retryAfterSeconds: number | null
}

/**
 * Fetches URLs that a caller named. Refuses private, link-local and metadata addresses in any spelling, at any redirect. An owner has only
 * so many requests under way at once, of both kinds together; what is beyond waits, and its `timeoutMs` begins when its turn comes.
 */
export interface Fetcher {
  /**
   * GETs `url`. `maxBytes` bounds the body (decoded), `timeoutMs` the whole exchange, body included.
   * @throws MillraceError URL_NOT_ALLOWED, NOT_FOUND (404, 410), TOO_LARGE, NETWORK_ERROR, TIMEOUT, RATE_LIMIT (429), SERVICE_UNAVAILABLE (5xx);
   * reading `body` throws TOO_LARGE, TIMEOUT, NETWORK_ERROR likewise
   */
  fetch(
    url: string,
    options: { maxBytes: number; timeoutMs: number; signal?: AbortSignal; owner?: string },
  ): Promise<Fetched>
  /**
   * POSTs `body` to `url` and hands back the answer's status, whatever it is. Redirects are not followed: they are an answer. What the
   * answer says is read up to a bound and dropped. `timeoutMs` bounds the whole exchange.
   * @throws MillraceError URL_NOT_ALLOWED, NETWORK_ERROR, TIMEOUT when there is no answer
   */
  send(
    url: string,
    message: {
      body: string
      headers: Readonly<Record<string, string>>
      timeoutMs: number
      signal?: AbortSignal
      owner?: string
    },
  ): Promise<Sent>
}

/** CPU-heavy functions by name. On Node they run in processes of their own, so that the event loop stays free. */
export type ComputeTask = (input: unknown, ctx: { progress(value: unknown): void }) => Promise<unknown>

/** Loads each task's code when it is first asked for. */
export type ComputeTasks = Readonly<Record<string, () => Promise<ComputeTask>>>

/** Runs CPU-heavy tasks by name. Inputs and outputs are structured-cloned; ArrayBuffers in `transfer` are moved. */
export interface Compute {
  /** True where tasks run in the server's own memory: one that takes more than there is then ends the server, and nobody tells. */
  readonly sharesServerMemory?: boolean
  /** CPU time, in milliseconds, that all tasks about one document may take together. Whoever cuts a document into several tasks keeps count. */
  readonly documentCpuMs: number
  /**
   * Runs a task. `owner`: whose turn it takes. `maxCpuMs`: CPU time it may take, where that is less than `documentCpuMs`. `onCpuTime`: told
   * once, before `run` settles, how much it took in milliseconds, failed or not; where tasks run in place, time that went by.
   * @throws MillraceError as the task threw it (code and message cross over), TOO_LARGE when the task took too much memory or time,
   * UNKNOWN when what it ran in died, SERVICE_UNAVAILABLE when that was none of its doing, CANCELLED when `signal` aborts (the task is
   * ended)
   */
  run(
    task: string,
    input: unknown,
    options?: {
      signal?: AbortSignal
      onProgress?: (value: unknown) => void
      transfer?: readonly ArrayBuffer[]
      owner?: string
      maxCpuMs?: number
      onCpuTime?: (ms: number) => void
    },
  ): Promise<unknown>
  /**
   * Does `work`, which loads what a task needs and runs it, when it is its turn: as many at once as tasks run at once, so that what waits
   * holds nothing in memory. Owners take turns: what one of them waits for does not depend on how much another has waiting. Not to be called
   * from inside itself.
   * @throws as `work` does; MillraceError CANCELLED when `signal` aborts before its turn
   */
  withSlot<T>(work: () => Promise<T>, options?: { signal?: AbortSignal; owner?: string }): Promise<T>
}

/** The disk or the database service that everything is kept on. */
export interface Disk {
  /** Returns the space left for the server to write, and the space in all, in bytes. */
  space(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>
  /**
   * Writes, flushes and removes a small file, so that a full disk is seen even where a commit still finds room.
   * @throws what the file system throws
   */
  check(): Promise<void>
}

/** One statement of a commit. */
export type Statement = BatchItem<'sqlite'>

/**
 * SQLite by any of its drivers. D1 has no interactive transactions, so a commit is one `batch` of statements, all or none;
 * `transaction` is not part of the port.
 */
export type Database = Pick<
  BaseSQLiteDatabase<'async', unknown>,
  'select' | 'insert' | 'update' | 'delete' | 'run' | 'all' | 'get'
> & {
  batch<U extends Statement, T extends Readonly<[U, ...U[]]>>(statements: T): Promise<BatchResponse<T>>
}

/** Tells workers that there may be something to claim. Carries no job ids; a lost wake-up costs delay only. */
export interface Dispatcher {
  wake(): void
  /** Calls back at each wake-up until the returned function is called. */
  onWake(listener: () => void): () => void
}

/** Progress of a running job. State, not history. */
export interface Progress {
  readonly jobId: string
  readonly sequence: number
  /** 0–100. */
  readonly percent: number
  readonly message: string
  /** The operation's own word for what it is doing; null for plain running. */
  readonly stage: string | null
}

/** Notice about a batch that a process sends to the others. */
export type Notice =
  /**
   * Its log now reaches `seq`; 0 tells that the batch is gone. Where somebody has read the log for all who follow, `page` is what was
   * read, as plain JSON.
   */
  | { readonly seq: number; readonly page?: unknown }
  /** Some of its jobs moved on. */
  | { readonly progress: readonly Progress[] }

/** Spreads notices. They may be lost, doubled or out of order; whoever follows reads the log. */
export interface Notifier {
  publish(batchId: string, notice: Notice): void
  /** Calls back for each notice about the batch until the returned function is called. */
  subscribe(batchId: string, listener: (notice: Notice) => void): () => void
}

/** Destination of the bytes of a live stream. One per connection. */
export interface Sink {
  /** Writes, or queues within the transport. False when the transport is full: write no more until `onDrain`. Never throws. */
  write(bytes: Uint8Array): boolean
  onDrain(listener: () => void): void
  /** Called once, when the client went away or the stream ended. */
  onClose(listener: () => void): void
  /** Ends the stream cleanly. */
  end(): void
}

/** A job as its operation plans it. */
export interface JobPlan {
  /** JSON, the operation's own shape. */
  readonly input: unknown
  /** Name that people know it by: a file's name, a URL. */
  readonly label?: string
}

/** A batch as its operation plans it. */
export interface BatchPlan {
  /** JSON that every job may need, the operation's own shape. */
  readonly input: unknown
  /** Fields that `batch_started` and status answers carry beside the common ones. */
  readonly facts: Readonly<Record<string, unknown>>
  readonly jobs: readonly JobPlan[]
}

/** A claimed job, as its operation sees it. */
export interface Attempt {
  readonly jobId: string
  readonly batchId: string
  readonly owner: string
  /** Place in its batch, from 1. */
  readonly sequence: number
  /** 1 for the first try. */
  readonly attempt: number
  readonly input: unknown
  readonly batchInput: unknown
  /** State that an earlier run of this job kept; null for none. */
  readonly checkpoint: unknown
}

/** Ports and services that a running job may use. */
export interface RunContext {
  /** Aborts when the lease is lost, the time limit is over, the batch was cancelled or the process stops. */
  readonly signal: AbortSignal
  /** Latest value counts; sent on at most some ten times a second. */
  progress(percent: number, message: string, stage?: string): void
  /** Keeps JSON from which the next run of this job starts, should this one not end. Durable when it resolves. */
  checkpoint(state: unknown): Promise<void>
  /**
   * Returns true once this run has used up the budget of its runtime for one run (queries, time): it should keep a checkpoint and end with
   * `continue`. Called after each stretch of work that made progress. Never true where nothing is bounded.
   */
  spent(): boolean
  /** Lets everything else of the process have its turn: for long work that awaits nothing. */
  yield(): Promise<void>
  readonly clock: Clock
  readonly db: Database
  readonly blobs: BlobStore
  readonly fetcher: Fetcher
  readonly compute: Compute
}

/** Result that a finished run hands back; written in one commit with its counters and its event. */
export interface RunResult {
  /** JSON, kept with the job. At most 1 MB; larger things are artifacts. */
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
  readonly label: string | null
  readonly result: unknown
  readonly summary: Readonly<Record<string, unknown>>
}

/** A kind of work. Everything that makes Millrace useful for one field is an operation; the rest does not know it. */
export interface Operation {
  /** `heat-sheet`, `cards.import`. */
  readonly name: string
  /** Concurrency limit: number of a batch's jobs that may be ready or running at once; null for no limit. */
  readonly concurrency: number | null
  readonly maxAttempts: number
  /** Milliseconds to wait after so many tries, the last of which failed with `error`; absent: exponential, up to a minute. */
  backoff?(attempt: number, error: MillraceError): number
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
   * Makes the request of what the native surface was sent; null where this operation has only its own surface.
   * @param input what holds for the whole batch: as a caller sent it, or as an earlier plan of the same batch kept it
   * @param whole whether these are all items of the batch, so that equal ones may become one; else each has a place of its own
   * @throws MillraceError naming the field and what would be right
   */
  readonly fromItems: ((input: unknown, items: readonly unknown[], whole?: boolean) => unknown) | null
  /** Most jobs that a batch made of items may have; absent: as many as anybody sends. */
  readonly maxJobs?: number
  /** The scope that its items and results take beside `batch:read`, where another surface has them too; absent: none. */
  readonly contentScope?: Scope
  /** Statements that delete what the operation keeps of these batches; `ids` is a JSON array. */
  deleteOwnedRows?(db: Database, ids: string): readonly Statement[]
  /**
   * Does the work. `continue` goes on in a fresh run from the last checkpoint, which is not another attempt: for work that is longer
   * than one run should be.
   * @throws MillraceError; one that is transient is tried again
   */
  run(job: Attempt, ctx: RunContext): Promise<RunResult | 'continue'>
  /** Makes the fields that `batch_completed` carries beside the common ones. */
  batchTotals(tallies: Readonly<Record<string, number>>): Readonly<Record<string, unknown>>
  /** The merged answer of `GET …/results`; null where what each job gave is listed as it is. */
  readonly merge: ((batchInput: unknown, jobs: readonly CompletedJob[]) => Readonly<Record<string, unknown>>) | null
}

/** The operations of a server, by name. */
export type Operations = Readonly<Record<string, Operation>>

/** An attempt at a job, once it is over. Times are milliseconds since the epoch. */
export interface EndedAttempt {
  readonly operation: string
  readonly batchId: string
  readonly jobId: string
  /** 1 for the first try. */
  readonly attempt: number
  /** `continue`: another will follow. */
  readonly outcome: 'completed' | 'failed' | 'cancelled' | 'retry'
  /** Of an error; null where there was none. */
  readonly code: string | null
  readonly beganAt: number
  readonly endedAt: number
}

/** Log of a server. Fields must hold no secret. */
export interface Log {
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}

/** Prefixes of references, and the kind of source that each stands for. */
export type ChunkPrefixes = ReadonlyMap<string, string>

/** Why a reference has no chunk, with the HTTP status that says so. */
export interface ChunkError {
  readonly error: string
  readonly status: 400 | 404 | 503
}

/** Result of looking up a reference: its chunk, or why it has none. */
export type ChunkFound = { readonly chunk: Readonly<Record<string, unknown>> } | ChunkError

/** Source that chunks are read from. */
export interface ChunkSource {
  /**
   * Looks chunks up. References that do not exist are left out; one that could not be looked up has the reason.
   * @param signal aborts when nobody waits for the answer any more
   */
  find(owner: string, ids: readonly string[], signal: AbortSignal): Promise<Map<string, ChunkFound>>
}

/** Source of chunks, and the meaning of the prefixes of their ids. */
export interface Chunks {
  readonly source: ChunkSource
  readonly prefixes: ChunkPrefixes
}
