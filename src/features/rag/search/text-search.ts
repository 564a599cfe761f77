/**
 * Text search by BM25 (Robertson and Zaragoza 2009) with statistics of the collection. FTS5's own BM25 has the statistics of all owners'
 * rows, so that one owner's documents would change another's scores.
 */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import { yieldToEventLoop } from '../../../engine/chunked-work.ts'
import type { Database } from '../../../ports.ts'
import type { CollectionState } from '../store/collections.ts'
import { indexedWord } from '../text-index/terms.ts'
import { tokenize } from '../text-index/tokenize.ts'
import { weightShare } from './function-words.ts'

/** BM25 parameters, with the usual values: saturation of term frequency, and length normalization. */
const K1 = 1.2
const B = 0.75
/** Most words of a query that are looked up. */
const MAX_TERMS = 64
/** Most postings of one read, and in all, of the rarest words first. A word in half of a large collection has little weight. */
const MAX_READ = 2_000
const MAX_POSTINGS = 24_000

/** Share of the highest possible score below which a match counts as stray, and the weight of a stray match. */
const STRAY_SHARE = 0.1
const STRAY_WEIGHT = 0.05

/** A word of a query with its weight in the collection, and its document frequency in chunks. */
export interface WeightedWord {
  readonly word: string
  readonly weight: number
  readonly chunks: number
}

/** A chunk with words of a query. */
export interface TextHit {
  readonly chunkId: number
  readonly documentId: string
  readonly chunk: number
  /** Share of the highest possible score of the query, 0 to 1. */
  readonly coverage: number
}

const Frequency = z.object({ position: z.int(), chunks: z.int() })
const Posting = z.object({
  position: z.int(),
  chunkId: z.int(),
  documentId: z.string(),
  chunk: z.int(),
  words: z.int(),
  times: z.int(),
})

/** Weighs the words of a query by inverse document frequency; unknown words weigh most, function words a tenth. */
export async function weighQuery(db: Database, collection: CollectionState, query: string): Promise<WeightedWord[]> {
  const words = [...new Set(tokenize(query))].slice(0, MAX_TERMS)
  const terms = JSON.stringify(words.map((word) => indexedWord(collection.id, word)))
  const rows = await db.all(sql`
    SELECT q.key AS position, t.doc AS chunks FROM json_each(${terms}) q CROSS JOIN rag_terms t ON t.term = q.value`)
  const counts = new Map(rows.map((row) => Frequency.parse(row)).map(({ position, chunks }) => [position, chunks]))
  return words.map((word, position) => {
    const chunks = counts.get(position) ?? 0
    return { word, chunks, weight: weightShare(word) * inverseFrequency(collection.chunks, chunks) }
  })
}

const inverseFrequency = (chunks: number, having: number) =>
  Math.log(1 + Math.max(0, chunks - having + 0.5) / (having + 0.5))

/**
 * Finds the chunks of a collection of this owner that contain words of a query.
 * @returns each with its coverage, the best first
 */
export async function searchText(
  db: Database,
  collection: CollectionState,
  words: readonly WeightedWord[],
): Promise<TextHit[]> {
  const most = words.reduce((sum, { weight }) => sum + weight, 0) * (K1 + 1)
  const hits = new Map<number, { documentId: string; chunk: number; score: number }>()
  const meanWords = Math.max(1, collection.words / Math.max(1, collection.chunks))
  for (const group of groupTerms(words)) {
    for (const { position, chunkId, documentId, chunk, words: length, times } of await readPostings(
      db,
      collection,
      group,
    )) {
      const saturation = (times * (K1 + 1)) / (times + K1 * (1 - B + (B * length) / meanWords))
      const hit = hits.get(chunkId) ?? { documentId, chunk, score: 0 }
      hit.score += (group[position]?.weight ?? 0) * saturation
      hits.set(chunkId, hit)
    }
    await yieldToEventLoop()
  }
  return Array.from(hits, ([chunkId, { score, ...hit }]) => ({
    chunkId,
    ...hit,
    coverage: coverageOf(Math.min(1, score / most)),
  })).sort((a, b) => b.coverage - a.coverage || a.chunkId - b.chunkId)
}

/**
 * Maps a share of the highest possible score to coverage. Up to a tenth counts next to nothing: a stray word of a long question says little
 * of a passage, and must not outweigh the cosine.
 */
const coverageOf = (share: number) => Math.max(STRAY_WEIGHT * share, (share - STRAY_SHARE) / (1 - STRAY_SHARE))

/** Groups words for reads within the limits, the rarest first; the rarest is read in any case. */
function groupTerms(words: readonly WeightedWord[]): WeightedWord[][] {
  const groups: WeightedWord[][] = []
  let [inGroup, inAll] = [0, 0]
  for (const word of words.toSorted((a, b) => b.weight - a.weight)) {
    if (inAll > 0 && inAll + word.chunks > MAX_POSTINGS) break
    if (groups.length === 0 || inGroup + word.chunks > MAX_READ) {
      groups.push([])
      inGroup = 0
    }
    groups.at(-1)?.push(word)
    inGroup += word.chunks
    inAll += word.chunks
  }
  return groups
}

async function readPostings(db: Database, { id, owner }: CollectionState, words: readonly WeightedWord[]) {
  const terms = JSON.stringify(words.map(({ word }) => indexedWord(id, word)))
  const rows = await db.all(sql`
    SELECT h.position, h.doc AS chunkId, c.document_id AS documentId, c.idx AS chunk, c.words, h.times
    FROM (
      SELECT q.key AS position, t.doc, count(*) AS times
      FROM json_each(${terms}) q CROSS JOIN rag_term_instances t ON t.term = q.value GROUP BY q.key, t.doc
    ) h CROSS JOIN rag_chunks c ON c.id = h.doc CROSS JOIN rag_documents d ON d.id = c.document_id
    WHERE d.owner = ${owner} AND d.collection_id = ${id}`)
  return rows.map((row) => Posting.parse(row))
}
