/** The contract of a source of chunks, as types: what a reference stands for, and what looking it up gives. */

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
   * @param signal aborts when the caller no longer waits for the answer
   */
  find(owner: string, ids: readonly string[], signal: AbortSignal): Promise<Map<string, ChunkFound>>
}

/** Source of chunks, and the meaning of the prefixes of their ids. */
export interface Chunks {
  readonly source: ChunkSource
  /** Sources of chunks that this server makes by itself, by the prefix of their ids. Callers cannot load such chunks. */
  readonly derived?: ReadonlyMap<string, ChunkSource>
  readonly prefixes: ChunkPrefixes
}
