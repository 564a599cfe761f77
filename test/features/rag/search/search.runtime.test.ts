/** Storing, finding and deleting documents: real databases of both runtimes, and a model of words in place of the large one. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { searchCollection } from '../../../../src/features/rag/search/search.ts'
import { deleteContent, deleteDocument, deleteDocumentsOf } from '../../../../src/features/rag/store/delete.ts'
import { findUnchanged, listDocuments } from '../../../../src/features/rag/store/documents.ts'
import { PageCache } from '../../../../src/features/rag/store/page-cache.ts'
import { storeDocument } from '../../../../src/features/rag/store/store-document.ts'
import type { SearchMode, SearchRequest } from '../../../../src/features/rag/types.ts'
import { openPlatform, type Platform } from '../../../support/platform.ts'
import { documentOf, noCompute, open, store, wordModel } from './fixture.ts'

let platform: Platform
beforeEach(async () => {
  platform = await openPlatform()
})
afterEach(() => platform.close())

const cache = new PageCache(10_000_000)

function find(
  query: string,
  mode: SearchMode = 'hybrid',
  more: Partial<SearchRequest> & { owner?: string; collection?: string } = {},
) {
  const { owner = 'ann', collection = 'default', ...request } = more
  const deps = { db: platform.db, compute: noCompute, model: wordModel, cache }
  return searchCollection(deps, owner, { collection, query, mode, topK: 10, ...request })
}

const counts = async () => {
  const count = async (table: string) => {
    const [row] = await platform.db.all<{ n: number }>(sql.raw(`SELECT count(*) AS n FROM ${table}`))
    return row?.n
  }
  return {
    documents: await count('rag_documents'),
    chunks: await count('rag_chunks'),
    pages: await count('rag_pages'),
    words: await count('rag_terms'),
  }
}

const TIDES = 'Spring tides come with the full moon. The harbour floods then.'
const BREAD = 'Salt slows the dough. Bakers weigh the flour.'

const MODES = ['vector', 'text', 'hybrid'] as const

describe('a search', () => {
  it.each(MODES)('by %s finds the chunk, its best run and its page', async (mode) => {
    await store(
      platform.db,
      documentOf(await open(platform.db, 'ann'), [TIDES, BREAD], { title: 'Notes', url: 'https://a.test/n' }),
    )
    const [first] = await find('bakers weigh flour', mode)
    expect(first?.text).toBe(BREAD)
    expect(BREAD.slice(first?.highlight.start, first?.highlight.end)).toBe(' Bakers weigh the flour.')
    expect(first?.source).toEqual({ title: 'Notes', url: 'https://a.test/n', page: 2 })
    expect(first?.reference).toMatch(/^r_[\w-]+_1$/)
    expect(first?.score).toBeGreaterThan(0.3)
    expect(first?.score).toBeLessThanOrEqual(1)
  })

  it('counts words that are nowhere, and is 0.7 cosine and 0.3 coverage', async () => {
    await store(platform.db, documentOf(await open(platform.db, 'ann'), [TIDES, BREAD]))
    const score = async (query: string, mode: SearchMode) => (await find(query, mode))[0]?.score ?? 0
    expect(await score('flour xylophone', 'text')).toBeLessThan(await score('flour', 'text'))
    const parts = 0.7 * (await score('weigh flour', 'vector')) + 0.3 * (await score('weigh flour', 'text'))
    expect(await score('weigh flour', 'hybrid')).toBeCloseTo(parts, 6)
  })

  it('weighs the matter of a question above the words that make it one', async () => {
    const [early, hinges] = ['Visitors should come early.', 'Hinges squeak every winter.']
    await store(platform.db, documentOf(await open(platform.db, 'ann'), [early, hinges]))
    const found = await find('Should hinges?', 'text')
    expect(found.map(({ text }) => text)).toEqual([hinges, early])
    expect(found[1]?.score).toBeLessThan(0.1 * (found[0]?.score ?? 0))
  })

  it.each(MODES)('by %s gives the same whatever others store', async (mode) => {
    const db = platform.db
    await store(db, documentOf(await open(db, 'ann'), [TIDES, BREAD]))
    const before = await find('the full moon floods the flour', mode)
    expect(before.length).toBeGreaterThan(0)
    await store(db, documentOf(await open(db, 'bob'), [`${TIDES} The moon the moon.`, BREAD, 'Flour flour flour.']))
    await store(db, documentOf(await open(db, 'ann', 'other'), ['The full moon floods the flour.']))
    expect(await find('the full moon floods the flour', mode)).toEqual(before)
    expect(await find('the full moon floods the flour', mode, { owner: 'eve' })).toEqual([])
  })

  it.each(MODES)('by %s sees what was stored, replaced and deleted since the last one', async (mode) => {
    const db = platform.db
    const collection = await open(db, 'ann')
    const texts = async () => (await find('harbour flour moon', mode)).map(({ text }) => text).sort()
    const first = documentOf(collection, [TIDES], { sourceKey: 'a', contentHash: '1' })
    await store(db, first)
    expect(await texts()).toEqual([TIDES])
    await store(db, documentOf(collection, [BREAD], { sourceKey: 'b' }))
    expect(await texts()).toEqual([BREAD, TIDES])
    const changed = documentOf(collection, ['The harbour is closed.'], { sourceKey: 'a', contentHash: '2' })
    await store(db, changed)
    expect(await texts()).toEqual([BREAD, 'The harbour is closed.'])
    expect(await findUnchanged(db, collection, 'a', { contentHash: '1', settingsHash: 's' })).toBeNull()
    expect((await findUnchanged(db, collection, 'a', { contentHash: '2', settingsHash: 's' }))?.id).toBe(changed.id)
    expect(await deleteDocument(db, 'bob', changed.id)).toBe(false)
    expect(await deleteDocument(db, 'ann', changed.id)).toBe(true)
    expect(await texts()).toEqual([BREAD])
  })

  it('keeps to its filter and its job', async () => {
    const db = platform.db
    const collection = await open(db, 'ann')
    const german = documentOf(collection, [TIDES], { title: 'Gezeiten', language: 'de', url: 'https://a.test/1' })
    await store(db, german)
    await store(db, documentOf(collection, [`${TIDES} Again.`], { title: 'Tides', language: 'en' }))
    const titles = async (more: Partial<SearchRequest>, mode: SearchMode) =>
      (await find('moon harbour', mode, more)).map(({ source }) => source.title)
    for (const mode of MODES) {
      expect(await titles({ filter: { languages: ['de'] } }, mode)).toEqual(['Gezeiten'])
      expect(await titles({ filter: { titles: ['Tides'] } }, mode)).toEqual(['Tides'])
      expect(await titles({ filter: { urls: ['https://a.test/1'] } }, mode)).toEqual(['Gezeiten'])
      expect(await titles({ filter: { documents: [german.id], languages: ['en'] } }, mode)).toEqual([])
      expect(await titles({ batchId: german.batchId }, mode)).toEqual(['Gezeiten'])
      expect(await titles({ topK: 1 }, mode)).toHaveLength(1)
    }
  })

  it('finds the nearest of several thousand vectors, read with and without memory', async () => {
    const db = platform.db
    const collection = await open(db, 'ann')
    const letters = (n: number) => String(n).replace(/\d/g, (digit) => 'abcdefghij'.charAt(Number(digit)))
    for (let document = 0; document < 3; document++) {
      await store(
        db,
        documentOf(
          collection,
          Array.from({ length: 700 }, (_, n) => `Ship ${letters(n)} of fleet ${letters(document)} sails.`),
        ),
      )
    }
    const query = `Ship ${letters(431)} of fleet ${letters(2)} sails.`
    const answers: unknown[] = []
    for (const maxBytes of [10_000_000, 20_000, 0]) {
      const deps = { db, compute: noCompute, model: wordModel, cache: new PageCache(maxBytes) }
      for (let round = 0; round < 2; round++) {
        answers.push(await searchCollection(deps, 'ann', { collection: 'default', query, mode: 'hybrid', topK: 5 }))
      }
    }
    expect(answers[0]).toMatchObject([{ text: query }, {}, {}, {}, {}])
    for (const answer of answers) expect(answer).toEqual(answers[0])
  })
})

describe('what is stored', () => {
  it('is there whole or not at all, and gone with its job', async () => {
    const { db } = platform
    const collection = await open(db, 'ann')
    const lost = await storeDocument({ db, yield: async () => {} }, documentOf(collection, [TIDES]))
    const [first, ...rest] = lost(sql<boolean>`1 = 0`)
    if (first !== undefined) await db.batch([first, ...rest])
    expect(await counts()).toEqual({ documents: 0, chunks: 0, pages: 0, words: 0 })
    const kept = documentOf(collection, [TIDES, BREAD])
    await store(db, kept)
    expect(await counts()).toMatchObject({ documents: 1, chunks: 2, pages: 1 })
    for (const statement of deleteDocumentsOf(db, JSON.stringify([kept.batchId]))) await statement
    expect(await counts()).toEqual({ documents: 0, chunks: 0, pages: 0, words: 0 })
    const [state] = await db.all<{ chunks: number; words: number }>(sql`SELECT chunks, words FROM rag_collections`)
    expect(state).toMatchObject({ chunks: 0, words: 0 })
    expect(deleteContent(db, sql`SELECT ''`)).toHaveLength(6)
  })

  it('is listed page by page, to its owner alone', async () => {
    const { db } = platform
    const collection = await open(db, 'ann')
    for (let n = 0; n < 3; n++) await store(db, documentOf(collection, [BREAD], { title: `Bread ${n}` }))
    await store(db, documentOf(await open(db, 'bob'), [BREAD], { title: 'Of Bob' }))
    const page = await listDocuments(db, 'ann', { after: null, limit: 2 })
    expect(page.documents.map(({ title }) => title)).toEqual(['Bread 0', 'Bread 1'])
    const rest = await listDocuments(db, 'ann', { collection: 'default', after: page.next, limit: 2 })
    expect(rest).toMatchObject({ documents: [{ title: 'Bread 2', collection: 'default', chunks: 1 }], next: null })
    expect((await listDocuments(db, 'ann', { collection: 'other', after: null, limit: 2 })).documents).toEqual([])
  })
})
