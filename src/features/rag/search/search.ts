/** Searches a collection by vectors, by text, or by both. */
import { yieldToEventLoop } from '../../../engine/chunked-work.ts'
import type { Compute, Database, VectorServices } from '../../../ports.ts'
import { modelOfCollection } from '../embed/chosen-model.ts'
import { embedQuestion } from '../embed/embedder.ts'
import { LOCAL_MODEL } from '../embed/local-model.ts'
import { chunkReference } from '../references.ts'
import { type CollectionState, findCollection } from '../store/collections.ts'
import { PageCache } from '../store/page-cache.ts'
import { tokenize } from '../text-index/tokenize.ts'
import { timedUrl } from '../transcript/timed-url.ts'
import type { EmbeddingModel, SearchRequest, SearchResult, TextRange } from '../types.ts'
import { filterDocuments, type RankedChunk, rankExactly, readShown, type ShownChunk } from './candidates.ts'
import { yieldRoundRobin } from './round-robin.ts'
import { chunkKey, type FoundRun, scan } from './scan.ts'
import { searchText, type TextHit, type WeightedWord, weighQuery } from './text-search.ts'

/** Weights of cosine and text coverage in a hybrid score. Scores, not ranks: a rank does not measure the quality of a match. */
const COSINE_SHARE = 0.7
const COVERAGE_SHARE = 0.3
/** Number of runs that are ranked by exact vectors, for each result and at least; number of text hits that are ranked with them. */
const RUNS_A_RESULT = 4
const MIN_RUNS = 96
const MIN_TEXT_CHUNKS = 48
/** Twice the largest error of a cosine by quantization: eight standard deviations for vectors whose largest number is 1/4. */
const MAX_ROUNDING = 0.016

const MB = 1024 * 1024
/** Page caches. 200,000 vectors of 512 numbers take some 105 MB. An isolate shares its memory with all requests, so its cache is smaller. */
const CACHES = { process: new PageCache(160 * MB), isolate: new PageCache(16 * MB) }

/** Parts of a server that a search uses. */
export interface SearchDeps {
  readonly db: Database
  readonly compute: Compute
  /** Services of hosted models; absent or null: there are none. */
  readonly vectors?: VectorServices | null
  /** A model in place of that of the collection; for tests. */
  readonly model?: Pick<EmbeddingModel, 'embedQuery'>
  readonly cache?: PageCache
}

interface Scored extends RankedChunk {
  readonly score: number
}

/**
 * Searches a collection of an owner. A collection that does not exist has no results.
 * @returns at most `topK` chunks, the best first; those of equal score in the order in which they were stored
 * @example
 * await searchCollection(deps, owner, { collection: 'default', query: 'When are payments due?', mode: 'hybrid', topK: 10 })
 */
export async function searchCollection(
  deps: SearchDeps,
  owner: string,
  { collection: name, ...request }: SearchRequest & { readonly collection: string },
): Promise<SearchResult[]> {
  const collection = await findCollection(deps.db, owner, name)
  if (collection === null) return []
  const documents = await filterDocuments(deps.db, collection, request.filter ?? {}, request.batchId)
  if (documents?.size === 0) return []
  const words = request.mode === 'vector' ? [] : await weighQuery(deps.db, collection, request.query)
  const all = request.mode === 'vector' ? [] : await searchText(deps.db, collection, words)
  const hits = all.filter(({ documentId }) => documents === undefined || documents.has(documentId))
  const scored =
    request.mode === 'text'
      ? hits.map(({ chunkId, coverage }) => ({ chunkId, run: -1, cosine: 0, score: coverage }))
      : await scoreByMeaning(deps, collection, request, hits, documents)
  const best = scored.sort((a, b) => b.score - a.score || a.chunkId - b.chunkId).slice(0, request.topK)
  const shown = await readShown(
    deps.db,
    collection,
    best.map(({ chunkId }) => chunkId),
  )
  // A hosted model has one vector of a chunk, so that the words find the part that answers best.
  const isWhole = collection.model !== LOCAL_MODEL.id && deps.model === undefined
  const asked = isWhole && words.length === 0 ? await weighQuery(deps.db, collection, request.query) : words
  return best.flatMap((one) => {
    const chunk = shown.get(one.chunkId)
    return chunk === undefined ? [] : [present(chunk, isWhole ? { ...one, run: -1 } : one, asked)]
  })
}

/** Scores chunks by cosine, and for a hybrid search by text as well. */
async function scoreByMeaning(
  deps: SearchDeps,
  collection: CollectionState,
  { query, mode, topK }: SearchRequest,
  hits: readonly TextHit[],
  documents: ReadonlySet<string> | undefined,
): Promise<Scored[]> {
  // A share of Compute of its own, so that queries do not wait for the owner's documents.
  const share = { owner: `${collection.owner} search` }
  const vector =
    deps.model === undefined
      ? await embedQuestion(modelOfCollection(collection), query, deps, share.owner)
      : await deps.model.embedQuery(query, share)
  const wanted = new Map<string, Set<number>>()
  for (const { documentId, chunk } of hits.slice(0, Math.max(MIN_TEXT_CHUNKS, 2 * topK))) {
    wanted.set(documentId, (wanted.get(documentId) ?? new Set()).add(chunk))
  }
  const isIsolate = deps.compute.sharesServerMemory === true
  const cache = deps.cache ?? (isIsolate ? CACHES.isolate : CACHES.process)
  const yieldLoop = isIsolate ? yieldToEventLoop : yieldRoundRobin
  const size = Math.max(MIN_RUNS, RUNS_A_RESULT * topK)
  const found = await scan(cache.pages(deps.db, collection), vector, { size, documents, wanted, yield: yieldLoop })
  const coverage = new Map(hits.map((hit) => [chunkKey(hit), hit.coverage]))
  const score = (cosine: number, key: string) =>
    mode === 'vector' ? cosine : COSINE_SHARE * cosine + COVERAGE_SHARE * (coverage.get(key) ?? 0)
  const likely = keepLikely(found, topK, (run) => score(run.score, chunkKey(run)))
  const ranked = await rankExactly(deps.db, collection, vector, likely, yieldLoop)
  return Array.from(ranked, ([key, one]) => ({ ...one, score: score(one.cosine, key) }))
}

/** Keeps the runs that may be among the results: those whose score is below the last result's by no more than the quantization error. */
function keepLikely(found: readonly FoundRun[], topK: number, score: (run: FoundRun) => number): readonly FoundRun[] {
  const best = new Map<string, number>()
  const scores = found.map(score)
  for (const [index, run] of found.entries()) {
    const key = chunkKey(run)
    best.set(key, Math.max(best.get(key) ?? Number.NEGATIVE_INFINITY, scores[index] ?? 0))
  }
  const last = [...best.values()].sort((a, b) => b - a)[topK - 1] ?? Number.NEGATIVE_INFINITY
  return found.filter((_, index) => (scores[index] ?? 0) >= last - MAX_ROUNDING)
}

function present(chunk: ShownChunk, { run: best, score }: Scored, words: readonly WeightedWord[]): SearchResult {
  const run = chunk.runs[best === -1 ? bestByWords(chunk, words) : best]
  const page = run?.page ?? chunk.page
  const heading = run?.heading ?? chunk.heading
  const startSeconds = run?.startSeconds ?? chunk.startSeconds
  const endSeconds = run?.endSeconds ?? chunk.endSeconds
  return {
    reference: chunkReference(chunk.documentId, chunk.chunk),
    score,
    text: chunk.text,
    highlight: run === undefined ? { start: 0, end: chunk.text.length } : { start: run.start, end: run.end },
    source: {
      title: chunk.title,
      url: chunk.url === null || startSeconds === null ? chunk.url : timedUrl(chunk.url, startSeconds),
      ...(page === null ? {} : { page }),
      ...(heading === null ? {} : { heading }),
      ...(startSeconds === null ? {} : { start_seconds: startSeconds }),
      ...(endSeconds === null ? {} : { end_seconds: endSeconds }),
    },
  }
}

/** Finds the run with the highest weight of a query's words. */
function bestByWords(
  { text, runs }: { readonly text: string; readonly runs: readonly TextRange[] },
  words: readonly WeightedWord[],
): number {
  const weights = runs.map(({ start, end }) => {
    const present = new Set(tokenize(text.slice(start, end)))
    return words.reduce((sum, { word, weight }) => sum + (present.has(word) ? weight : 0), 0)
  })
  return weights.indexOf(Math.max(...weights))
}
