/** The chunk surface, `/api/chunks/*`: what its requests and answers hold, as its clients know them. */
import * as z from 'zod'
import { idCursor } from '../../http/request/cursor.ts'
import { callersId, list, notAnObject, PageLimit } from '../../http/request/fields.ts'
import { safeParse } from '../../http/request/safe-parse.ts'

/** References of one request, doubles included. */
const MAX_REFERENCES = 100_000
/** Chunks that one request loads. */
const MAX_LOADED = 20_000

const tooMany = (max: number) => `can have at most ${max.toLocaleString('en')} items`

/** Words for a body that is no object: as if the one field that it should have were missing. Messages go on from the name of their field. */
const missing = (field: string) => notAnObject(`${field} must be an array`)

/** `POST /api/chunks/bulk`. A reference that is no string is answered as an error under its `String()`. */
export const ChunkReferences = z
  .strictObject(
    {
      chunk_references: list(z.unknown(), MAX_REFERENCES, {
        notAList: 'must be an array',
        tooLong: tooMany(MAX_REFERENCES),
      })
        .refine((references) => references.length > 0, 'cannot be empty')
        .meta({ minItems: 1, maxItems: MAX_REFERENCES }),
    },
    missing('chunk_references'),
  )
  .meta({ id: 'ChunkReferences' })

/** A chunk to load. Everything beside `id` and `text` is kept as it is; an id begins with one of the known prefixes. */
export const NewChunk = z
  .looseObject(
    {
      id: callersId((wanted) => `must be ${wanted}`),
      text: z.string('must be a string'),
    },
    'must be an object',
  )
  .meta({ id: 'NewChunk' })

/** Such a chunk as it is kept: with every member as it was sent, of which a parsed object would lack one named `__proto__`. */
export const KeptChunk = z.unknown().transform((value, context): Readonly<Record<string, unknown>> & { id: string } => {
  const parsed = safeParse(NewChunk, value)
  if (parsed.success) return { ...Object(value), id: parsed.data.id }
  for (const { path, message } of parsed.error.issues) context.addIssue({ code: 'custom', path, message })
  return z.NEVER
})
export type KeptChunk = z.output<typeof KeptChunk>

const LOADED = { notAList: 'must be an array', tooLong: tooMany(MAX_LOADED) }
const SOME = (chunks: readonly unknown[]) => chunks.length > 0
const BOUNDS = { minItems: 1, maxItems: MAX_LOADED }

/** `POST /api/chunks`. */
export const LoadChunks = z
  .strictObject(
    { chunks: list(NewChunk, MAX_LOADED, LOADED).refine(SOME, 'cannot be empty').meta(BOUNDS) },
    missing('chunks'),
  )
  .meta({ id: 'LoadChunks' })

/** The same, with chunks that are not looked at yet, because they may be many. */
export const LoadChunksFrame = z.strictObject(
  { chunks: list(z.unknown(), MAX_LOADED, LOADED).refine(SOME, 'cannot be empty') },
  missing('chunks'),
)

/** Cursor of the list of chunks. */
export const ChunkCursor = idCursor('chunks')

/** `GET /api/chunks`. */
export const ListChunks = z.strictObject({
  cursor: ChunkCursor.optional(),
  limit: PageLimit,
})

/** A chunk as it is read: what was loaded, and the kind of source that its prefix stands for. */
export const Chunk = z
  .looseObject({
    id: z.string(),
    source_type: z.string().nullable().describe('Null where its prefix is no longer known.'),
  })
  .meta({ id: 'Chunk' })
export type Chunk = z.infer<typeof Chunk>

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
export type ChunkPage = z.infer<typeof ChunkPage>
