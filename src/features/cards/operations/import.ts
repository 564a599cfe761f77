/** The operation `cards.import`: imports the cards of a stored body; a job imports a slice of it. */
import { sql } from 'drizzle-orm'
import { MillraceError } from '../../../errors.ts'
import type { Attempt, Operation, RunContext, RunResult } from '../../../operation.ts'
import { cardId, contentHash, slugMaker } from '../card.ts'
import { folded } from '../case-fold.ts'
import { DUPLICATE, errorsText, keptErrors } from '../import/kept-errors.ts'
import { readCards, tooLarge, tooManyValues } from '../import/read-cards.ts'
import { type ImportRow, type ImportSlice, importStatements } from '../import/rows.ts'
import { ImportPlan, ImportSliceInput, ImportTask } from '../import/task.ts'
import type { ImportError, NewCard } from '../schemas.ts'
import { forgetSlices } from '../slices.ts'

/** Cards between two reports of progress. */
const REPORT_EVERY = 100
/** Cards, some ten milliseconds of work, before the event loop is yielded. */
const TURN_EVERY = 500
/** Characters of metadata that take some milliseconds to serialize. */
const LONG_METADATA = 65_536

export const importCards: Operation = {
  name: 'cards.import',
  concurrency: 2,
  maxAttempts: 3,
  timeLimitMs: 5 * 60_000,
  summaryDefaults: { cards: 0, failed: 0 },
  fromItems: null,

  plan(request) {
    const { slices, totalCards, ...task } = ImportPlan.parse(request)
    return {
      input: task,
      facts: { totalCards },
      jobs: slices.map((slice) => ({ input: slice, label: `Cards ${slice.first + 1}–${slice.first + slice.count}` })),
    }
  },

  deleteOwnedRows: forgetSlices,

  async run(job, ctx) {
    const task = ImportTask.parse(job.batchInput)
    const slice = await read(job, task, ctx)
    if (!task.validateOnly) return done(slice, (held) => importStatements(ctx.db, slice, held))
    const counts = await wouldBe(slice, ctx)
    return done(slice, (held) => [
      ctx.db.run(sql`
        INSERT INTO card_slices (batch_id, sequence, counts, errors)
        SELECT ${slice.batchId}, ${slice.sequence}, ${JSON.stringify(counts.counts)}, ${errorsText(counts.errors, slice.headerRows)} WHERE ${held}`),
    ])
  },

  batchTotals: (tallies) => ({ cards: tallies.cards ?? 0 }),
  merge: null,
}

function done(slice: ImportSlice, writes: NonNullable<RunResult['writes']>): RunResult {
  const cards = slice.rows.length + slice.repeated + slice.failed + slice.headerRows.length
  const summary = { cards, failed: slice.failed }
  return { result: summary, summary, tallies: summary, writes }
}

/** Reads the cards of a slice and makes their rows. */
async function read(job: Attempt, task: ImportTask, ctx: RunContext): Promise<ImportSlice> {
  const { first, count, oversize, excess, row = 1, ...range } = ImportSliceInput.parse(job.input)
  const isPublic = new Set([...(task.publishBusiness ? ['BUSINESS'] : []), ...(task.publishIdeas ? ['IDEAS'] : [])])
  const slug = slugMaker(job.batchId)
  const reason = () => (excess === 'values' ? tooManyValues() : tooLarge())
  const isCsv = task.form === 'csv'
  const errors: ImportError[] = oversize
    ? [{ index: first, ...(isCsv ? { row } : {}), title: '', error: reason() }]
    : []
  const headerRows: number[] = []
  const rows: ImportRow[] = []
  const bytes = oversize ? new Uint8Array() : await readRange(ctx, task.key, range)
  let index = first
  const yieldLoop = async () => {
    await ctx.yield()
    ctx.signal.throwIfAborted()
  }
  for (const found of readCards(task, bytes, row)) {
    if (found === null) {
      await yieldLoop()
      continue
    }
    const position = { index, ...(found.row === undefined ? {} : { row: found.row }) }
    if ('card' in found) {
      const { card } = found
      const published = isPublic.has(folded(card.privacy_level))
      const hash = contentHash(card)
      const id = cardId(job.batchId, index)
      const metadata = textOf(card.metadata)
      rows.push({ ...position, id, hash, slug: published ? slug(card.title, index) : null, card, metadata })
      if (metadata.length > LONG_METADATA) await yieldLoop()
    } else if ('isHeader' in found) headerRows.push(position.row ?? 0)
    else errors.push({ ...position, title: found.title, error: found.error })
    index++
    const done = index - first
    if (done % REPORT_EVERY === 0) {
      ctx.progress((100 * done) / count, `${done} of ${count} cards`)
      if (done % TURN_EVERY === 0) await yieldLoop()
    }
  }
  const base = { owner: job.owner, batchId: job.batchId, sequence: job.sequence, now: ctx.clock.now() }
  const failed = errors.length
  return withoutRepeats({ ...base, onDuplicate: task.onDuplicate, rows, repeated: 0, failed, errors, headerRows })
}

/** Serializes metadata; without a call of the serializer for most cards, which have none. */
function textOf(metadata: NewCard['metadata']): string {
  for (const _ in metadata) return JSON.stringify(metadata)
  return '{}'
}

async function readRange(ctx: RunContext, key: string, range: { offset: number; length: number }): Promise<Uint8Array> {
  const stream = await ctx.blobs.get(key, range)
  if (stream === null) throw new MillraceError('NOT_FOUND', 'The cards that were sent are no longer kept.')
  const bytes = new Uint8Array(range.length)
  let size = 0
  for await (const chunk of stream) {
    if (chunk.byteLength === range.length) return chunk
    bytes.set(chunk, size)
    size += chunk.byteLength
  }
  if (size !== range.length) throw new Error('The stored cards are shorter than they were when accepted.')
  return bytes
}

/** Resolves duplicates within a slice: the first is kept, for `update` with the fields of the last. */
function withoutRepeats(slice: ImportSlice): ImportSlice {
  const { onDuplicate } = slice
  if (onDuplicate === null) return { ...slice, errors: keptErrors(slice.errors) }
  const kept = new Map<string, ImportRow>()
  const repeats: ImportError[] = []
  for (const row of slice.rows) {
    const earlier = kept.get(row.hash)
    if (earlier === undefined) kept.set(row.hash, row)
    else {
      repeats.push(duplicateOf(row))
      if (onDuplicate === 'update')
        kept.set(row.hash, { ...earlier, card: row.card, metadata: row.metadata, slug: row.slug })
    }
  }
  const fails = onDuplicate === 'fail'
  const errors = keptErrors([...slice.errors, ...(fails ? repeats : [])])
  return {
    ...slice,
    rows: [...kept.values()],
    repeated: fails ? 0 : repeats.length,
    failed: slice.failed + (fails ? repeats.length : 0),
    errors,
  }
}

/** Predicts the result of importing a slice, from the rows that exist now. */
async function wouldBe(
  slice: ImportSlice,
  ctx: RunContext,
): Promise<{ counts: Record<string, number>; errors: readonly ImportError[] }> {
  const { rows, onDuplicate, repeated, failed, errors, headerRows } = slice
  const headers = headerRows.length
  if (onDuplicate === null) return { counts: { valid: rows.length, failed, headers }, errors }
  const hashes = JSON.stringify(rows.map(({ hash }) => hash))
  const known = await ctx.db.all<{ hash: string }>(sql`
    SELECT DISTINCT hash FROM cards WHERE owner = ${slice.owner} AND deleted_at IS NULL AND hash IN (SELECT value FROM json_each(${hashes}))`)
  const taken = new Set(known.map(({ hash }) => hash))
  const doubles = rows.filter(({ hash }) => taken.has(hash))
  const valid = rows.length - doubles.length
  if (onDuplicate !== 'fail') {
    const duplicates = doubles.length + repeated
    return {
      counts: {
        valid,
        failed,
        headers,
        ...(onDuplicate === 'skip' ? { skipped: duplicates } : { updated: duplicates }),
      },
      errors,
    }
  }
  const all = keptErrors([...errors, ...doubles.map(duplicateOf)])
  return { counts: { valid, failed: failed + doubles.length, headers }, errors: all }
}

function duplicateOf({ index, row, card }: ImportRow): ImportError {
  return { index, ...(row === undefined ? {} : { row }), title: card.title, error: DUPLICATE }
}
