/** Reads the records of exports: a chunk, its vector, and its source. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../../ports.ts'
import { chunkReference } from '../references.ts'
import { fromHex } from '../store/bytes.ts'

/** Document of a job, by the id of its request. */
export interface ExportedDocument {
  readonly itemId: string
  readonly documentId: string
}

/** A record of an export. */
export interface VectorRecord {
  readonly id: string
  /** Empty where the model refused the chunk. */
  readonly vector: Float32Array
  readonly metadata: {
    readonly item_id: string
    readonly platform: 'documents'
    readonly document_id: string
    readonly title: string
    readonly url?: string
    readonly chunk_index: number
    readonly text: string
    readonly token_count: number
    readonly page?: number
    readonly heading?: string
    readonly start_seconds?: number
    readonly end_seconds?: number
    readonly model: string
    readonly dimensions: number
  }
}

/** Cursor: the document and the chunk of the next record. */
export interface RecordCursor {
  readonly document: number
  readonly chunk: number
}

/** Chunks that one query reads, and documents that it looks for. */
const CHUNKS_A_PAGE = 50
const DOCUMENTS_A_QUERY = 200

interface Row {
  readonly item: number
  readonly document: string
  readonly position: number
  readonly text: string
  readonly tokens: number
  readonly page: number | null
  readonly heading: string | null
  readonly startSeconds: number | null
  readonly endSeconds: number | null
  readonly vectors: string
  readonly title: string
  readonly url: string | null
  readonly model: string
  readonly dimensions: number
}

/** Reads the records of documents in order, a page at a time, from a cursor. Deleted documents have none. */
export async function* recordsOf(
  db: Database,
  owner: string,
  documents: readonly ExportedDocument[],
  from: RecordCursor,
): AsyncGenerator<{ readonly records: readonly VectorRecord[]; readonly next: RecordCursor }> {
  for (let { document, chunk } = from; document < documents.length; ) {
    const first = document
    const part = documents.slice(first, first + DOCUMENTS_A_QUERY)
    const ids = JSON.stringify(part.map(({ documentId }) => documentId))
    const rows = await db.all<Row>(sql`
      SELECT r.key AS item, k.document_id AS document, k.idx AS position, k.text, k.tokens, k.page, k.heading, k.start_seconds AS "startSeconds",
        k.end_seconds AS "endSeconds", hex(substr(k.vectors, 1, 4 * c.dimensions)) AS vectors, d.title, d.url, c.model, c.dimensions
      FROM json_each(${ids}) r CROSS JOIN rag_documents d ON d.id = r.value
      CROSS JOIN rag_collections c ON c.id = d.collection_id AND c.owner = ${owner}
      CROSS JOIN rag_chunks k ON k.document_id = d.id
      WHERE r.key > 0 OR k.idx >= ${chunk}
      ORDER BY r.key, k.idx LIMIT ${CHUNKS_A_PAGE}`)
    const last = rows.at(-1)
    if (last !== undefined && rows.length === CHUNKS_A_PAGE) {
      document = first + last.item
      chunk = last.position + 1
    } else {
      document = first + part.length
      chunk = 0
    }
    if (last !== undefined) yield { records: rows.map((row) => recordOf(row, part)), next: { document, chunk } }
  }
}

function recordOf(row: Row, documents: readonly ExportedDocument[]): VectorRecord {
  const { document, position, dimensions, page, heading, startSeconds, endSeconds, url } = row
  return {
    id: chunkReference(document, position),
    vector: readVector(row.vectors),
    metadata: {
      item_id: documents[row.item]?.itemId ?? document,
      platform: 'documents',
      document_id: document,
      title: row.title,
      ...(url === null ? {} : { url }),
      chunk_index: position,
      text: row.text,
      token_count: row.tokens,
      ...(page === null ? {} : { page }),
      ...(heading === null ? {} : { heading }),
      ...(startSeconds === null ? {} : { start_seconds: startSeconds }),
      ...(endSeconds === null ? {} : { end_seconds: endSeconds }),
      model: row.model,
      dimensions,
    },
  }
}

/** Reads a chunk's first vector, which is the mean of the others: 32-bit floats, little-endian as all supported machines are. */
const readVector = (hex: string): Float32Array => new Float32Array(fromHex(hex).buffer)
