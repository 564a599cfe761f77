/** Reads the candidates of a search: their exact vectors for ranking, then the fields of the answer. */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import type { Database } from '../../../ports.ts'
import { fromHex } from '../store/bytes.ts'
import type { CollectionState } from '../store/collections.ts'
import type { SearchFilter } from '../types.ts'
import { chunkKey, type FoundRun } from './scan.ts'

/** Most vectors of one read. */
const MAX_READ = 32

const Exact = z.object({ position: z.int(), chunkId: z.int(), vector: z.string() })
const Run = z.object({
  start: z.int(),
  end: z.int(),
  page: z.int().optional(),
  heading: z.string().optional(),
  startSeconds: z.number().optional(),
  endSeconds: z.number().optional(),
})
const Shown = z.object({
  chunkId: z.int(),
  documentId: z.string(),
  chunk: z.int(),
  text: z.string(),
  runs: z.string().transform((json) => z.array(Run).parse(JSON.parse(json))),
  page: z.int().nullable(),
  heading: z.string().nullable(),
  startSeconds: z.number().nullable(),
  endSeconds: z.number().nullable(),
  title: z.string(),
  url: z.string().nullable(),
})

/** A chunk in an answer. */
export type ShownChunk = z.infer<typeof Shown>

/** A chunk with its best run by exact cosine. */
export interface RankedChunk {
  readonly chunkId: number
  readonly run: number
  readonly cosine: number
}

/** Ranks the found runs by their exact vectors. @returns the best run of each chunk, by `chunkKey` */
export async function rankExactly(
  db: Database,
  collection: CollectionState,
  query: Float32Array,
  found: readonly FoundRun[],
  yieldLoop: () => Promise<void>,
): Promise<Map<string, RankedChunk>> {
  const ranked = new Map<string, RankedChunk>()
  // One array for all vectors: thousands of short-lived buffers a second would have the collector run, and hold up the event loop.
  const exact = new Float32Array(collection.dimensions)
  const bytes = new Uint8Array(exact.buffer)
  for (let first = 0; first < found.length; first += MAX_READ) {
    const part = found.slice(first, first + MAX_READ)
    // Also before the first read, since the scan used its slice.
    await yieldLoop()
    for (const { position, chunkId, vector } of await readVectors(db, collection, part)) {
      const found = part[position]
      if (found === undefined) continue
      fromHex(vector, bytes)
      const cosine = dot(query, exact)
      const key = chunkKey(found)
      if (cosine > (ranked.get(key)?.cosine ?? Number.NEGATIVE_INFINITY))
        ranked.set(key, { chunkId, run: found.run, cosine })
    }
  }
  await yieldLoop()
  return ranked
}

async function readVectors(db: Database, { id, owner, dimensions }: CollectionState, found: readonly FoundRun[]) {
  const size = 4 * dimensions
  const keys = JSON.stringify(found.map(({ documentId, chunk, run }) => [documentId, chunk, run]))
  // A chunk of one run has one vector; of several, their mean comes first.
  const rows = await db.all(sql`
    SELECT r.key AS position, c.id AS chunkId,
      hex(substr(c.vectors, 1 + ${size} * iif(length(c.vectors) > ${size}, 1 + (r.value ->> 2), 0), ${size})) AS vector
    FROM json_each(${keys}) r
    CROSS JOIN rag_chunks c ON c.document_id = (r.value ->> 0) AND c.idx = (r.value ->> 1)
    CROSS JOIN rag_documents d ON d.id = c.document_id
    WHERE d.owner = ${owner} AND d.collection_id = ${id}`)
  return rows.map((row) => Exact.parse(row))
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let at = 0; at < a.length; at++) sum += (a[at] as number) * (b[at] as number)
  return sum
}

/** Reads the chunks of an answer. */
export async function readShown(
  db: Database,
  { id, owner }: CollectionState,
  chunkIds: readonly number[],
): Promise<Map<number, ShownChunk>> {
  const rows = await db.all(sql`
    SELECT c.id AS chunkId, c.document_id AS documentId, c.idx AS chunk, c.text, c.runs, c.page, c.heading,
      c.start_seconds AS startSeconds, c.end_seconds AS endSeconds, d.title, d.url
    FROM json_each(${JSON.stringify(chunkIds)}) r CROSS JOIN rag_chunks c ON c.id = r.value
    CROSS JOIN rag_documents d ON d.id = c.document_id WHERE d.owner = ${owner} AND d.collection_id = ${id}`)
  return new Map(rows.map((row) => Shown.parse(row)).map((shown) => [shown.chunkId, shown]))
}

/** Finds the documents that match a filter; undefined where all do. */
export async function filterDocuments(
  db: Database,
  { id, owner }: CollectionState,
  { documents, urls, titles, languages }: SearchFilter,
  batchId: string | undefined,
): Promise<ReadonlySet<string> | undefined> {
  const among = (column: string, values: readonly string[] | undefined) =>
    values === undefined
      ? []
      : [sql`AND ${sql.raw(column)} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`]
  const conditions = [
    ...among('id', documents),
    ...among('url', urls),
    ...among('title', titles),
    ...among('language', languages),
    ...among('batch_id', batchId === undefined ? undefined : [batchId]),
  ]
  if (conditions.length === 0) return undefined
  const rows = await db.all(
    sql`SELECT id FROM rag_documents WHERE owner = ${owner} AND collection_id = ${id} ${sql.join(conditions, sql` `)}`,
  )
  return new Set(rows.map((row) => z.object({ id: z.string() }).parse(row).id))
}
