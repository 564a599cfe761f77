/** Limit on one chunk. */

/** Bytes that one chunk may have as JSON; a database takes 2 MB a value. */
export const MAX_CHUNK_BYTES = 1_000_000
