/** Measures retrieval on invented passages: questions that share their words, paraphrases, and questions in other languages. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { createComputeTasks } from '../../../../src/compute-tasks.ts'
import { createInlineCompute } from '../../../../src/drivers/compute-inline.ts'
import { nodeTaskFiles } from '../../../../src/drivers/task-files-node.ts'
import { createLocalModel, LOCAL_MODEL } from '../../../../src/features/rag/embed/local-model.ts'
import { searchCollection } from '../../../../src/features/rag/search/search.ts'
import { openCollection } from '../../../../src/features/rag/store/collections.ts'
import { PageCache } from '../../../../src/features/rag/store/page-cache.ts'
import type { Block, ChunkedDocument, EmbeddedChunk, SearchMode } from '../../../../src/features/rag/types.ts'
import type { Database } from '../../../../src/ports.ts'
import { documentOf, store } from '../search/fixture.ts'

const Passages = z.object({
  english: z.array(z.object({ passage: z.string(), shared: z.string(), paraphrase: z.string() })),
  multilingual: z.array(
    z.object({ language: z.string(), passage: z.string(), question: z.string(), english: z.string() }),
  ),
})

/** All of them are invented. */
export const { english, multilingual } = Passages.parse(
  JSON.parse(await readFile(join(import.meta.dirname, 'passages.json'), 'utf8')),
)

/** A question, and the text of the chunk that answers it. */
interface Question {
  readonly query: string
  readonly answer: string
}

/** Ranks of the right chunks among ten results, from 1; infinite where it is not among them. */
type Ranks = readonly number[]

export const compute = createInlineCompute(createComputeTasks(nodeTaskFiles))
const embedder = createLocalModel(compute)
const known = new Map<string, Float32Array>()
const asked = new Map<string, Float32Array>()

/** The model, which embeds no text twice. */
export const model = {
  ...embedder,
  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const fresh = texts.filter((text) => !known.has(text))
    const vectors = await embedder.embed(fresh, { owner: 'test' })
    for (const [index, text] of fresh.entries())
      known.set(text, vectors[index] ?? new Float32Array(LOCAL_MODEL.dimensions))
    return texts.map((text) => known.get(text) ?? new Float32Array(LOCAL_MODEL.dimensions))
  },
  async embedQuery(query: string): Promise<Float32Array> {
    const vector = asked.get(query) ?? (await embedder.embedQuery(query, { owner: 'test' }))
    asked.set(query, vector)
    return vector
  },
}

/** Stores texts as chunks of a collection: each is cut by itself, as a document of one chunk. */
export async function fill(db: Database, name: string, texts: readonly string[]): Promise<void> {
  const collection = await openCollection({ db }, 'ann', { name, model: 'local', dimensions: LOCAL_MODEL.dimensions })
  for (const text of texts) {
    const blocks: Block[] = text.split('\n\n').map((part) => ({ kind: 'paragraph', text: part, headings: [] }))
    const cut = await compute.run('rag.chunk', { blocks, chunkSize: 1_024, chunkOverlap: 100 })
    const chunks: EmbeddedChunk[] = []
    for (const chunk of (isChunked(cut) ? cut : { chunks: [] }).chunks) {
      const vectors = await model.embed(chunk.runs.map(({ start, end }) => chunk.text.slice(start, end)))
      chunks.push({ ...chunk, vectors })
    }
    await store(db, documentOf(collection, [], { chunks }))
  }
}

function isChunked(value: unknown): value is ChunkedDocument {
  return typeof value === 'object' && value !== null && 'chunks' in value
}

const cache = new PageCache(50_000_000)

/** Asks questions, and finds the rank of each answer. */
async function ask(db: Database, name: string, mode: SearchMode, questions: readonly Question[]): Promise<Ranks> {
  return (await order(db, name, mode, questions)).map((texts, index) => rankOf(texts, questions[index]?.answer))
}

function rankOf(texts: readonly string[], answer: string | undefined): number {
  const place = texts.indexOf(answer ?? '')
  return place === -1 ? Number.POSITIVE_INFINITY : place + 1
}

async function order(
  db: Database,
  name: string,
  mode: SearchMode,
  questions: readonly Question[],
): Promise<string[][]> {
  const orders: string[][] = []
  for (const { query } of questions) {
    const found = await searchCollection({ db, compute, model, cache }, 'ann', {
      collection: name,
      query,
      mode,
      topK: 10,
    })
    orders.push(found.map(({ text }) => text))
  }
  return orders
}

/** Ranks by reciprocal rank fusion (k = 60) of both halves, for comparison. */
async function askFused(db: Database, name: string, questions: readonly Question[]): Promise<Ranks> {
  const halves = await Promise.all((['vector', 'text'] as const).map((mode) => order(db, name, mode, questions)))
  return questions.map(({ answer }, index) => {
    const scores = new Map<string, number>()
    for (const half of halves) {
      for (const [place, text] of (half[index] ?? []).entries())
        scores.set(text, (scores.get(text) ?? 0) + 1 / (61 + place))
    }
    return rankOf(
      [...scores].sort((a, b) => b[1] - a[1]).map(([text]) => text),
      answer,
    )
  })
}

/** Figures of a set of questions, each of which one chunk answers. */
export interface Figures {
  /** Share of answers that are the first result, and among the first five. */
  readonly first: number
  readonly five: number
  /** Normalised discounted cumulative gain of ten results. */
  readonly gain: number
}

function figuresOf(ranks: Ranks): Figures {
  const share = (last: number) => ranks.filter((rank) => rank <= last).length / ranks.length
  const gain = ranks.reduce((sum, rank) => sum + (rank <= 10 ? 1 / Math.log2(rank + 1) : 0), 0)
  return { first: share(1), five: share(5), gain: gain / ranks.length }
}

/** Modes of search, and the fusion of two of them that is only measured. */
export const MODES = ['vector', 'text', 'hybrid', 'fused'] as const
type Mode = (typeof MODES)[number]

/** Sets of questions: with a passage's words, without them, both; for chunks of eight passages; in the passage's language, and in English. */
export const SETS = ['shared', 'paraphrases', 'all', 'mixed', 'ownLanguage', 'acrossLanguages'] as const

/** Sizes of what is asked. */
export const sizes = {
  passages: new Set([...english, ...multilingual].map(({ passage }) => passage)).size,
  questions: 2 * english.length + multilingual.length,
  languages: new Set(multilingual.map(({ language }) => language)).size,
}

/** Chunks of eight passages of different topics each. */
const EIGHT = 8
const STEP = english.length / EIGHT
const mixed = Array.from({ length: STEP }, (_, first) =>
  Array.from({ length: EIGHT }, (_, n) => english[first + n * STEP]?.passage ?? '').join('\n\n'),
)

/** Stores all passages in a database, and asks all questions by all modes. */
export async function measureRetrieval(db: Database): Promise<Record<Mode, Record<(typeof SETS)[number], Figures>>> {
  const texts = (of: readonly { readonly passage: string }[]) => of.map(({ passage }) => passage)
  await fill(db, 'english', texts(english))
  await fill(db, 'languages', texts(multilingual))
  await fill(db, 'mixed', mixed)
  const measure = async (mode: Mode) => {
    const run = (name: string, questions: readonly Question[]) =>
      mode === 'fused' ? askFused(db, name, questions) : ask(db, name, mode, questions)
    const shared = english.map(({ shared: query, passage: answer }) => ({ query, answer }))
    const paraphrases = english.map(({ paraphrase: query, passage: answer }) => ({ query, answer }))
    const inMixed = [...shared, ...paraphrases].map(({ query, answer }) => ({
      query,
      answer: mixed.find((text) => text.includes(answer)) ?? '',
    }))
    const own = multilingual.map(({ question: query, passage: answer }) => ({ query, answer }))
    const across = multilingual.map(({ english: query, passage: answer }) => ({ query, answer }))
    const [words, meaning] = [await run('english', shared), await run('english', paraphrases)]
    return {
      shared: figuresOf(words),
      paraphrases: figuresOf(meaning),
      all: figuresOf([...words, ...meaning]),
      mixed: figuresOf(await run('mixed', inMixed)),
      ownLanguage: figuresOf(await run('languages', own)),
      acrossLanguages: figuresOf(await run('languages', across)),
    }
  }
  return {
    vector: await measure('vector'),
    text: await measure('text'),
    hybrid: await measure('hybrid'),
    fused: await measure('fused'),
  }
}
