/** The operation `cards.export`: an owner's cards, streamed into an artifact. One job; memory does not grow with the cards. */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
import { CARD_FORMATS, type CardFormat } from '../../formats/card-export.ts'
import type { Attempt, Operation, RunContext, RunResult } from '../../ports.ts'
import { EXPORT_FORMATS, MOST_ERRORS } from '../../wire/cards.ts'
import { NOT_FOUND } from './delete.ts'
import { allPages, type CardPage, pagesOf } from './export-pages.ts'
import { forgetSlices } from './slices.ts'

const words = z.array(z.string()).nullable()

/** What the operation is asked; words are upper case. */
const Task = z.object({
  /** Null for all. */
  ids: words,
  privacyLevels: words,
  categories: words,
  publishedOnly: z.boolean(),
  format: z.enum(EXPORT_FORMATS),
  withMetadata: z.boolean(),
  gzip: z.boolean(),
  /** What the slugs of published cards are put behind. */
  pages: z.string(),
  /** Of the file that is made, without its ending. */
  filename: z.string(),
  /** Cards to go through, as many as there were when it was asked for. */
  totalCards: z.int(),
})
type Task = z.infer<typeof Task>

export const exportCards: Operation = {
  name: 'cards.export',
  concurrency: null,
  maxAttempts: 3,
  timeLimitMs: 60 * 60_000,
  emptySummary: { cards: 0 },
  fromItems: null,

  plan(request) {
    const input = Task.parse(request)
    const { totalCards, format, filename } = input
    return { input, facts: { totalCards, format }, jobs: [{ input: {}, label: filename }] }
  },

  forget: forgetSlices,
  run: (job, ctx) => run(job, ctx, Task.parse(job.batchInput)),
  totals: (tallies) => ({ cards: tallies.cards ?? 0 }),
  merge: null,
}

/** Made under the prefix of uploads: what a run that was cut off leaves there is swept. */
async function run(job: Attempt, ctx: RunContext, task: Task): Promise<RunResult> {
  const format = CARD_FORMATS[task.format]
  const writer = new Writer(job, ctx, task, format)
  const key = `uploads/${uuidv7()}`
  const text = writer.stream()
  const info = await ctx.blobs.put(key, task.gzip ? text.pipeThrough(new CompressionStream('gzip')) : text)
  const filename = `${task.filename}.${format.extension}${task.gzip ? '.gz' : ''}`
  const contentType = task.gzip ? 'application/gzip' : format.contentType
  const now = ctx.clock.now()
  const { cards, failed, errors } = writer
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
    tallies: { cards: writer.scanned },
    writes: (held) => [
      ctx.db.run(sql`
        INSERT INTO uploads (key, owner, batch_id, filename, size, md5, sha256, created_at)
        SELECT ${key}, ${job.owner}, ${job.batchId}, ${filename}, ${info.size}, ${info.md5}, ${info.sha256}, ${now} WHERE ${held}`),
    ],
  }
}

/** Turns pages of cards into the text of a format, as it is asked for. */
class Writer {
  cards = 0
  scanned = 0
  failed = 0
  readonly errors: { card_id: string; error: string }[] = []
  readonly #ctx: RunContext
  readonly #task: Task
  readonly #format: CardFormat
  readonly #pages: AsyncGenerator<CardPage>

  constructor(job: Attempt, ctx: RunContext, task: Task, format: CardFormat) {
    this.#ctx = ctx
    this.#task = task
    this.#format = format
    this.#pages =
      task.ids === null ? allPages(ctx.db, job.owner, task, task) : pagesOf(ctx.db, job.owner, task.ids, task, task)
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const utf8 = new TextEncoder()
    const texts = this.#texts()
    return new ReadableStream(
      {
        async pull(controller) {
          const { done, value } = await texts.next()
          if (done) controller.close()
          else controller.enqueue(utf8.encode(value))
        },
        async cancel() {
          await texts.return(undefined)
        },
      },
      { highWaterMark: 0 },
    )
  }

  async *#texts(): AsyncGenerator<string> {
    yield this.#format.begin(this.#task.withMetadata)
    for await (const page of this.#pages) {
      this.#ctx.signal.throwIfAborted()
      const text = page.cards.map((json, at) => this.#format.card(json, this.cards + at === 0)).join('')
      this.cards += page.cards.length
      this.#note(page)
      if (text !== '') yield text
    }
    yield this.#format.end
  }

  #note(page: CardPage): void {
    this.scanned += page.scanned
    this.failed += page.missing.length
    const room = MOST_ERRORS - this.errors.length
    this.errors.push(...page.missing.slice(0, room).map((card_id) => ({ card_id, error: NOT_FOUND })))
    const percent = Math.min(99, (100 * this.scanned) / Math.max(1, this.#task.totalCards))
    this.#ctx.progress(percent, `${this.cards} cards`)
  }
}
