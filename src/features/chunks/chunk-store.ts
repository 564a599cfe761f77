/** Chunks kept here: loaded by their owner, looked up by id. */
import { sql } from 'drizzle-orm'
import { jsonArrays } from '../../formats/json-arrays.ts'
import type { ChunkFound, ChunkSource, Clock, Database } from '../../ports.ts'
import { findRows, type Row, readPage, turn } from '../../rows/owned-rows.ts'
import { chunks } from './tables.ts'

/** Chunks are read as they were loaded. */
const RESOURCE = { table: chunks, json: sql`document` }

/** Chunks and bytes that one commit takes: a local database holds the event loop as long as it writes. */
const COMMIT_CHUNKS = 500
const COMMIT_BYTES = 250_000

/** Chunks in the database. */
export class ChunkStore implements ChunkSource {
  readonly #db: Database
  readonly #clock: Clock

  constructor(deps: { db: Database; clock: Clock }) {
    this.#db = deps.db
    this.#clock = deps.clock
  }

  async find(owner: string, ids: readonly string[]): Promise<Map<string, ChunkFound>> {
    const rows = await findRows(this.#db, RESOURCE, owner, ids)
    return new Map([...rows].map(([id, row]) => [id, { chunk: row }]))
  }

  /** Reads a page by id. */
  page(owner: string, page: { after: string; limit: number }): Promise<{ rows: Row[]; next: string | null }> {
    return readPage(this.#db, RESOURCE, owner, page)
  }

  /** Loads chunks, up to 500 and some 250 KB a commit; one whose id the owner has already is replaced, so what was cut off may be sent again. */
  async load(owner: string, documents: readonly (Row & { id: string })[]): Promise<void> {
    const now = this.#clock.now()
    for (let at = 0; at < documents.length; at += COMMIT_CHUNKS) {
      for (const array of jsonArrays(documents.slice(at, at + COMMIT_CHUNKS), COMMIT_BYTES)) {
        if (at > 0) await turn()
        await this.#db.run(sql`
          INSERT INTO chunks (owner, id, document, created_at, updated_at)
          SELECT ${owner}, r.value ->> 'id', r.value, ${now}, ${now} FROM json_each(${array}) r WHERE true
          ON CONFLICT DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at`)
      }
    }
  }
}
