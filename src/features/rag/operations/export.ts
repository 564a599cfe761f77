/**
 * The operation `rag.export`: streams chunks and vectors of a job's documents into an artifact. One job, in constant memory. Where the
 * queries of a run are limited, the file is written in pieces, one a run, which the last run concatenates.
 */
import * as z from 'zod'
import { type ArtifactWriter, type StoredArtifact, writeInRuns } from '../../../engine/artifact-in-runs.ts'
import { insertUploads } from '../../../engine/uploads.ts'
import { MillraceError } from '../../../errors.ts'
import type { Attempt, Operation, RunContext, RunResult } from '../../../operation.ts'
import { RECORD_FORMATS } from '../export/formats.ts'
import { type ExportedDocument, recordsOf } from '../export/records.ts'
import { EXPORT } from '../names.ts'
import { readExportedDocuments } from '../queries/jobs.ts'
import { EXPORT_FORMATS } from '../schemas.ts'

const Task = z.object({ batchId: z.string(), format: z.enum(EXPORT_FORMATS), filename: z.string() })
type Task = z.infer<typeof Task>

/** Checkpoint of an export: the pieces that were written, and the document and the chunk that come next. */
const ExportState = z.object({
  pieces: z.array(z.string()),
  document: z.int(),
  chunk: z.int(),
  records: z.int(),
})
type ExportState = z.infer<typeof ExportState>

const BEGINNING: ExportState = { pieces: [], document: 0, chunk: 0, records: 0 }
const TIME_LIMIT_MS = 60 * 60_000

export const exportEmbeddings: Operation = {
  name: EXPORT,
  concurrency: null,
  maxAttempts: 3,
  timeLimitMs: TIME_LIMIT_MS,
  summaryDefaults: { records: 0 },
  fromItems: null,

  plan(request) {
    const input = Task.parse(request)
    return { input, facts: { format: input.format }, jobs: [{ input: {}, label: input.filename }] }
  },

  run: (job, ctx) => run(job, ctx, Task.parse(job.batchInput)),
  batchTotals: (tallies) => ({ records: tallies.records ?? 0 }),
  merge: null,
}

async function run(job: Attempt, ctx: RunContext, task: Task): Promise<RunResult | 'continue'> {
  const documents = await readExportedDocuments(ctx.db, job.owner, task.batchId)
  if (documents.length === 0) throw new MillraceError('NOT_FOUND', 'The documents of this job have been deleted.')
  const before = ExportState.safeParse(job.checkpoint).data ?? BEGINNING
  const writer = new Writer(job, ctx, task, documents, before)
  const written = await writeInRuns(ctx, writer, before.pieces)
  return written === 'continue' ? written : done(job, ctx, task, writer.state.records, written)
}

/** Formats records, until the budget of the run is exhausted. */
class Writer implements ArtifactWriter {
  /** True where the text is at its end, rather than at the end of what one run may write. */
  ended = false
  readonly state: ExportState
  readonly #job: Attempt
  readonly #ctx: RunContext
  readonly #task: Task
  readonly #documents: readonly ExportedDocument[]

  constructor(job: Attempt, ctx: RunContext, task: Task, documents: readonly ExportedDocument[], state: ExportState) {
    this.state = { ...state }
    this.#job = job
    this.#ctx = ctx
    this.#task = task
    this.#documents = documents
  }

  async *bytes(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const utf8 = new TextEncoder()
    const { state } = this
    const format = RECORD_FORMATS[this.#task.format]
    if (state.pieces.length === 0) yield utf8.encode(format.begin)
    const pages = recordsOf(this.#ctx.db, this.#job.owner, this.#documents, state)
    for await (const { records, next } of pages) {
      this.#ctx.signal.throwIfAborted()
      const text = records.map((record, at) => format.record(record, state.records + at === 0)).join('')
      Object.assign(state, next)
      state.records += records.length
      this.#ctx.progress(Math.min(99, (100 * state.document) / this.#documents.length), `${state.records} records`)
      if (text !== '') yield utf8.encode(text)
      if (this.#ctx.budgetExhausted()) return
      await this.#ctx.yield()
    }
    this.ended = true
    yield utf8.encode(format.end)
  }
}

function done(
  job: Attempt,
  ctx: RunContext,
  { filename }: Task,
  records: number,
  { key, info }: StoredArtifact,
): RunResult {
  const { size, sha256 } = info
  const batch = { batchId: job.batchId, owner: job.owner, now: ctx.clock.now() }
  return {
    result: { key, filename, size, sha256, records },
    summary: { records },
    tallies: { records },
    writes: (held) => insertUploads(ctx.db, batch, [{ key, filename, ...info }], held),
  }
}
