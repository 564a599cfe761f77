/** Source of `/api/chunks`: chunks of documents, by their references. */
import { sql } from 'drizzle-orm'
import type { ChunkFound, ChunkSource } from '../../chunk-source.ts'
import type { Database } from '../../ports.ts'
import { type AnswerRoom, PROCESS_ROOM, sayFull } from '../../rows/fitting-rows.ts'
import { chunkReference, parseReference } from './references.ts'

/** Prefix of the references of these chunks, with the kind of source that it names. */
export const REFERENCE_PREFIX = 'r_'
export const REFERENCE_TYPE = 'rag_chunk'

const REFERENCES_A_QUERY = 1_000

interface Row {
  readonly document: string
  readonly position: number
  readonly text: string
  readonly tokens: number
  readonly page: number | null
  readonly heading: string | null
  readonly startSeconds: number | null
  readonly endSeconds: number | null
  readonly title: string
  readonly url: string | null
  readonly collection: string
}

/** Reads chunks from the database, of the caller's own documents only. */
export class DocumentChunks implements ChunkSource {
  readonly #db: Database
  readonly #room: AnswerRoom

  /** @param deps `room`: most bytes of one answer; default 64 MB */
  constructor({ db, room = PROCESS_ROOM }: { readonly db: Database; readonly room?: AnswerRoom }) {
    this.#db = db
    this.#room = room
  }

  async find(owner: string, ids: readonly string[]): Promise<Map<string, ChunkFound>> {
    const found = new Map<string, ChunkFound>()
    const wanted = ids.flatMap((id) => parseReference(id) ?? [])
    let bytes = 0
    for (let at = 0; at < wanted.length; at += REFERENCES_A_QUERY) {
      for (const row of await this.#read(owner, wanted.slice(at, at + REFERENCES_A_QUERY))) {
        bytes += row.text.length * 3
        const id = chunkReference(row.document, row.position)
        found.set(id, bytes > this.#room.bytes ? sayFull(this.#room, 'chunks') : { chunk: chunkOf(id, row) })
      }
    }
    return found
  }

  #read(owner: string, wanted: readonly { documentId: string; index: number }[]): Promise<Row[]> {
    return this.#db.all<Row>(sql`
      SELECT k.document_id AS document, k.idx AS position, k.text, k.tokens, k.page, k.heading, k.start_seconds AS "startSeconds",
        k.end_seconds AS "endSeconds", d.title, d.url, c.name AS collection
      FROM json_each(${JSON.stringify(wanted)}) r
      CROSS JOIN rag_chunks k ON k.document_id = r.value ->> 'documentId' AND k.idx = r.value ->> 'index'
      CROSS JOIN rag_documents d ON d.id = k.document_id CROSS JOIN rag_collections c ON c.id = d.collection_id AND c.owner = ${owner}`)
  }
}

function chunkOf(id: string, row: Row): Readonly<Record<string, unknown>> {
  const { document, position, text, tokens, page, heading, startSeconds, endSeconds, title, url, collection } = row
  return {
    id,
    text,
    document_id: document,
    chunk_index: position,
    token_count: tokens,
    title,
    url,
    collection,
    ...(page === null ? {} : { page }),
    ...(heading === null ? {} : { heading }),
    ...(startSeconds === null ? {} : { start_seconds: startSeconds }),
    ...(endSeconds === null ? {} : { end_seconds: endSeconds }),
  }
}
