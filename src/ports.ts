/** Ports: interfaces through which the engine and the operations use the world, as types. Drivers implement them; nothing else may. */

import type { BatchItem, BatchResponse } from 'drizzle-orm/batch'
import type { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core'
import type { VectorSettings } from './vector-settings.ts'

/** Source of the current time, so that tests can set it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

/** Judgement of whether the process of an earlier worker still runs. */
export type ProcessVerdict = 'alive' | 'gone' | 'unsure'

/** Size and hashes of a stored blob, measured while it streamed in. */
export interface BlobInfo {
  /** Bytes. */
  readonly size: number
  /** Lower-case hex. */
  readonly md5: string
  /** Lower-case hex. */
  readonly sha256: string
}

/** Bytes stored under a key. Keys are made per upload, of `[A-Za-z0-9._-]` segments joined by `/`, never from content. */
export interface BlobStore {
  /** Streams in; when it answers, the bytes are durable. A failed or aborted put leaves nothing under the key. */
  put(key: string, body: ReadableStream<Uint8Array> | Uint8Array): Promise<BlobInfo>
  /** The bytes from `offset` (default 0), `length` of them (default to the end); null when there is no such key. */
  get(key: string, range?: { offset: number; length?: number }): Promise<ReadableStream<Uint8Array> | null>
  /** Absent keys are no error. */
  delete(keys: readonly string[]): Promise<void>
  /** Lists keys under a prefix with their age, for sweeping blobs without a row. */
  list(prefix: string): AsyncIterable<{ key: string; modifiedAt: number }>
  /** Path of the file that holds a blob, for programs that read it by themselves; absent where blobs are no files of this machine. */
  path?(key: string): string
  /** Removes partial puts of processes that have ended. @returns how many; absent where the store does so by itself */
  sweep?(): Promise<number>
}

/** Scripts and styles of our own pages, by name. A runtime that serves them by itself needs none of this. */
export interface Assets {
  /** Reads a file; the same array each time where it is cached in memory. Null when there is no such file. */
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
  /** Bytes that the server said the body has; null where it did not say, or packed it. */
  readonly size: number | null
  readonly body: ReadableStream<Uint8Array>
}

/** Response of a receiver to a POST. */
export interface Sent {
  readonly status: number
  /** Seconds from Retry-After, never negative; null where it said nothing. */
  readonly retryAfterSeconds: number | null
}

/** Methods that a guarded request may have. */
export const REQUEST_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
export type RequestMethod = (typeof REQUEST_METHODS)[number]

/** A guarded request. */
export interface GuardedRequest {
  readonly method: RequestMethod
  /** By name. None that belongs to the connection, such as `Host`. */
  readonly headers?: Readonly<Record<string, string>>
  /** None with GET and HEAD. */
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined
  /** Headers, and whether the body, that no other origin is given at a redirect; `Authorization` and `Cookie` never are. */
  readonly confidential?: { readonly headers?: readonly string[]; readonly body?: boolean }
  /** Bounds the answer's body (decoded). */
  readonly maxBytes: number
  /** Bounds the whole exchange, in milliseconds. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  readonly owner?: string
}

/** Answer to a guarded request, whatever its status. */
export interface GuardedAnswer {
  /** The address that answered, after redirects. */
  readonly url: string
  readonly status: number
  /** By name in lower case. Of a header that came several times, the first. */
  readonly headers: Readonly<Record<string, string>>
  /** Seconds from Retry-After, never negative; null where it said nothing. */
  readonly retryAfterSeconds: number | null
  /** Without its content coding. */
  readonly body: Uint8Array<ArrayBuffer>
}

/** Ways in which the network between us and a foreign server fails; `lost` where a runtime does not distinguish `refused` from `reset`. */
export const NETWORK_FAULTS = [
  'unknown name',
  'name service',
  'refused',
  'certificate',
  'reset',
  'lost',
  'garbled',
  'unreachable',
] as const
export type NetworkFault = (typeof NETWORK_FAULTS)[number]

/**
 * Fetches URLs that a caller named. Refuses private, link-local and metadata addresses in any spelling, at any redirect. The number of
 * requests in flight is limited per owner, over all kinds; more wait for a slot, and their `timeoutMs` begins when they get one.
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
   * POSTs `body` to `url` and returns the answer's status, whatever it is. Redirects are not followed: they are an answer. The body of the
   * answer is read up to a bound and dropped. `timeoutMs` bounds the whole exchange.
   * @throws MillraceError URL_NOT_ALLOWED, NETWORK_ERROR (with a NetworkFault as `details.fault`), TIMEOUT when there is no answer
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
  /**
   * Sends a request of any method and returns the answer, whatever its status. Redirects are followed: 307 and 308 keep method and body,
   * 303 becomes a GET, as does a POST at 301 and 302; another origin is given no credential.
   * @throws MillraceError INVALID_REQUEST naming a header that cannot be sent, URL_NOT_ALLOWED, TOO_LARGE, TIMEOUT, NETWORK_ERROR (with a
   * NetworkFault as `details.fault`)
   */
  request(url: string, request: GuardedRequest): Promise<GuardedAnswer>
}

/** Services by which documents are embedded, as the operator configured them. */
export interface VectorServices {
  readonly settings: VectorSettings
  /** Sends requests to them; their addresses may be private ones. */
  readonly fetcher: Pick<Fetcher, 'request'>
  /** Workers AI, by its binding; null where there is none. */
  readonly ai: { run(model: string, input: Readonly<Record<string, unknown>>): Promise<unknown> } | null
}

/** Functions that a task is given. `othersWait`: whether another owner waits for its slot; absent where tasks run in processes of their own. */
export type ComputeTaskContext = { progress(value: unknown): void; readonly othersWait?: () => boolean }

/** CPU-heavy functions by name. On Node they run in processes of their own, so that the event loop stays free. */
export type ComputeTask = (input: unknown, ctx: ComputeTaskContext) => Promise<unknown>

/** Files beside their code that tasks of Compute need: weights of models, and WebAssembly. */
export interface TaskFiles {
  /** Reads a file whole. @throws Error when there is none of that name */
  read(name: string): Promise<Uint8Array<ArrayBuffer>>
  /** Compiles a WebAssembly module, or finds it compiled. @throws Error when there is none of that name */
  wasm(name: string): Promise<WebAssembly.Module>
  /** Imports a module of an extra that is installed beside the server. @throws Error when there is none of that name */
  module(name: string): Promise<unknown>
}

/** Loads each task's code when it is first asked for. */
export type ComputeTasks = Readonly<Record<string, () => Promise<ComputeTask>>>

/** Runs CPU-heavy tasks by name. Inputs and outputs are structured-cloned; ArrayBuffers in `transfer` are moved. */
export interface Compute {
  /** True where tasks run in the server's own memory: one that runs out of memory then ends the server without an error. */
  readonly sharesServerMemory?: boolean
  /** CPU time, in milliseconds, that all tasks about one document may take together. Code that splits a document into several tasks keeps the sum. */
  readonly documentCpuMs: number
  /**
   * Runs a task. `owner`: whose fair share it counts to. `maxCpuMs`: CPU time it may take, where that is less than `documentCpuMs`. `onCpuTime`:
   * called once, before `run` settles, with the milliseconds it took, failed or not; elapsed time where tasks run in the server's own thread.
   * `isPart`: a short part of longer work, whose parts of all owners are run in turn; it never counts as a heavy task, whose process is slowed.
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
      isPart?: boolean
    },
  ): Promise<unknown>
  /**
   * Runs `work`, which loads the input of a task and runs it, once it gets a slot. There are as many slots as tasks run at once, so waiting
   * work occupies no memory. Slots are fair between owners: the wait of one does not depend on how much another has queued. Not reentrant.
   * @throws as `work` does; MillraceError CANCELLED when `signal` aborts before it gets a slot
   */
  withSlot<T>(work: () => Promise<T>, options?: { signal?: AbortSignal; owner?: string }): Promise<T>
}

/** State of the disk or the database service that stores all data. */
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

/** Wakes workers when there may be something to claim. Carries no job ids; a lost wake-up costs delay only. */
export interface Dispatcher {
  wake(): void
  /** Calls back at each wake-up until the returned function is called. */
  onWake(listener: () => void): () => void
}

/** Facts about a job, whatever its operation. Times are milliseconds since the epoch. */
export interface JobFacts {
  /** The caller's own id for its item; null for none. */
  readonly itemId: string | null
  /** Name of its file, or of its slice; null for none. */
  readonly filename: string | null
  /** Link that its document is behind, as the caller sent it; null for none. */
  readonly url: string | null
  /** Number of attempts, the running one included; 0 before the first. */
  readonly attempt: number
  readonly maxAttempts: number
  /** When its first attempt began; null before. */
  readonly startedAt: number | null
  /** When it ended; null before. */
  readonly finishedAt: number | null
}

/** Progress of a running job. State, not history. */
export interface Progress extends Omit<JobFacts, 'finishedAt'> {
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
   * Its log now reaches `seq`; 0 means that the batch was deleted. Where the publisher has read the log for all followers, `page` is that
   * page, as plain JSON.
   */
  | { readonly seq: number; readonly page?: unknown }
  /** Some of its jobs moved on. */
  | { readonly progress: readonly Progress[] }

/** Publishes notices. They may be lost, duplicated or reordered; followers read the log. */
export interface Notifier {
  publish(batchId: string, notice: Notice): void
  /** Calls back for each notice about the batch until the returned function is called. */
  subscribe(batchId: string, listener: (notice: Notice) => void): () => void
}

/**
 * Why a stream ends. `finished`: nothing comes after it. `restart`: it continues on another server, or later here. `full`: the server has no capacity for it now.
 * `unknown`: there is nothing to follow. `revoked`: its credential is no longer valid. Transports without a word for it just end.
 */
export type EndReason = 'finished' | 'restart' | 'full' | 'unknown' | 'revoked'

/** Destination of the bytes of a live stream. One per connection. */
export interface Sink {
  /** Writes, or queues within the transport. False when the transport is full: write no more until `onDrain`. Never throws. */
  write(bytes: Uint8Array): boolean
  onDrain(listener: () => void): void
  /** Called once, when the client went away or the stream ended. */
  onClose(listener: () => void): void
  /**
   * Ends the stream cleanly.
   * @default `restart`
   */
  end(reason?: EndReason): void
}

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
