/**
 * The operation `cards.export`: streams an owner's cards into an artifact. One job, in constant memory. Where the queries of a run are
 * limited, a long export is written in pieces, one a run, which the last run concatenates.
 */
import * as z from 'zod'
import { type ArtifactWriter, type StoredArtifact, writeInRuns } from '../../../engine/artifact-in-runs.ts'
import { insertUploads } from '../../../engine/uploads.ts'
import type { Attempt, Operation, RunContext, RunResult } from '../../../operation.ts'
import { CARD_FORMATS, type CardFormat } from '../export/formats.ts'
import { allPages, type CardPage, pagesOf } from '../export/pages.ts'
import { EXPORT_FORMATS, MAX_ERRORS } from '../schemas.ts'
import { forgetSlices } from '../slices.ts'
import { NOT_FOUND } from './delete.ts'

const words = z.array(z.string()).nullable()

/** Request to the operation. */
const Task = z.object({
  /** Null for all. */
  ids: words,
  privacyLevels: words,
  categories: words,
  publishedOnly: z.boolean(),
  format: z.enum(EXPORT_FORMATS),
  withMetadata: z.boolean(),
  gzip: z.boolean(),
  /** True to begin with a byte order mark. */
  bom: z.boolean().default(false),
  /** Prefix that the slugs of published cards are appended to. */
  pages: z.string(),
  /** Name of the file, without its extension. */
  filename: z.string(),
  /** Number of cards to scan, as of the request. */
  totalCards: z.int(),
})
type Task = z.infer<typeof Task>

/** Checkpoint of an export after a run. */
const ExportState = z.object({
  /** Keys of the pieces written so far, in order; with `gzip` each is compressed by itself. */
  pieces: z.array(z.string()),
  /** See `CardPage`. */
  next: z.string(),
  cards: z.int(),
  scanned: z.int(),
  failed: z.int(),
  errors: z.array(z.object({ card_id: z.string(), error: z.string() })),
})
type ExportState = z.infer<typeof ExportState>

const BEGINNING: ExportState = { pieces: [], next: '', cards: 0, scanned: 0, failed: 0, errors: [] }

export const exportCards: Operation = {
  name: 'cards.export',
  concurrency: null,
  maxAttempts: 3,
  timeLimitMs: 60 * 60_000,
  summaryDefaults: { cards: 0 },
  fromItems: null,

  plan(request) {
    const input = Task.parse(request)
    const { totalCards, format, filename } = input
    return { input, facts: { totalCards, format }, jobs: [{ input: {}, label: filename }] }
  },

  deleteOwnedRows: forgetSlices,
  run: (job, ctx) => run(job, ctx, Task.parse(job.batchInput)),
  batchTotals: (tallies) => ({ cards: tallies.cards ?? 0 }),
  merge: null,
}

async function run(job: Attempt, ctx: RunContext, task: Task): Promise<RunResult | 'continue'> {
  const format = CARD_FORMATS[task.format]
  const before = ExportState.safeParse(job.checkpoint).data ?? BEGINNING
  const writer = new Writer(job, ctx, task, before)
  const written = await writeInRuns(ctx, writer, before.pieces, task.gzip)
  return written === 'continue' ? written : done(job, ctx, task, format, writer.state, written)
}

function done(
  job: Attempt,
  ctx: RunContext,
  task: Task,
  format: CardFormat,
  { cards, scanned, failed, errors }: Omit<ExportState, 'pieces'>,
  { key, info }: StoredArtifact,
): RunResult {
  const filename = `${task.filename}.${format.extension}${task.gzip ? '.gz' : ''}`
  const contentType = task.gzip ? 'application/gzip' : format.contentType
  const batch = { batchId: job.batchId, owner: job.owner, now: ctx.clock.now() }
  return {
    result: {
      key,
      filename,
      contentType,
      size: info.size,
      sha256: info.sha256,
      format: task.format,
      cards,
      failed,
      errors,
    },
    summary: { cards },
    tallies: { cards: scanned },
    writes: (held) => insertUploads(ctx.db, batch, [{ key, filename, ...info }], held),
  }
}

/** Formats pages of cards under backpressure, until the budget of the run is exhausted. */
class Writer implements ArtifactWriter {
  /** True where the text is at its end, rather than at the end of what one run may write. */
  ended = false
  readonly state: Omit<ExportState, 'pieces'>
  readonly #ctx: RunContext
  readonly #task: Task
  readonly #pages: AsyncGenerator<CardPage>

  constructor(job: Attempt, ctx: RunContext, task: Task, { pieces, ...state }: ExportState) {
    this.#ctx = ctx
    this.#task = task
    this.state = { ...state, errors: [...state.errors] }
    const view = { ...task, packed: CARD_FORMATS[task.format].packed }
    this.#pages =
      task.ids === null
        ? allPages(ctx.db, job.owner, task, view, state.next)
        : pagesOf(ctx.db, job.owner, task.ids, task, view, state.next)
  }

  async *bytes(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const utf8 = new TextEncoder()
    const format = CARD_FORMATS[this.#task.format]
    if (this.state.next === '') {
      yield utf8.encode(`${this.#task.bom ? '\ufeff' : ''}${format.begin(this.#task.withMetadata)}`)
    }
    for await (const page of this.#pages) {
      this.#ctx.signal.throwIfAborted()
      const text = page.cards.map((json, at) => format.card(json, this.state.cards + at === 0)).join('')
      this.#note(page)
      if (text !== '') yield utf8.encode(text)
      if (this.#ctx.budgetExhausted()) return
    }
    this.ended = true
    yield utf8.encode(format.end)
  }

  #note(page: CardPage): void {
    const { state } = this
    state.next = page.next
    state.cards += page.cards.length
    state.scanned += page.scanned
    state.failed += page.missing.length
    const room = MAX_ERRORS - state.errors.length
    state.errors.push(...page.missing.slice(0, room).map((card_id) => ({ card_id, error: NOT_FOUND })))
    const percent = Math.min(99, (100 * state.scanned) / Math.max(1, this.#task.totalCards))
    this.#ctx.progress(percent, `${state.cards} cards`)
  }
}
