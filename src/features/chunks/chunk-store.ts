/** Chunks kept here: loaded by their owner, looked up by id. */
import { sql } from 'drizzle-orm'
import type { ChunkFound, ChunkSource } from '../../chunk-source.ts'
import { yieldToEventLoop } from '../../formats/event-loop.ts'
import { jsonArrays } from '../../formats/json-arrays.ts'
import type { Clock, Database } from '../../ports.ts'
import { type AnswerRoom, PROCESS_ROOM, readFitting, roomOf, sayFull } from '../../rows/fitting-rows.ts'
import { findRows, type Row, readableBy, readPage } from '../../rows/owned-rows.ts'
import { MAX_CHUNK_BYTES } from './chunk-size.ts'
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
  readonly #room: AnswerRoom

  /** @param deps `room`: of one answer; default 64 MB */
  constructor(deps: { db: Database; clock: Clock; room?: AnswerRoom }) {
    this.#db = deps.db
    this.#clock = deps.clock
    this.#room = deps.room ?? PROCESS_ROOM
  }

  /** Looks chunks up, as many as an answer has room for; the others have an error that says so. */
  async find(owner: string, ids: readonly string[]): Promise<Map<string, ChunkFound>> {
    const rows = {
      maxBytes: MAX_CHUNK_BYTES,
      sizesOf: (some: readonly string[]) => this.#sizesOf(owner, some),
      read: (some: readonly string[]) => this.#read(owner, some),
      full: sayFull(this.#room, 'chunks'),
    }
    return new Map(await readFitting<ChunkFound>(ids, rows, this.#room))
  }

  /** Reads a page by id, shorter than asked for where an answer has no room for more. */
  async page(owner: string, page: { after: string; limit: number }): Promise<{ rows: Row[]; next: string | null }> {
    if (page.limit * MAX_CHUNK_BYTES <= this.#room.bytes) return readPage(this.#db, RESOURCE, owner, page)
    // An id may be there twice, as an own one and as a shared one.
    const sizes = await this.#db.all<{ id: string; bytes: number }>(sql`
      SELECT id, max(${roomOf(sql`document`, this.#room)}) AS bytes FROM ${chunks}
      WHERE ${readableBy(chunks, owner)} AND id > ${page.after} GROUP BY id ORDER BY id LIMIT ${page.limit}`)
    let room = this.#room.bytes
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

  /** Reads the room that the chunks take which there are. */
  async #sizesOf(owner: string, ids: readonly string[]): Promise<Map<string, number>> {
    const rows = await this.#db.all<{ id: string; bytes: number }>(sql`
      SELECT id, max(${roomOf(sql`document`, this.#room)}) AS bytes FROM ${chunks}
      WHERE ${readableBy(chunks, owner)} AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)})) GROUP BY id`)
    return new Map(rows.map(({ id, bytes }) => [id, bytes]))
  }

  /** Upserts chunks by their owner and id, up to 500 and some 250 KB a commit. So a load that was interrupted can be repeated. */
  async load(owner: string, documents: readonly (Row & { id: string })[]): Promise<void> {
    const now = this.#clock.now()
    for (let at = 0; at < documents.length; at += COMMIT_CHUNKS) {
      for (const array of jsonArrays(documents.slice(at, at + COMMIT_CHUNKS), COMMIT_BYTES)) {
        if (at > 0) await yieldToEventLoop()
        await this.#db.run(sql`
          INSERT INTO chunks (owner, id, document, created_at, updated_at)
          SELECT ${owner}, r.value ->> 'id', r.value, ${now}, ${now} FROM json_each(${array}) r WHERE true
          ON CONFLICT DO UPDATE SET document = excluded.document, updated_at = excluded.updated_at`)
      }
    }
  }
}
