/** What the engine and the operations need of the world, as types. Drivers implement them; nothing else may. */

/** Where the time comes from, so that tests can turn it. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

/** What a stored blob was found to be while it streamed in. */
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
}

/** What a guarded fetch brought. */
export interface Fetched {
  /** The address that answered, after redirects. */
  readonly url: string
  /** As the server said, without parameters, lower case; empty when it said nothing. */
  readonly contentType: string
  /** File name from Content-Disposition, else the last path segment, else null. Never a path. */
  readonly filename: string | null
  readonly body: ReadableStream<Uint8Array>
}

/** Fetches URLs that a caller named. Refuses private, link-local and metadata addresses in any spelling, at any redirect. */
export interface Fetcher {
  /**
   * GETs `url`. `maxBytes` bounds the body (decoded), `timeoutMs` the whole exchange, body included.
   * @throws MillraceError URL_NOT_ALLOWED, NOT_FOUND (404, 410), TOO_LARGE, NETWORK_ERROR, TIMEOUT, RATE_LIMIT (429), SERVICE_UNAVAILABLE (5xx);
   * reading `body` throws TOO_LARGE, TIMEOUT, NETWORK_ERROR likewise
   */
  fetch(url: string, options: { maxBytes: number; timeoutMs: number; signal?: AbortSignal }): Promise<Fetched>
}

/** CPU-heavy functions by name. On Node they run in worker threads, so that the event loop stays free. */
export type ComputeTask = (input: unknown, ctx: { progress(value: unknown): void }) => Promise<unknown>

/** Loads each task's code when it is first asked for. */
export type ComputeTasks = Readonly<Record<string, () => Promise<ComputeTask>>>

/** Runs CPU-heavy tasks by name. Inputs and outputs are structured-cloned; ArrayBuffers in `transfer` are moved. */
export interface Compute {
  /**
   * @throws MillraceError as the task threw it (code and message cross the thread), UNKNOWN when the task ran out of memory
   * or its thread died, CANCELLED when `signal` aborts (the thread is ended)
   */
  run(
    task: string,
    input: unknown,
    options?: { signal?: AbortSignal; onProgress?: (value: unknown) => void; transfer?: readonly ArrayBuffer[] },
  ): Promise<unknown>
}
