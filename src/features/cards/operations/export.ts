/**
 * The operation `cards.export`: an owner's cards, streamed into an artifact. One job; memory does not grow with the cards. Where
 * what one run may ask of the database is bounded, a long export is written in pieces, a run each, that the last run puts together.
 */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import { streamOf, transcode } from '../../../formats/streams.ts'
import type { Attempt, BlobInfo, BlobStore, Operation, RunContext, RunResult } from '../../../ports.ts'
import { CARD_FORMATS, type CardFormat } from '../export/formats.ts'
import { allPages, type CardPage, pagesOf } from '../export/pages.ts'
import { EXPORT_FORMATS, MAX_ERRORS } from '../schemas.ts'
import { forgetSlices } from '../slices.ts'
import { NOT_FOUND } from './delete.ts'

const words = z.array(z.string()).nullable()

/** Request that the operation gets. */
const Task = z.object({
  /** Null for all. */
  ids: words,
  privacyLevels: words,
  categories: words,
  publishedOnly: z.boolean(),
  format: z.enum(EXPORT_FORMATS),
  withMetadata: z.boolean(),
  gzip: z.boolean(),
  /** Prefix that the slugs of published cards are appended to. */
  pages: z.string(),
  /** Of the file that is made, without its ending. */
  filename: z.string(),
  /** Cards to go through, as many as there were when it was asked for. */
  totalCards: z.int(),
})
type Task = z.infer<typeof Task>

/** Progress of an export after a run. */
const Place = z.object({
  /** Keys of what was written so far, in order, each as the whole would be: with `gzip`, packed for itself. */
  pieces: z.array(z.string()),
  /** See `CardPage`. */
  next: z.string(),
  cards: z.int(),
  scanned: z.int(),
  failed: z.int(),
  errors: z.array(z.object({ card_id: z.string(), error: z.string() })),
})
type Place = z.infer<typeof Place>

const BEGINNING: Place = { pieces: [], next: '', cards: 0, scanned: 0, failed: 0, errors: [] }

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

/** Made under the prefix of uploads: what a run that was cut off leaves there is swept. */
async function run(job: Attempt, ctx: RunContext, task: Task): Promise<RunResult | 'continue'> {
  const format = CARD_FORMATS[task.format]
  const before = Place.safeParse(job.checkpoint).data ?? BEGINNING
  const writer = new Writer(job, ctx, task, before)
  const piece = `uploads/${uuidv7()}`
  const info = await ctx.blobs.put(piece, packed(writer.stream(), task.gzip))
  const pieces = [...before.pieces, piece]
  if (!writer.ended) {
    await ctx.checkpoint({ ...writer.place, pieces })
    return 'continue'
  }
  const whole = pieces.length === 1 ? { key: piece, info } : await join(ctx.blobs, pieces, task.gzip)
  if (whole === null) {
    // A piece was swept meanwhile.
    await ctx.checkpoint(null)
    return 'continue'
  }
  return done(job, ctx, task, format, writer.place, whole)
}

const packed = (text: ReadableStream<Uint8Array<ArrayBuffer>>, gzip: boolean) =>
  gzip ? streamOf(transcode(text, new CompressionStream('gzip'))) : text

/** Puts the pieces together under a key of its own; null when one of them is gone. */
async function join(
  blobs: BlobStore,
  pieces: readonly string[],
  gzip: boolean,
): Promise<{ key: string; info: BlobInfo } | null> {
  for (const piece of pieces) {
    const nothing = await blobs.get(piece, { offset: 0, length: 0 })
    if (nothing === null) return null
    await nothing.cancel()
  }
  const key = `uploads/${uuidv7()}`
  const info = await blobs.put(key, packed(streamOf(bytesOf(blobs, pieces, gzip)), gzip))
  await blobs.delete(pieces)
  return { key, info }
}

async function* bytesOf(
  blobs: BlobStore,
  pieces: readonly string[],
  gzip: boolean,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const piece of pieces) {
    const stored = new Response(await blobs.get(piece)).body
    if (stored === null) throw new MillraceError('SERVICE_UNAVAILABLE', 'A part of this export is gone.')
    yield* gzip ? transcode(stored, new DecompressionStream('gzip')) : stored
  }
}

function done(
  job: Attempt,
  ctx: RunContext,
  task: Task,
  format: CardFormat,
  { cards, scanned, failed, errors }: Omit<Place, 'pieces'>,
  { key, info }: { readonly key: string; readonly info: BlobInfo },
): RunResult {
  const filename = `${task.filename}.${format.extension}${task.gzip ? '.gz' : ''}`
  const contentType = task.gzip ? 'application/gzip' : format.contentType
  const now = ctx.clock.now()
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
    writes: (held) => [
      ctx.db.run(sql`
        INSERT INTO uploads (key, owner, batch_id, filename, size, md5, sha256, created_at)
        SELECT ${key}, ${job.owner}, ${job.batchId}, ${filename}, ${info.size}, ${info.md5}, ${info.sha256}, ${now} WHERE ${held}`),
    ],
  }
}

/** Turns pages of cards into the text of a format, as it is asked for, for as long as a run may. */
class Writer {
  /** True where the text is at its end, rather than at the end of what one run may write. */
  ended = false
  readonly place: Omit<Place, 'pieces'>
  readonly #ctx: RunContext
  readonly #task: Task
  readonly #pages: AsyncGenerator<CardPage>

  constructor(job: Attempt, ctx: RunContext, task: Task, { pieces, ...place }: Place) {
    this.#ctx = ctx
    this.#task = task
    this.place = { ...place, errors: [...place.errors] }
    const view = { ...task, packed: CARD_FORMATS[task.format].packed }
    this.#pages =
      task.ids === null
        ? allPages(ctx.db, job.owner, task, view, place.next)
        : pagesOf(ctx.db, job.owner, task.ids, task, view, place.next)
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return streamOf(this.#bytes())
  }

  async *#bytes(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    const utf8 = new TextEncoder()
    const format = CARD_FORMATS[this.#task.format]
    if (this.place.next === '') yield utf8.encode(format.begin(this.#task.withMetadata))
    for await (const page of this.#pages) {
      this.#ctx.signal.throwIfAborted()
      const text = page.cards.map((json, at) => format.card(json, this.place.cards + at === 0)).join('')
      this.#note(page)
      if (text !== '') yield utf8.encode(text)
      if (this.#ctx.spent()) return
    }
    this.ended = true
    yield utf8.encode(format.end)
  }

  #note(page: CardPage): void {
    const { place } = this
    place.next = page.next
    place.cards += page.cards.length
    place.scanned += page.scanned
    place.failed += page.missing.length
    const room = MAX_ERRORS - place.errors.length
    place.errors.push(...page.missing.slice(0, room).map((card_id) => ({ card_id, error: NOT_FOUND })))
    const percent = Math.min(99, (100 * place.scanned) / Math.max(1, this.#task.totalCards))
    this.#ctx.progress(percent, `${place.cards} cards`)
  }
}
