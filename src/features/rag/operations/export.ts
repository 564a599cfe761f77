/**
 * The operation `rag.export`: streams chunks and vectors of a job's documents into an artifact. One job, in constant memory. Where the
 * queries of a run are limited, the file is written in pieces, one a run, which the last run concatenates.
 */
import * as z from 'zod'
import { type ArtifactWriter, type StoredArtifact, writeInRuns } from '../../../engine/artifact-in-runs.ts'
import { insertUploads } from '../../../engine/uploads.ts'
import { MillraceError } from '../../../errors.ts'
import type { Attempt, Operation, RunContext, RunResult } from '../../../operation.ts'
import { createEncoder } from '../export/encoder.ts'
import type { RecordEncoder } from '../export/record-encoder.ts'
import { type ExportedDocument, recordsOf } from '../export/records.ts'
import { EXPORT_FORMATS, EXPORT_TARGETS } from '../export-schemas.ts'
import { EXPORT } from '../names.ts'
import { listExported } from '../queries/exported-documents.ts'

const Task = z.object({
  /** Null for documents of a collection, whatever their job. */
  batchId: z.string().nullable(),
  collection: z.string().nullable().default(null),
  /** Ids of the documents to take; null for all. */
  documents: z.array(z.string()).nullable().default(null),
  format: z.enum(EXPORT_FORMATS),
  target: z.enum(EXPORT_TARGETS).default('pinecone'),
  gzip: z.boolean().default(false),
  filename: z.string(),
})
type Task = z.infer<typeof Task>

/** Request to the operation. */
export type ExportPlan = z.input<typeof Task>

/** Checkpoint of an export: the pieces that were written, and the document and the chunk that come next. */
const ExportState = z.object({
  pieces: z.array(z.string()),
  document: z.int(),
  chunk: z.int(),
  /** Id of the document that comes next; null at the beginning and the end. */
  documentId: z.string().nullable(),
  records: z.int(),
  /** State of the encoder. */
  encoder: z.unknown(),
})
type ExportState = z.infer<typeof ExportState>

const BEGINNING: ExportState = { pieces: [], document: 0, chunk: 0, documentId: null, records: 0, encoder: null }
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
  const documents = await listExported(ctx.db, job.owner, task)
  if (documents.length === 0) throw new MillraceError('NOT_FOUND', NOTHING_LEFT)
  const before = ExportState.safeParse(job.checkpoint).data ?? BEGINNING
  const from = before.pieces.length === 0 ? null : { state: before.encoder, records: before.records }
  const writer = new Writer(job, ctx, await createEncoder(task, from), documents, located(before, documents))
  const written = await writeInRuns(ctx, writer, before.pieces, task.gzip)
  return written === 'continue' ? written : done(job, ctx, task, writer.state.records, written)
}

const NOTHING_LEFT = 'There are no documents to export: they have been deleted, or none is among those that were named.'

/** Finds the next document anew: of a collection, some may have been deleted between two runs. */
function located(state: ExportState, documents: readonly ExportedDocument[]): ExportState {
  const { document, documentId } = state
  if (documentId === null || documents[document]?.documentId === documentId) return state
  const at = documents.findIndex((one) => one.documentId >= documentId)
  return {
    ...state,
    document: at === -1 ? documents.length : at,
    chunk: documents[at]?.documentId === documentId ? state.chunk : 0,
  }
}

/** Encodes records, until the budget of the run is exhausted. */
class Writer implements ArtifactWriter {
  /** True where the text is at its end, rather than at the end of what one run may write. */
  ended = false
  readonly state: ExportState
  readonly #job: Attempt
  readonly #ctx: RunContext
  readonly #encoder: RecordEncoder
  readonly #documents: readonly ExportedDocument[]

  constructor(
    job: Attempt,
    ctx: RunContext,
    encoder: RecordEncoder,
    documents: readonly ExportedDocument[],
    state: ExportState,
  ) {
    this.state = { ...state }
    this.#job = job
    this.#ctx = ctx
    this.#encoder = encoder
    this.#documents = documents
  }

  async *bytes(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for await (const bytes of this.#parts()) if (bytes.byteLength > 0) yield bytes
  }

  async *#parts(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const { state } = this
    const encoder = this.#encoder
    if (state.pieces.length === 0) yield encoder.begin()
    const pages = recordsOf(this.#ctx.db, this.#job.owner, this.#documents, state)
    for await (const { records, next } of pages) {
      this.#ctx.signal.throwIfAborted()
      yield encoder.add(records)
      Object.assign(state, next, { documentId: this.#documents[next.document]?.documentId ?? null })
      state.records += records.length
      this.#ctx.progress(Math.min(99, (100 * state.document) / this.#documents.length), `${state.records} records`)
      if (this.#ctx.budgetExhausted()) {
        yield encoder.flush()
        state.encoder = encoder.state
        return
      }
      await this.#ctx.yield()
    }
    this.ended = true
    yield encoder.end()
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
