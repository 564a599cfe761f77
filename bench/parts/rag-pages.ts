/** A document of 500 pages: the share of its time that is neither the parser's nor the model's. */

import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { createComputeTasks } from '../../src/compute-tasks.ts'
import { createInlineCompute } from '../../src/drivers/compute-inline.ts'
import { nodeTaskFiles } from '../../src/drivers/task-files-node.ts'
import type { DocumentSource } from '../../src/features/rag/document-source.ts'
import { processDocuments } from '../../src/features/rag/operations/process.ts'
import type { Attempt, RunContext } from '../../src/operation.ts'
import type { BlobStore, Compute, Database } from '../../src/ports.ts'
import { seeded } from '../../test/crash/random.ts'
import { makePdf } from '../../test/features/rag/read/documents.ts'

const PAGES = 500
const PARAGRAPHS_A_PAGE = 3
const SENTENCES_A_PARAGRAPH = 4
const WORDS =
  'the harbour takes ships of every size when tide and weather let them in and its pilots know each bank and buoy by name'.split(
    ' ',
  )

/** Seconds of CPU time that a document took, and where they went. */
export interface PagesTimed {
  readonly pages: number
  readonly words: number
  readonly chunks: number
  readonly all: number
  readonly parser: number
  readonly model: number
}

/** Processes a document of 500 pages from its bytes to its last row, in this process. */
export async function timePages({ db, blobs }: { db: Database; blobs: BlobStore }): Promise<PagesTimed> {
  const { pdf, words } = await writeBook()
  const key = `uploads/${uuidv7()}`
  await blobs.put(key, new Blob([new Uint8Array(pdf)]).stream())
  const seconds: Record<string, number> = {}
  const compute = timed(createInlineCompute(createComputeTasks(nodeTaskFiles), { documentCpuMs: 3_600_000 }), seconds)
  const source: DocumentSource = {
    kind: 'stored',
    id: 'book',
    sourceKey: 'book',
    filename: 'book.pdf',
    contentType: 'application/pdf',
    key,
    offset: 0,
    length: pdf.byteLength,
  }
  const settings = { chunkSize: 1_024, chunkOverlap: 100, maxTokens: 8_192 }
  const attempt: Attempt = {
    jobId: uuidv7(),
    batchId: uuidv7(),
    owner: 'bench',
    sequence: 1,
    attempt: 1,
    input: source,
    batchInput: { collection: 'book', model: 'local', settings },
    checkpoint: null,
  }
  await compute.run('rag.embed', { texts: ['The model is loaded.'] })
  seconds['rag.embed'] = 0
  const began = cpuSeconds()
  const chunks = await runToEnd(db, attempt, { db, blobs, compute })
  const all = cpuSeconds() - began
  return { pages: PAGES, words, chunks, all, parser: seconds['rag.read'] ?? 0, model: seconds['rag.embed'] }
}

/** Runs a job until it is done, a fresh run wherever it asks for one, and commits what it writes. @returns the number of chunks */
async function runToEnd(
  db: Database,
  attempt: Attempt,
  ports: { db: Database; blobs: BlobStore; compute: Compute },
): Promise<number> {
  let checkpoint: unknown = null
  const ignore = () => {}
  const unused = () => Promise.reject(new Error('Nothing is fetched here.'))
  const ctx: RunContext = {
    ...ports,
    signal: new AbortController().signal,
    progress: () => {},
    speech: { transcriber: null, decoder: null, local: null },
    languageModel: null,
    vectors: null,
    media: null,
    rename: () => {},
    log: { info: ignore, warn: ignore, error: ignore },
    checkpoint: async (state) => {
      checkpoint = structuredClone(state)
    },
    budgetExhausted: () => false,
    yield: () => new Promise((resolve) => setImmediate(resolve)),
    clock: { now: Date.now },
    fetcher: { fetch: unused, send: unused, request: unused },
    openBatches: { append: unused, seal: unused },
  }
  for (;;) {
    const outcome = await processDocuments.run({ ...attempt, checkpoint }, ctx)
    if (outcome === 'continue' || 'continueAt' in outcome) continue
    const [first, ...rest] = outcome.writes?.(sql<boolean>`1 = 1`) ?? []
    if (first === undefined) throw new Error('The run wrote nothing.')
    await db.batch([first, ...rest])
    return Number(outcome.summary.chunks)
  }
}

/** CPU time of this process, in which all of it runs: other work on the machine changes it little. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000_000
}

/** Sums up the seconds of tasks by name. */
function timed(compute: Compute, seconds: Record<string, number>): Compute {
  return {
    ...compute,
    async run(task, input, options) {
      const began = cpuSeconds()
      try {
        return await compute.run(task, input, options)
      } finally {
        seconds[task] = (seconds[task] ?? 0) + cpuSeconds() - began
      }
    },
  }
}

async function writeBook(): Promise<{ pdf: Uint8Array; words: number }> {
  const random = seeded(500)
  let words = 0
  const sentence = () => {
    const count = 8 + Math.floor(random() * 12)
    words += count
    const chosen = Array.from({ length: count }, () => WORDS[Math.floor(random() * WORDS.length)] ?? 'ship')
    return `${(chosen[0] ?? '').replace(/^./, (letter) => letter.toUpperCase())} ${chosen.slice(1).join(' ')}.`
  }
  const pdf = await makePdf((book) => {
    for (let page = 0; page < PAGES; page++) {
      if (page > 0) book.addPage()
      for (let n = 0; n < PARAGRAPHS_A_PAGE; n++) {
        book.text(Array.from({ length: SENTENCES_A_PARAGRAPH }, sentence).join(' '))
        book.moveDown()
      }
    }
  })
  return { pdf, words }
}
