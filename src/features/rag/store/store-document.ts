/** Makes the statements that write a document with its chunks, vectors and words in the commit that completes its job. */
import { type SQL, sql } from 'drizzle-orm'
import type { Database, Statement } from '../../../ports.ts'
import { normalisedMean } from '../embed/centre.ts'
import { indexedWord } from '../text-index/terms.ts'
import { tokenize } from '../text-index/tokenize.ts'
import { insertSegments } from '../transcript/store.ts'
import type { EmbeddedChunk, GuardedWrites, NewDocument } from '../types.ts'
import { toHex } from './bytes.ts'
import { deleteContent } from './delete.ts'
import { JsonParts } from './json-parts.ts'
import { encodePage, type IndexedVector, MAX_PAGE_VECTORS } from './page-format.ts'

/** JSON arrays of rows, each short enough for a statement. */
interface Rows {
  readonly chunks: readonly string[]
  readonly words: readonly string[]
  readonly pages: readonly string[]
  readonly wordCount: number
}

/**
 * Makes the statements that store a document and delete the earlier one of its source. Rows are serialized here, a chunk at a time.
 * @param ctx `yield` yields the event loop
 */
export async function storeDocument(
  ctx: { readonly db: Database; yield(): Promise<void> },
  document: NewDocument,
): Promise<GuardedWrites> {
  const rows = await makeRows(document, () => ctx.yield())
  return (held) => statements(ctx.db, document, rows, held)
}

async function makeRows({ collection, chunks }: NewDocument, yieldLoop: () => Promise<void>): Promise<Rows> {
  const chunkRows = new JsonParts()
  const wordRows = new JsonParts()
  const placed: IndexedVector[] = []
  let wordCount = 0
  for (const chunk of chunks) {
    const words = tokenize(chunk.text)
    wordCount += words.length
    chunkRows.add(chunkRow(chunk, words.length, collection.dimensions))
    wordRows.add([chunk.index, words.map((word) => indexedWord(collection.id, word)).join(' ')])
    for (const [run, vector] of chunk.vectors.entries()) placed.push({ chunk: chunk.index, run, vector })
    await yieldLoop()
  }
  const pageRows = new JsonParts()
  for (let first = 0; first < placed.length; first += MAX_PAGE_VECTORS) {
    const vectors = placed.slice(first, first + MAX_PAGE_VECTORS)
    pageRows.add([vectors.length, toHex(encodePage(vectors, collection.dimensions))])
    await yieldLoop()
  }
  return { chunks: chunkRows.all(), words: wordRows.all(), pages: pageRows.all(), wordCount }
}

function chunkRow(chunk: EmbeddedChunk, words: number, dimensions: number): unknown[] {
  const { index, text, start, end, tokens, page, heading, startSeconds, endSeconds, runs, vectors } = chunk
  // The mean of the runs is the chunk's vector in exports.
  const all = vectors.length > 1 ? [normalisedMean(vectors, dimensions), ...vectors] : vectors
  const floats = new Float32Array(all.length * dimensions)
  for (const [index, vector] of all.entries()) floats.set(vector, index * dimensions)
  const where = [page ?? null, heading ?? null, startSeconds ?? null, endSeconds ?? null]
  return [index, text, start, end, tokens, words, ...where, JSON.stringify(runs), toHex(new Uint8Array(floats.buffer))]
}

function statements(db: Database, document: NewDocument, rows: Rows, held: SQL): Statement[] {
  const { id, collection, batchId, sourceKey, contentHash, settingsHash, title, url, language, size } = document
  const { channel, version, createdAt } = document
  const { owner } = collection
  const earlier = sql`SELECT id FROM rag_documents WHERE collection_id = ${collection.id} AND owner = ${owner} AND source_key = ${sourceKey} AND ${held}`
  const tokens = document.chunks.reduce((sum, chunk) => sum + chunk.tokens, 0)
  return [
    ...deleteContent(db, earlier),
    db.run(sql`
      INSERT INTO rag_documents (id, owner, collection_id, batch_id, source_key, content_hash, settings_hash, title, url, language, size, chunks, tokens, words, channel, version, created_at)
      SELECT ${id}, ${owner}, ${collection.id}, ${batchId}, ${sourceKey}, ${contentHash}, ${settingsHash}, ${title}, ${url}, ${language}, ${size},
        ${document.chunks.length}, ${tokens}, ${rows.wordCount}, ${channel}, ${version}, ${createdAt} WHERE ${held}`),
    ...rows.chunks.map((part) =>
      db.run(sql`
        INSERT INTO rag_chunks (document_id, idx, text, start, "end", tokens, words, page, heading, start_seconds, end_seconds, runs, vectors)
        SELECT ${id}, ${at(0)}, ${at(1)}, ${at(2)}, ${at(3)}, ${at(4)}, ${at(5)}, ${at(6)}, ${at(7)}, ${at(8)}, ${at(9)}, ${at(10)}, unhex(${at(11)})
        FROM json_each(${part}) r WHERE ${held}`),
    ),
    ...rows.words.map((part) =>
      db.run(sql`
        INSERT INTO rag_text (rowid, tokens) SELECT c.id, ${at(1)}
        FROM json_each(${part}) r CROSS JOIN rag_chunks c ON c.document_id = ${id} AND c.idx = ${at(0)} WHERE ${held}`),
    ),
    ...rows.pages.map((part) =>
      db.run(sql`
        INSERT INTO rag_pages (collection_id, document_id, count, data)
        SELECT ${collection.id}, ${id}, ${at(0)}, unhex(${at(1)}) FROM json_each(${part}) r WHERE ${held}`),
    ),
    ...insertSegments(db, id, document.segments, held),
    db.run(sql`
      UPDATE rag_collections SET chunks = chunks + ${document.chunks.length}, words = words + ${rows.wordCount}, version = version + 1
      WHERE id = ${collection.id} AND owner = ${owner} AND ${held}`),
  ]
}

const at = (column: number) => sql.raw(`(r.value ->> ${column})`)
