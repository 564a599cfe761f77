/** Caches collections' pages between searches, as plain data, which all requests of a process or isolate may share. */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import { yieldToEventLoop } from '../../../engine/chunked-work.ts'
import type { Database } from '../../../ports.ts'
import { fromHex } from './bytes.ts'
import type { CollectionState } from './collections.ts'
import { decodePage, type VectorPage } from './page-format.ts'

/** A page with its document. */
export interface DocumentPage extends VectorPage {
  readonly id: number
  readonly documentId: string
  readonly bytes: number
}

interface Kept {
  version: number
  removals: number
  /** Highest id of the pages read so far. */
  lastId: number
  bytes: number
  pages: DocumentPage[]
}

/** Most bytes of pages in one read, some two pages, so that no read blocks the event loop for long. */
const MAX_READ_BYTES = 600_000
/** Most ids of pages in one list. */
const MAX_LISTED = 5_000

const Header = z.object({ id: z.int(), bytes: z.int() })
const Row = z.object({ id: z.int(), documentId: z.string(), count: z.int(), data: z.string() })

/** LRU cache of the pages of collections. */
export class PageCache {
  readonly #maxBytes: number
  readonly #kept = new Map<string, Kept>()

  /** @param maxBytes of all pages together; a larger collection is read anew by each search */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Yields a collection's current pages, cached ones first; pages that are read are cached while there is room. */
  async *pages(db: Database, collection: CollectionState): AsyncGenerator<readonly DocumentPage[]> {
    const kept = this.#kept.get(collection.key) ?? {
      version: -1,
      removals: collection.removals,
      lastId: 0,
      bytes: 0,
      pages: [],
    }
    this.#kept.delete(collection.key)
    if (kept.removals !== collection.removals) await this.#forgetRemoved(db, collection, kept)
    yield kept.pages
    if (kept.version !== collection.version) {
      let isWhole = true
      let after = kept.lastId
      for (;;) {
        const headers = await listPages(db, collection.id, after)
        for (const group of grouped(headers)) {
          const pages = await readPages(db, collection.id, group)
          await yieldToEventLoop()
          yield pages
          const bytes = pages.reduce((sum, page) => sum + page.bytes, 0)
          isWhole &&= kept.bytes + bytes <= this.#maxBytes
          if (!isWhole) continue
          kept.pages = [...kept.pages, ...pages]
          kept.bytes += bytes
          kept.lastId = group.at(-1) ?? kept.lastId
        }
        after = headers.at(-1)?.id ?? after
        if (headers.length < MAX_LISTED) break
      }
      if (isWhole) kept.version = collection.version
    }
    this.#keep(collection, kept)
  }

  #keep({ key, removals }: CollectionState, kept: Kept): void {
    kept.removals = removals
    // A concurrent search of the same collection may have ended first; its entry is equivalent.
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    let bytes = [...this.#kept.values()].reduce((sum, one) => sum + one.bytes, 0)
    for (const [oldest, one] of this.#kept) {
      if (bytes <= this.#maxBytes || oldest === key) break
      this.#kept.delete(oldest)
      bytes -= one.bytes
    }
  }

  async #forgetRemoved(db: Database, collection: CollectionState, kept: Kept): Promise<void> {
    const present = new Set<number>()
    for (let after = 0; after < kept.lastId; ) {
      const headers = await listPages(db, collection.id, after)
      await yieldToEventLoop()
      for (const { id } of headers) present.add(id)
      after = headers.length < MAX_LISTED ? kept.lastId : (headers.at(-1)?.id ?? kept.lastId)
    }
    kept.pages = kept.pages.filter(({ id }) => present.has(id))
    kept.bytes = kept.pages.reduce((sum, page) => sum + page.bytes, 0)
  }
}

async function listPages(db: Database, collectionId: number, after: number) {
  const rows = await db.all(sql`
    SELECT id, length(data) AS bytes FROM rag_pages WHERE collection_id = ${collectionId} AND id > ${after} ORDER BY id LIMIT ${MAX_LISTED}`)
  return rows.map((row) => Header.parse(row))
}

/** Groups ids of pages for reads. */
function grouped(headers: readonly z.infer<typeof Header>[]): number[][] {
  const groups: number[][] = []
  let room = 0
  for (const { id, bytes } of headers) {
    if (bytes > room || groups.length === 0) {
      groups.push([])
      room = MAX_READ_BYTES
    }
    groups.at(-1)?.push(id)
    room -= bytes
  }
  return groups
}

async function readPages(db: Database, collectionId: number, ids: readonly number[]): Promise<DocumentPage[]> {
  const rows = await db.all(sql`
    SELECT p.id, p.document_id AS documentId, p.count, hex(p.data) AS data
    FROM json_each(${JSON.stringify(ids)}) r CROSS JOIN rag_pages p ON p.id = r.value AND p.collection_id = ${collectionId}`)
  return rows.map((row) => {
    const { data, count, ...page } = Row.parse(row)
    const bytes = fromHex(data)
    return { ...page, bytes: bytes.byteLength, ...decodePage(bytes, count) }
  })
}
