/** The chunk surface, `/api/chunks`: chunks by reference, many at once or one. */
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import type { Chunks } from '../../chunk-source.ts'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type Endpoint, json, jsonBody, longJsonBody, NOT_MODIFIED } from '../../http/openapi/endpoint.ts'
import { PLAIN_ERRORS } from '../../http/response/error-formats.ts'
import { jsonWithETag } from '../../http/response/etag.ts'
import { Routes } from '../../http/routes.ts'
import { MAX_CHUNK_BYTES } from './chunk-size.ts'
import { ChunkStore } from './chunk-store.ts'
import { bulkChunks, derivedSource, findChunks, sourceTypeOf } from './chunks.ts'
import {
  BulkChunks,
  Chunk,
  ChunkCursor,
  ChunkPage,
  ChunkReferences,
  ChunksLoaded,
  KeptChunk,
  ListChunks,
  LoadChunks,
  LoadChunksFrame,
} from './schemas.ts'

const PAGE = 100
/** Chunks that are checked before the event loop goes on with something else. */
const CHUNKS_AT_ONCE = 200

const readMany = {
  route: 'POST /api/chunks/bulk',
  id: 'readChunks',
  summary: 'Chunks by reference',
  description: 'One that is not found is an error under its reference and touches no other.',
  headers: ['If-None-Match'],
  body: jsonBody(ChunkReferences, { two: { chunk_references: ['k_1', 'e_404'] } }),
  answers: { 200: json('Chunks and errors, by reference.', BulkChunks, ['ETag']), 304: NOT_MODIFIED },
  errors: [400, 413, 415, 503],
} satisfies Endpoint

const load = {
  route: 'POST /api/chunks',
  id: 'loadChunks',
  summary: 'Load chunks; one with the same id is replaced',
  body: longJsonBody(
    LoadChunks,
    { name: 'chunks', frame: LoadChunksFrame, element: KeptChunk },
    { one: { chunks: [{ id: 'k_1', text: 'What the expert said', speaker: 'A' }] } },
  ),
  answers: { 201: json('Loaded.', ChunksLoaded) },
  errors: [400, 405, 413, 415, 503],
} satisfies Endpoint

const list = {
  route: 'GET /api/chunks',
  id: 'listChunks',
  summary: 'All chunks, page by page',
  query: ListChunks,
  headers: ['If-None-Match'],
  answers: { 200: json('A page.', ChunkPage, ['ETag']), 304: NOT_MODIFIED },
  errors: [400, 405, 503],
} satisfies Endpoint

const read = {
  route: 'GET /api/chunks/:id',
  id: 'readChunk',
  summary: 'One chunk',
  path: z.strictObject({ id: z.string().describe('Its reference.') }),
  headers: ['If-None-Match'],
  answers: { 200: json('The chunk.', Chunk, ['ETag']), 304: NOT_MODIFIED },
  errors: [400, 404, 503],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [readMany, load, list, read]

export function chunkRoutes(deps: AppDeps): Hono<Env> {
  const { chunks } = deps
  return new Routes('/api/chunks', PLAIN_ERRORS)
    .add(readMany, async (c) => {
      const { chunk_references: references } = c.req.valid('json')
      const answer = await bulkChunks(chunks, c.get('caller').owner, references, c.req.raw.signal)
      return jsonWithETag(c, answer satisfies BulkChunks)
    })
    .add(
      load,
      async (c) => {
        const { chunks: documents } = c.req.valid('json')
        await checkDocuments(documents, chunks)
        await storeOf(c, chunks).load(c.get('caller').owner, documents)
        return c.json({ loaded: documents.length, ids: documents.map(({ id }) => id) } satisfies ChunksLoaded, 201)
      },
      [
        (c, next) => {
          storeOf(c, chunks)
          return next()
        },
      ],
    )
    .add(list, async (c) => {
      const { cursor = '', limit = PAGE } = c.req.valid('query')
      const { rows, next } = await storeOf(c, chunks).page(c.get('caller').owner, { after: cursor, limit })
      return jsonWithETag(c, {
        chunks: rows.map((row) => {
          const id = String(row.id)
          return { ...row, id, source_type: sourceTypeOf(chunks.prefixes, id) }
        }),
        next_cursor: next === null ? null : z.encode(ChunkCursor, next),
      } satisfies ChunkPage)
    })
    .add(read, async (c) => {
      const { id } = c.req.valid('param')
      const answer = (await findChunks(chunks, c.get('caller').owner, [id], c.req.raw.signal)).get(id)
      if (answer !== undefined && 'chunk' in answer) return jsonWithETag(c, answer.chunk)
      const code =
        answer?.status === 400 ? 'INVALID_REQUEST' : answer?.status === 503 ? 'SERVICE_UNAVAILABLE' : 'NOT_FOUND'
      throw new MillraceError(code, answer?.error ?? 'Chunk not found')
    }).hono
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

/** Prefixes that a chunk may be loaded under, and those that it may not. */
function wantedPrefixes({ prefixes, derived }: Chunks): string {
  const own = [...(derived?.keys() ?? [])]
  const free = [...prefixes.keys()].filter((prefix) => !own.includes(prefix))
  const reserved = own.map((prefix) => `; ${prefix} is of chunks that this server makes by itself, of documents`)
  return `must begin with one of ${free.join(', ')}${reserved.join('')}`
}

/**
 * Refuses chunks with ids that are not to be loaded, or are given twice, and those that are too large.
 * @throws MillraceError INVALID_REQUEST naming the first of them
 */
async function checkDocuments(documents: readonly KeptChunk[], from: Chunks): Promise<void> {
  const seen = new Set<string>()
  const utf8 = new TextEncoder()
  for (const [index, document] of documents.entries()) {
    if (index % CHUNKS_AT_ONCE === CHUNKS_AT_ONCE - 1) await yieldToEventLoop()
    const name = `chunks[${index}]`
    const { id } = document
    if (sourceTypeOf(from.prefixes, id) === null || derivedSource(from, id) !== undefined) {
      throw invalid(`${name}.id: Invalid chunk ID format, it ${wantedPrefixes(from)}`)
    }
    if (seen.has(id)) throw invalid(`${name}.id: ${id} is given twice`)
    seen.add(id)
    if (utf8.encode(JSON.stringify(document)).byteLength > MAX_CHUNK_BYTES) {
      throw invalid(`${name} is larger than 1 MB`)
    }
  }
}
