/** Documents stored, replaced and deleted by a server that is killed at random instants; what is stored is gone through after each death. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import { openLibsql } from '../../src/drivers/db-libsql.ts'
import type { Database } from '../../src/ports.ts'
import { processBody } from '../support/documents.ts'
import { copyTemplateDatabase, MIGRATIONS } from '../support/platform.ts'
import { freePort, MortalServer } from './crash-victim.ts'
import { between, seeded } from './random.ts'

/** Names of documents. There are few, so that most of what is stored takes the place of an earlier version. */
const NAMES = Array.from({ length: 12 }, (_, at) => `note-${at}`)
const WORDS = 'harbour pier crane berth lantern tide rope cargo gull mooring anchor sluice ferry pilot quay bell'.split(
  ' ',
)
/** Jobs that are open at once, at most. */
const MAX_OPEN = 4
/** Longest life after the server is ready, in milliseconds, and in births where those are slow: the model is loaded in the first seconds. */
const MAX_LIFE_MS = 5_000
const MAX_LIFE_BIRTHS = 3
const API = '/api/public/bulk'

/** What came of a run. */
export interface DocumentsReport {
  readonly seed: number
  readonly kills: number
  readonly jobs: number
  readonly deletions: number
  /** Commits that changed what is stored. */
  readonly versions: number
  /** Sentences; none when every document was whole or absent. */
  readonly faults: readonly string[]
}

/** Kills a server so many times, lets the last life finish the jobs, and goes through all rows. */
export async function crashDocuments({ seed, kills }: { seed: number; kills: number }): Promise<DocumentsReport> {
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-documents-'))
  await copyTemplateDatabase(dataDir)
  const env = { RATE_LIMITS: 'rag.process=none,rag.status=none,rag.write=none' }
  const run = new Run(new MortalServer({ dataDir, port: await freePort(), env }), seeded(seed))
  const faults: string[] = []
  for (let killed = 0; killed < kills && faults.length === 0; killed++) {
    await run.live()
    faults.push(...(await lookThrough(dataDir)).faults)
  }
  await run.finish()
  const last = await lookThrough(dataDir)
  faults.push(...last.faults)
  if (faults.length === 0) await rm(dataDir, { recursive: true })
  else faults.push(`The data folder is ${dataDir}.`)
  const { accepted, deletions } = run
  return { seed, kills, jobs: accepted.length, deletions, versions: last.versions, faults }
}

const Status = z.object({ status: z.string() })
const OVER: ReadonlySet<string> = new Set(['completed', 'failed', 'cancelled'])
const Listed = z.object({ documents: z.array(z.object({ id: z.string(), title: z.string() })) })

/** The lives of one server, and what was asked of it. */
class Run {
  readonly accepted: string[] = []
  deletions = 0
  readonly #server: MortalServer
  readonly #random: () => number
  #open: string[] = []
  #named = 0

  constructor(server: MortalServer, random: () => number) {
    this.#server = server
    this.#random = random
  }

  /** Lives once: takes jobs, deletes now and then, and is killed. */
  async live(): Promise<void> {
    const beganAt = performance.now()
    await this.#server.start()
    const longest = Math.max(MAX_LIFE_MS, MAX_LIFE_BIRTHS * (performance.now() - beganAt))
    const dies = new Promise((resolve) => setTimeout(resolve, this.#random() * longest))
    const asks = this.#ask().catch(() => {})
    await dies
    await this.#server.kill()
    await asks
  }

  /** Lives until all jobs are over. */
  async finish(): Promise<void> {
    await this.#server.start()
    for (const job of this.accepted) {
      while (!OVER.has((await this.#statusOf(job)).status)) await new Promise((resolve) => setTimeout(resolve, 200))
    }
    await this.#server.kill()
  }

  async #ask(): Promise<void> {
    const states = await Promise.all(this.#open.map((job) => this.#statusOf(job)))
    this.#open = this.#open.filter((_, at) => !OVER.has(states[at]?.status ?? ''))
    while (this.#open.length < MAX_OPEN) await this.#begin()
    if (this.#random() < 0.3) await this.#deleteOne()
  }

  async #begin(): Promise<void> {
    const job_id = `job-${this.#named++}`
    const first = between(this.#random, 0, NAMES.length - 1)
    const documents = [0, 1, 2].map((at) => ({ id: NAMES[(first + at) % NAMES.length], text: this.#text() }))
    const body = processBody(job_id, documents, { settings: { chunkSize: 512, chunkOverlap: 0 } })
    const response = await fetch(`${this.#server.url}${API}/process`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(await response.text())
    this.accepted.push(job_id)
    this.#open.push(job_id)
  }

  async #deleteOne(): Promise<void> {
    const { documents } = Listed.parse(await this.#get('/documents'))
    const one = documents[between(this.#random, 0, Math.max(0, documents.length - 1))]
    if (one === undefined) return
    const { ok } = await fetch(`${this.#server.url}${API}/documents/${one.id}`, { method: 'DELETE' })
    if (ok) this.deletions++
  }

  /** Sentences of one run to some forty, so of one chunk to three. */
  #text(): string {
    const sentence = () => {
      const words = Array.from(
        { length: between(this.#random, 6, 18) },
        () => WORDS[between(this.#random, 0, WORDS.length - 1)],
      )
      return `The ${words.join(' ')}.`
    }
    return Array.from({ length: between(this.#random, 1, 60) }, sentence).join(' ')
  }

  async #statusOf(job: string) {
    return Status.parse(await this.#get(`/job/${job}/status`))
  }

  async #get(path: string): Promise<unknown> {
    return (await fetch(`${this.#server.url}${API}${path}`)).json()
  }
}

/** What is wrong with what is stored: each query gives what must not be. */
const FAULTS = {
  'a document has not its chunks': sql`
    SELECT d.id FROM rag_documents d WHERE d.chunks <> (SELECT count(*) FROM rag_chunks c WHERE c.document_id = d.id) OR d.chunks = 0`,
  'chunks are of no document': sql`SELECT id FROM rag_chunks WHERE document_id NOT IN (SELECT id FROM rag_documents)`,
  'pages are of no document': sql`SELECT id FROM rag_pages WHERE document_id NOT IN (SELECT id FROM rag_documents)`,
  'pages have not a vector for each run': sql`
    SELECT d.id FROM rag_documents d
    WHERE (SELECT total(p.count) FROM rag_pages p WHERE p.document_id = d.id)
      <> (SELECT total(json_array_length(c.runs)) FROM rag_chunks c WHERE c.document_id = d.id)`,
  'a chunk has not its vectors': sql`
    SELECT id FROM rag_chunks WHERE length(vectors) <> 2048 * (json_array_length(runs) + (json_array_length(runs) > 1))`,
  'a chunk has not its words in the index': sql`
    SELECT c.id FROM rag_chunks c LEFT JOIN (SELECT doc, count(*) AS words FROM rag_term_instances GROUP BY doc) i ON i.doc = c.id
    WHERE c.words <> coalesce(i.words, 0)`,
  'words in the index are of no chunk': sql`
    SELECT DISTINCT doc AS id FROM rag_term_instances WHERE doc NOT IN (SELECT id FROM rag_chunks)`,
  'a document is there twice': sql`
    SELECT min(id) AS id FROM rag_documents GROUP BY owner, collection_id, source_key HAVING count(*) > 1`,
  'a document failed by something else than ten deaths': sql`
    SELECT id, error_code FROM jobs WHERE status = 'failed' AND error_code <> 'WORKER_LOST'`,
  'a job that is over has not counted its documents': sql`
    SELECT b.id FROM batches b WHERE b.operation = 'rag.process' AND b.finished_at IS NOT NULL AND b.completed + b.failed <> b.total`,
  'a collection counts wrongly': sql`
    SELECT k.id FROM rag_collections k
    WHERE k.chunks <> (SELECT total(d.chunks) FROM rag_documents d WHERE d.collection_id = k.id)
      OR k.words <> (SELECT total(d.words) FROM rag_documents d WHERE d.collection_id = k.id)`,
}

/** Goes through what a dead server left. */
async function lookThrough(dataDir: string): Promise<{ faults: string[]; versions: number }> {
  const { db, close } = await openLibsql(pathToFileURL(join(dataDir, 'millrace.db')).href, { migrations: MIGRATIONS })
  try {
    const faults: string[] = []
    for (const [fault, query] of Object.entries(FAULTS)) {
      const rows = await db.all(query)
      if (rows.length > 0) faults.push(`${fault}: ${JSON.stringify(rows.slice(0, 3))}`)
    }
    return { faults, versions: await countVersions(db) }
  } finally {
    close()
  }
}

async function countVersions(db: Database): Promise<number> {
  const [row] = await db.all<{ versions: number }>(sql`SELECT total(version) AS versions FROM rag_collections`)
  return row?.versions ?? 0
}
