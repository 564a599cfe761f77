/**
 * Measures the store of vectors, recall and time of a search beside a bare scan of a typed array, and what it leaves of the event loop; then
 * where the time of a long document goes, and what searches find.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { createFsBlobStore } from '../src/drivers/blob-fs.ts'
import { createProcessCompute } from '../src/drivers/compute-processes.ts'
import { openLibsql } from '../src/drivers/db-libsql.ts'
import { COMPUTE_CODE, COMPUTE_TASKS } from '../src/drivers/files-node.ts'
import { createLocalModel } from '../src/features/rag/embed/local-model.ts'
import { searchCollection } from '../src/features/rag/search/search.ts'
import { openCollection } from '../src/features/rag/store/collections.ts'
import { PageCache } from '../src/features/rag/store/page-cache.ts'
import { storeDocument } from '../src/features/rag/store/store-document.ts'
import type { Compute, Database } from '../src/ports.ts'
import { type Figures, MODES, measureRetrieval, SETS, sizes } from '../test/features/rag/retrieval/measure.ts'
import { timePages } from './parts/rag-pages.ts'
import { median, quantile, shown } from './parts/report.ts'

const MIGRATIONS = join(import.meta.dirname, '..', 'drizzle')
const DIMENSIONS = 512
const SIZES = [10_000, 50_000, 200_000]
const QUERIES = 30
const TOP = 10
/** Turns of idleness and of load, and the length of each in milliseconds. */
const ROUNDS = 8
const ROUND_MS = 2_000
const CHUNKS_A_DOCUMENT = 1_000
const CACHE_BYTES = 160 * 1024 * 1024
/** Centres that vectors gather round, as texts do round their topics. */
const TOPICS = 200

/** Numbers between -1 and 1 that are the same in every run. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 31 - 1
  }
}

const random = createRandom(7)
const topics = Array.from({ length: TOPICS }, () => Float32Array.from({ length: DIMENSIONS }, random))

function nextVector(): Float32Array {
  const topic = topics[Math.floor((random() + 1) * 0.5 * TOPICS) % TOPICS] ?? new Float32Array(DIMENSIONS)
  const vector = topic.map((value) => value + 1.2 * random())
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}

const noCompute: Compute = {
  documentCpuMs: 0,
  run: () => Promise.reject(new Error('Vectors are made here.')),
  withSlot: (work) => work(),
}

/** Stores vectors, a chunk each, and keeps them in one array for the bare scan. */
async function fill(db: Database, size: number): Promise<Float32Array> {
  const collection = await openCollection({ db }, 'bench', { name: 'default', model: 'bench', dimensions: DIMENSIONS })
  const all = new Float32Array(size * DIMENSIONS)
  for (let first = 0; first < size; first += CHUNKS_A_DOCUMENT) {
    const chunks = Array.from({ length: CHUNKS_A_DOCUMENT }, (_, index) => {
      const vector = nextVector()
      all.set(vector, (first + index) * DIMENSIONS)
      const text = `Passage ${first + index}.`
      return {
        index,
        text,
        start: 0,
        end: text.length,
        tokens: 4,
        runs: [{ start: 0, end: text.length }],
        vectors: [vector],
      }
    })
    const id = uuidv7()
    const writes = await storeDocument(
      { db, yield: async () => {} },
      {
        id,
        collection,
        batchId: id,
        sourceKey: id,
        contentHash: id,
        settingsHash: '',
        title: id,
        url: null,
        language: null,
        channel: null,
        version: null,
        size: 1,
        chunks,
        segments: [],
        createdAt: 1,
      },
    )
    const [begin, ...rest] = writes(sql<boolean>`1 = 1`)
    if (begin !== undefined) await db.batch([begin, ...rest])
  }
  return all
}

/** The nearest by exact products, and the time that took. */
function scanBare(all: Float32Array, query: Float32Array): { best: number[]; ms: number } {
  const began = performance.now()
  const count = all.length / DIMENSIONS
  const scores = new Float32Array(count)
  for (let index = 0; index < count; index++) {
    let sum = 0
    const offset = index * DIMENSIONS
    for (let at = 0; at < DIMENSIONS; at++) sum += (query[at] as number) * (all[offset + at] as number)
    scores[index] = sum
  }
  const ms = performance.now() - began
  const best = Array.from(scores.keys()).sort((a, b) => (scores[b] as number) - (scores[a] as number))
  return { best: best.slice(0, TOP), ms }
}

/** Asks `/healthz` of this process from a thread of its own, one request after the other. @returns milliseconds of each */
async function ping(port: number, work: () => Promise<void>): Promise<number[]> {
  const script = `
    const { workerData, parentPort } = require('node:worker_threads')
    const times = []
    let on = true
    parentPort.on('message', () => { on = false })
    const round = async () => {
      // The first request loads the client, which is none of the server's time.
      await (await fetch('http://127.0.0.1:' + workerData + '/healthz')).text()
      while (on) {
        const began = performance.now()
        await (await fetch('http://127.0.0.1:' + workerData + '/healthz')).text()
        times.push(performance.now() - began)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      parentPort.postMessage(times)
      parentPort.close()
    }
    round()`
  const thread = new Worker(script, { eval: true, workerData: port })
  await work()
  const times = new Promise<number[]>((resolve) => thread.once('message', resolve))
  thread.postMessage('end')
  return times
}

async function measure(db: Database, all: Float32Array, port: number) {
  const queries = Array.from({ length: QUERIES }, nextVector)
  let current = queries[0] ?? new Float32Array(DIMENSIONS)
  const cache = new PageCache(CACHE_BYTES)
  const model = {
    id: 'bench',
    dimensions: DIMENSIONS,
    maxTokens: 1,
    embed: async () => [current],
    embedQuery: async () => current,
  }
  const search = async () => {
    const began = performance.now()
    const request = { collection: 'default', query: '-', mode: 'vector' as const, topK: TOP }
    const found = await searchCollection({ db, compute: noCompute, model, cache }, 'bench', request)
    return { ms: performance.now() - began, best: found.map(({ text }) => Number(/\d+/.exec(text)?.[0])) }
  }
  const cold = (await search()).ms
  const [bare, ours]: [number[], number[]] = [[], []]
  let hits = 0
  for (const query of queries) {
    current = query
    const exact = scanBare(all, query)
    const found = await search()
    bare.push(exact.ms)
    ours.push(found.ms)
    hits += exact.best.filter((index) => found.best.includes(index)).length
  }
  const { idle, busy } = await pingInTurns(port, search)
  return {
    cold,
    recall: hits / (QUERIES * TOP),
    bare: median(bare),
    ours: median(ours),
    idle: quantile(idle, 0.99),
    busy: quantile(busy, 0.99),
  }
}

/** Asks `/healthz` idle and at full load in turns, so that other work on the machine is the same for both. */
async function pingInTurns(port: number, search: () => Promise<unknown>): Promise<{ idle: number[]; busy: number[] }> {
  const [idle, busy]: [number[], number[]] = [[], []]
  const load = openEmbedding()
  // Both processes load the model before anything is timed.
  await load.begin().end()
  for (let round = 0; round < ROUNDS; round++) {
    idle.push(...(await ping(port, () => new Promise((resolve) => setTimeout(resolve, ROUND_MS)))))
    const embedding = load.begin()
    busy.push(
      ...(await ping(port, async () => {
        for (const until = performance.now() + ROUND_MS; performance.now() < until; )
          await Promise.all([search(), search()])
      })),
    )
    await embedding.end()
  }
  await load.close()
  return { idle, busy }
}

/** Embeds texts on all cores, as the documents of jobs are, from each beginning to its end. */
function openEmbedding() {
  const processes = availableParallelism()
  const options = { tasks: COMPUTE_TASKS, code: COMPUTE_CODE, processes, memoryMb: 1_000, cpuSeconds: 600 }
  const compute = createProcessCompute(options)
  const { embed } = createLocalModel(compute)
  const texts = Array.from({ length: 64 }, (_, at) =>
    `The ferry to island number ${at} leaves from the western pier at noon. `.repeat(3),
  )
  return {
    close: () => compute.close(),
    begin(): { end(): Promise<void> } {
      let on = true
      const work = Array.from({ length: processes }, async (_, at) => {
        do await embed(texts, { owner: `owner ${at}` })
        while (on)
      })
      return {
        async end() {
          on = false
          await Promise.all(work)
        },
      }
    },
  }
}

/** @returns the section of the report */
export async function run(): Promise<string> {
  return [await searchSection(), await pagesSection(), await retrievalSection()].join('\n\n')
}

async function pagesSection(): Promise<string> {
  const { db, folder, remove } = await openScratch()
  const { pages, words, chunks, all, parser, model } = await timePages({
    db,
    blobs: createFsBlobStore(join(folder, 'blobs')),
  })
  await remove()
  const rest = all - parser - model
  return `## A long document

A PDF of ${pages} pages and ${words.toLocaleString('en')} words, from its bytes to its last row, in one process, in seconds of CPU time. What is neither the parser's nor the model's is
cutting, counting, checkpoints, pages of vectors, the index of words and the commit.

| chunks | all, s | parser, s | model, s | the rest, s | |
| --- | --- | --- | --- | --- | --- |
| ${chunks} | ${shown(all)} | ${shown(parser)} | ${shown(model)} | ${shown(rest)} | ${((100 * rest) / all).toFixed(1)} % |`
}

async function searchSection(): Promise<string> {
  const server = createServer((_, response) => response.end('{}'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const lines: string[] = []
  for (const size of SIZES) {
    const { db, remove } = await openScratch()
    const all = await fill(db, size)
    const { cold, recall, bare, ours, idle, busy } = await measure(db, all, port)
    lines.push(
      `| ${size.toLocaleString('en')} | ${recall.toFixed(4)} | ${shown(bare)} | ${shown(ours)} | ${(ours / bare).toFixed(2)} × | ${shown(cold)} | ${shown(idle)} | ${shown(busy)} |`,
    )
    await remove()
  }
  server.close()
  return `## Search in a collection

Vectors of ${DIMENSIONS} numbers round ${TOPICS} topics, ${QUERIES} queries for ${TOP} results each. Recall is beside exact products of all. The bare scan is a loop over one typed
array of 32-bit floats, in the same run; a search reads rounded numbers, ranks anew by the exact ones, and reads the chunks. The first search reads all pages.
The answer of a small HTTP server on the same event loop is timed from another thread, idle and, in turns of two seconds, with two searches at a time while
documents are embedded on all cores.

| vectors | recall@10 | bare scan, ms | search, ms | | first search, ms | p99 idle, ms | p99 at full load, ms |
| --- | --- | --- | --- | --- | --- | --- | --- |
${lines.join('\n')}`
}

const NAMES = {
  shared: 'words of the passage',
  paraphrases: 'paraphrases',
  all: 'both',
  mixed: 'both, chunks of eight passages',
  ownLanguage: 'other languages, question in the same',
  acrossLanguages: 'other languages, question in English',
}

async function retrievalSection(): Promise<string> {
  const { db, remove } = await openScratch()
  const figures = await measureRetrieval(db)
  await remove()
  const cell = ({ first, five, gain }: Figures) => `${first.toFixed(3)} / ${five.toFixed(3)} / ${gain.toFixed(3)}`
  const rows = SETS.map((set) => `| ${NAMES[set]} | ${MODES.map((mode) => cell(figures[mode][set])).join(' | ')} |`)
  return `## What a search finds

${sizes.questions} questions on ${sizes.passages} invented passages (\`test/features/rag/retrieval/passages.json\`), with the model \`local\`: recall@1 / recall@5 / nDCG@10. The last column is
reciprocal rank fusion (k = 60) of the first two, for comparison; no search does that.

| questions | vector | text | hybrid | fused |
| --- | --- | --- | --- | --- |
${rows.join('\n')}`
}

async function openScratch() {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
  const { db, close } = await openLibsql(pathToFileURL(join(folder, 'bench.db')).href, { migrations: MIGRATIONS })
  const remove = async () => {
    close()
    await rm(folder, { recursive: true })
  }
  return { db, folder, remove }
}
