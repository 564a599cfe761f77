/** Limits on the chunks that one answer holds. */
import type { ChunkError } from '../../ports.ts'

/** Bytes that one chunk may have as JSON; a database takes 2 MB a value. */
export const MAX_CHUNK_BYTES = 1_000_000

/** Bytes of chunks in one answer, which is made in memory. */
export const MAX_ANSWER_BYTES = 64_000_000

/** Error for a reference whose chunk has no room in the answer. */
export const ANSWER_FULL: ChunkError = {
  error: 'The answer is full, at 64 MB of chunks: ask for this one in another request',
  status: 503,
}
