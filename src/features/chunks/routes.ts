/** The chunk surface, `/api/chunks`: chunks by reference, many at once or one. */
import { type Context, Hono } from 'hono'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { readBody } from '../../http/request/fastapi-validation.ts'
import { Id } from '../../http/request/fields.ts'
import { jsonWithETag } from '../../http/response/etag.ts'
import type { Chunks } from '../../ports.ts'
import { MAX_CHUNK_BYTES } from './answer-size.ts'
import { ChunkStore } from './chunk-store.ts'
import { bulkChunks, findChunks, sourceTypeOf } from './chunks.ts'
import { type ChunksLoaded, ListChunks } from './schemas.ts'

/** References of one request, doubles included. */
const MAX_REFERENCES = 100_000
/** Chunks that one request loads. */
const MAX_LOADED = 20_000
/** Chunks that are looked at between two turns of everything else. */
const TURN_CHUNKS = 200

/** `POST /bulk`, `GET /:id`, `POST /` (loads), `GET /` (lists). */
export function chunkRoutes(deps: AppDeps): Hono<Env> {
  const { chunks } = deps
  return new Hono<Env>()
    .post('/bulk', async (c) => {
      const references = readReferences(await readBody(c))
      const answer = await bulkChunks(chunks, c.get('caller').owner, references, c.req.raw.signal)
      return jsonWithETag(c, answer)
    })
    .post('/', async (c) => {
      const store = storeOf(c, chunks)
      const documents = await readDocuments(await readBody(c), chunks)
      await store.load(c.get('caller').owner, documents)
      const answer: ChunksLoaded = { loaded: documents.length, ids: documents.map(({ id }) => id) }
      return c.json(answer, 201)
    })
    .get('/', async (c) => {
      const store = storeOf(c, chunks)
      const query = ListChunks.safeParse(c.req.query())
      if (!query.success) throw invalid('limit must be a whole number from 1 to 1000, cursor the next_cursor of a page')
      const { rows, next } = await store.page(c.get('caller').owner, {
        after: query.data.cursor,
        limit: query.data.limit,
      })
      const typed = rows.map((row) => ({ ...row, source_type: sourceTypeOf(chunks.prefixes, String(row.id)) }))
      return jsonWithETag(c, { chunks: typed, next_cursor: next })
    })
    .get('/:id', async (c: Context<Env, '/:id'>) => {
      const id = c.req.param('id')
      const answer = (await findChunks(chunks, c.get('caller').owner, [id], c.req.raw.signal)).get(id)
      if (answer !== undefined && 'chunk' in answer) return jsonWithETag(c, answer.chunk)
      const code =
        answer?.status === 400 ? 'INVALID_REQUEST' : answer?.status === 503 ? 'SERVICE_UNAVAILABLE' : 'NOT_FOUND'
      throw new MillraceError(code, answer?.error ?? 'Chunk not found')
    })
}

function tooMany(field: string, limit: number): MillraceError {
  return invalid(`${field} can have at most ${limit.toLocaleString('en')} items`)
}

function invalid(message: string): MillraceError {
  return new MillraceError('INVALID_REQUEST', message)
}

/** The store, where chunks are kept here and not by another service. */
function storeOf(c: Context<Env>, { source }: Chunks): ChunkStore {
  if (source instanceof ChunkStore) return source
  c.header('Allow', '')
  throw new MillraceError(
    'METHOD_NOT_ALLOWED',
    'Chunks come from another service here (CHUNKS_UPSTREAM_URL). They can be fetched by reference, but not loaded or listed.',
  )
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.getOwnPropertyDescriptor(value, name)?.value
}

function readReferences(body: unknown): unknown[] {
  const references = member(body, 'chunk_references')
  if (!Array.isArray(references)) throw invalid('chunk_references must be an array')
  if (references.length === 0) throw invalid('chunk_references cannot be empty')
  if (references.length > MAX_REFERENCES) throw tooMany('chunk_references', MAX_REFERENCES)
  return references
}

type Document = Readonly<Record<string, unknown>> & { id: string }

/** Reads the documents to load. They are kept unchanged, so they are checked rather than parsed: a schema would drop keys such as `__proto__`. */
async function readDocuments(body: unknown, { prefixes }: Chunks): Promise<Document[]> {
  const documents = member(body, 'chunks')
  if (!Array.isArray(documents)) throw invalid('chunks must be an array')
  if (documents.length === 0) throw invalid('chunks cannot be empty')
  if (documents.length > MAX_LOADED) throw tooMany('chunks', MAX_LOADED)
  const seen = new Set<string>()
  const read: Document[] = []
  const utf8 = new TextEncoder()
  const entries: Iterable<[number, unknown]> = documents.entries()
  for (const [place, document] of entries) {
    if (place % TURN_CHUNKS === TURN_CHUNKS - 1) await yieldToEventLoop()
    const name = `chunks[${place}]`
    if (typeof document !== 'object' || document === null || Array.isArray(document)) {
      throw invalid(`${name} must be an object`)
    }
    const id = Id.safeParse(member(document, 'id'))
    if (!id.success) throw invalid(`${name}.id must be 1 to 128 letters, digits or any of . _ : -`)
    if (sourceTypeOf(prefixes, id.data) === null) {
      throw invalid(`${name}.id: Invalid chunk ID format, it must begin with one of ${[...prefixes.keys()].join(', ')}`)
    }
    if (seen.has(id.data)) throw invalid(`${name}.id: ${id.data} is given twice`)
    seen.add(id.data)
    if (typeof member(document, 'text') !== 'string') throw invalid(`${name}.text must be a string`)
    if (utf8.encode(JSON.stringify(document)).byteLength > MAX_CHUNK_BYTES) {
      throw invalid(`${name} is larger than 1 MB`)
    }
    read.push({ ...document, id: id.data })
  }
  return read
}
