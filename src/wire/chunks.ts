/** The chunk surface, `/api/chunks/*`: what its requests and answers hold, as its clients know them. */
import { z } from 'zod'

/** A chunk as it is read: what was loaded, and the kind of source that its prefix stands for. */
export const Chunk = z.looseObject({ id: z.string(), source_type: z.string() })

/** The answer to `POST /api/chunks/bulk`; both objects are keyed by reference, one that is no string by its `String()`. */
export const BulkChunks = z.object({
  chunks: z.record(z.string(), Chunk),
  errors: z.record(z.string(), z.string()),
  summary: z.object({
    /** References as asked for, doubles counted. */
    total_requested: z.int(),
    /** Keys of `chunks`. */
    successful: z.int(),
    /** Keys of `errors`. */
    failed: z.int(),
  }),
})
export type BulkChunks = z.infer<typeof BulkChunks>

/** The answer to `POST /api/chunks`. */
export const ChunksLoaded = z.object({ loaded: z.int(), ids: z.array(z.string()) })
export type ChunksLoaded = z.infer<typeof ChunksLoaded>

/** The answer to `GET /api/chunks`. */
export const ChunkPage = z.object({
  chunks: z.array(Chunk),
  /** What to send as `cursor` for the next page; null on the last. */
  next_cursor: z.string().nullable(),
})

/** The error body of the chunk surface. */
export const ChunkErrorBody = z.object({ error: z.string() })
export type ChunkErrorBody = z.infer<typeof ChunkErrorBody>
