/** Chunks kept here: loaded by their owner, looked up by id. */
import { sql } from 'drizzle-orm'
import { jsonArrays } from '../../formats/json-arrays.ts'
import type { ChunkFound, ChunkSource, Clock, Database } from '../../ports.ts'
import { findRows, type Row, readableBy, readPage, turn } from '../../rows/owned-rows.ts'
import { ANSWER_FULL, MAX_ANSWER_BYTES, MAX_CHUNK_BYTES } from './answer-size.ts'
import { chunks } from './tables.ts'

/** Chunks are read as they were loaded. */
const RESOURCE = { table: chunks, json: sql`document` }

/** Chunks and bytes that one commit takes: a local database holds the event loop as long as it writes. */
const COMMIT_CHUNKS = 500
const COMMIT_BYTES = 250_000

/** So many chunks are never too many for one answer. */
const SURELY_FIT = Math.floor(MAX_ANSWER_BYTES / MAX_CHUNK_BYTES)
/** Ids of one look-up, and bytes that one query reads. */
const LOOKUP_IDS = 1_000
const READ_BYTES = 4_000_000

/** Chunks in the database. */
export class ChunkStore implements ChunkSource {
  readonly #db: Database
  readonly #clock: Clock

  constructor(deps: { db: Database; clock: Clock }) {
    this.#db = deps.db
    this.#clock = deps.clock
  }

  /** Looks chunks up, up to 64 MB of them; the others have an error that says so. */
  async find(owner: string, ids: readonly string[]): Promise<Map<string, ChunkFound>> {
    if (ids.length <= SURELY_FIT) return this.#read(owner, ids)
    const found = new Map<string, ChunkFound>()
    let room = MAX_ANSWER_BYTES
    for (let at = 0; at < ids.length; at += LOOKUP_IDS) {
      const sizes = await this.#sizesOf(owner, ids.slice(at, at + LOOKUP_IDS))
      let group: string[] = []
      let groupBytes = 0
      for (const [id, bytes] of sizes) {
        if (bytes > room) {
          found.set(id, ANSWER_FULL)
          continue
        }
        room -= bytes
        group.push(id)
        groupBytes += bytes
        if (groupBytes < READ_BYTES) continue
        for (const one of await this.#read(owner, group)) found.set(...one)
        group = []
        groupBytes = 0
        await turn()
      }
      for (const one of await this.#read(owner, group)) found.set(...one)
      await turn()
    }
    return found
  }

  /** Reads a page by id, shorter than asked for where it would hold more than 64 MB. */
  async page(owner: string, page: { after: string; limit: number }): Promise<{ rows: Row[]; next: string | null }> {
    if (page.limit <= SURELY_FIT) return readPage(this.#db, RESOURCE, owner, page)
    // An id may be there twice, as an own one and as a shared one.
    const sizes = await this.#db.all<{ id: string; bytes: number }>(sql`
      SELECT id, max(octet_length(document)) AS bytes FROM ${chunks}
      WHERE ${readableBy(chunks, owner)} AND id > ${page.after} GROUP BY id ORDER BY id LIMIT ${page.limit}`)
    let room = MAX_ANSWER_BYTES
    const limit = sizes.findIndex(({ bytes }) => {
      room -= bytes
      return room < 0
    })
    return readPage(this.#db, RESOURCE, owner, { ...page, limit: limit < 0 ? page.limit : limit })
  }

  async #read(owner: string, ids: readonly string[]): Promise<Map<string, ChunkFound>> {
    const rows = await findRows(this.#db, RESOURCE, owner, ids)
    return new Map([...rows].map(([id, row]) => [id, { chunk: row }]))
  }

  /** Bytes of the chunks that there are, by id, in the order of `ids`. */
  async #sizesOf(owner: string, ids: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.#db.all<{ id: string; bytes: number }>(sql`
      SELECT id, max(octet_length(document)) AS bytes FROM ${chunks}
      WHERE ${readableBy(chunks, owner)} AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)})) GROUP BY id`)
    const bytes = new Map(rows.map((row) => [row.id, row.bytes]))
    return new Map(ids.flatMap((id) => (bytes.has(id) ? [[id, bytes.get(id) ?? 0] as const] : [])))
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
