/** Chunks kept here: loaded by their owner, looked up by id. */
import { sql } from 'drizzle-orm'
import { jsonArrays } from '../../formats/json-arrays.ts'
import type { ChunkFound, ChunkSource, Clock, Database, Statement } from '../../ports.ts'
import { findRows, type Row, readPage } from '../../rows/owned-rows.ts'
import { chunks } from './tables.ts'

/** Chunks are read as they were loaded. */
const RESOURCE = { table: chunks, json: sql`document` }

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

  /** Loads chunks in one commit; one whose id the owner has already is replaced. */
  async load(owner: string, documents: readonly (Row & { id: string })[]): Promise<void> {
    const now = this.#clock.now()
    const [first, ...rest] = jsonArrays(documents).map(
      (array): Statement =>
        this.#db.run(sql`
          INSERT INTO chunks (owner, id, document, created_at, updated_at)
          SELECT ${owner}, r.value ->> 'id', r.value, ${now}, ${now} FROM json_each(${array}) r WHERE true
          ON CONFLICT DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at`),
    )
    if (first !== undefined) await this.#db.batch([first, ...rest])
  }
}
