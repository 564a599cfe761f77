/** The chunk surface, `/api/chunks/*`: what its requests and answers hold, as its clients know them. */
import * as z from 'zod'
import { Id } from '../../http/request/fields.ts'

/** `POST /api/chunks/bulk`. A reference that is no string is answered as an error under its `String()`. */
export const ChunkReferences = z
  .object({ chunk_references: z.array(z.unknown()).min(1) })
  .meta({ id: 'ChunkReferences' })

/** `POST /api/chunks`. Everything beside `id` and `text` is kept as it is; an id begins with one of the known prefixes. */
export const LoadChunks = z
  .object({ chunks: z.array(z.looseObject({ id: Id, text: z.string() })).min(1) })
  .meta({ id: 'LoadChunks' })

/** `GET /api/chunks`. */
export const ListChunks = z.object({
  cursor: z.string().max(128).default('').describe('`next_cursor` of the page before.'),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
})

/** A chunk as it is read: what was loaded, and the kind of source that its prefix stands for. */
export const Chunk = z.looseObject({ id: z.string(), source_type: z.string() }).meta({ id: 'Chunk' })

/** The answer to `POST /api/chunks/bulk`; both objects are keyed by reference, one that is no string by its `String()`. */
export const BulkChunks = z
  .object({
    chunks: z.record(z.string(), Chunk),
    errors: z.record(z.string(), z.string()),
    summary: z.object({
      total_requested: z.int().describe('References as asked for, doubles counted.'),
      successful: z.int().describe('Keys of `chunks`.'),
      failed: z.int().describe('Keys of `errors`.'),
    }),
  })
  .meta({ id: 'BulkChunks' })
export type BulkChunks = z.infer<typeof BulkChunks>

/** The answer to `POST /api/chunks`. */
export const ChunksLoaded = z.object({ loaded: z.int(), ids: z.array(z.string()) }).meta({ id: 'ChunksLoaded' })
export type ChunksLoaded = z.infer<typeof ChunksLoaded>

/** The answer to `GET /api/chunks`. */
export const ChunkPage = z
  .object({
    chunks: z.array(Chunk),
    next_cursor: z.string().nullable().describe('What to send as `cursor` for the next page; null on the last.'),
  })
  .meta({ id: 'ChunkPage' })
