/** The operation `cards.import`: cards from a stored body, a slice of it a job. */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import type { Attempt, Operation, RunContext, RunResult } from '../../../ports.ts'
import { cardId, contentHash, slugMaker } from '../card.ts'
import { folded } from '../case-fold.ts'
import { readCards, tooLarge, tooManyValues } from '../import/read-cards.ts'
import { DUPLICATE, type ImportRow, type ImportSlice, importStatements } from '../import/rows.ts'
import { type ImportError, MAX_ERRORS } from '../schemas.ts'
import { forgetSlices } from '../slices.ts'

/** Cards between two reports of progress. */
const REPORT_EVERY = 100
/** Cards, some ten milliseconds of them, between two turns of everything else. */
const TURN_EVERY = 500

const Slice = z.object({
  first: z.int(),
  count: z.int(),
  offset: z.int(),
  length: z.int(),
  oversize: z.boolean(),
  excess: z.literal('values').optional(),
})

const Task = z.object({
  /** Key of the body in the blob store. */
  key: z.string(),
  form: z.enum(['json', 'lines', 'csv']),
  /** Names of the columns, for CSV. */
  header: z.array(z.string()),
  publishBusiness: z.boolean(),
  publishIdeas: z.boolean(),
  onDuplicate: z.enum(['skip', 'update', 'fail']).nullable(),
  validateOnly: z.boolean(),
})
type Task = z.infer<typeof Task>

/** Request that the operation gets: how to import, and where in the stored body the cards are. */
const Request = Task.extend({ slices: z.array(Slice).min(1), totalCards: z.int() })

export const importCards: Operation = {
  name: 'cards.import',
  concurrency: 2,
  maxAttempts: 3,
  timeLimitMs: 5 * 60_000,
  summaryDefaults: { cards: 0, failed: 0 },
  fromItems: null,

  plan(request) {
    const { slices, totalCards, ...task } = Request.parse(request)
    return {
      input: task,
      facts: { totalCards },
      jobs: slices.map((slice) => ({ input: slice, label: `Cards ${slice.first + 1}–${slice.first + slice.count}` })),
    }
  },

  deleteOwnedRows: forgetSlices,

  async run(job, ctx) {
    const task = Task.parse(job.batchInput)
    const slice = await read(job, task, ctx)
    if (!task.validateOnly) return done(slice, (held) => importStatements(ctx.db, slice, held))
    const counts = await wouldBe(slice, ctx)
    return done(slice, (held) => [
      ctx.db.run(sql`
        INSERT INTO card_slices (batch_id, sequence, counts, errors)
        SELECT ${slice.batchId}, ${slice.sequence}, ${JSON.stringify(counts.counts)}, ${JSON.stringify(counts.errors)} WHERE ${held}`),
    ])
  },

  batchTotals: (tallies) => ({ cards: tallies.cards ?? 0 }),
  merge: null,
}

function done(slice: ImportSlice, writes: NonNullable<RunResult['writes']>): RunResult {
  const cards = slice.rows.length + slice.repeated + slice.failed
  const summary = { cards, failed: slice.failed }
  return { result: summary, summary, tallies: summary, writes }
}

/** Reads the cards of a slice and makes the rows of them. */
async function read(job: Attempt, task: Task, ctx: RunContext): Promise<ImportSlice> {
  const { first, count, oversize, excess, ...range } = Slice.parse(job.input)
  const isPublic = new Set([...(task.publishBusiness ? ['BUSINESS'] : []), ...(task.publishIdeas ? ['IDEAS'] : [])])
  const slug = slugMaker(job.batchId)
  const reason = () => (excess === 'values' ? tooManyValues() : tooLarge())
  const errors: ImportError[] = oversize ? [{ index: first, title: '', error: reason() }] : []
  const rows: ImportRow[] = []
  const bytes = oversize ? new Uint8Array() : await readRange(ctx, task.key, range)
  let index = first
  const giveTurn = async () => {
    await ctx.yield()
    ctx.signal.throwIfAborted()
  }
  for (const found of readCards(task.form, task.header, bytes)) {
    if (found === null) {
      await giveTurn()
      continue
    }
    if ('card' in found) {
      const { card } = found
      const published = isPublic.has(folded(card.privacy_level))
      const hash = contentHash(card)
      rows.push({ index, id: cardId(job.batchId, index), hash, slug: published ? slug(card.title, index) : null, card })
    } else errors.push({ index, title: found.title, error: found.error })
    index++
    const done = index - first
    if (done % REPORT_EVERY === 0) {
      ctx.progress((100 * done) / count, `${done} of ${count} cards`)
      if (done % TURN_EVERY === 0) await giveTurn()
    }
  }
  const base = { owner: job.owner, batchId: job.batchId, sequence: job.sequence, now: ctx.clock.now() }
  return withoutRepeats({ ...base, onDuplicate: task.onDuplicate, rows, repeated: 0, failed: errors.length, errors })
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

/** Settles duplicates within a slice: the first is kept, for `update` with the fields of the last. */
function withoutRepeats(slice: ImportSlice): ImportSlice {
  const { onDuplicate } = slice
  if (onDuplicate === null) return { ...slice, errors: slice.errors.slice(0, MAX_ERRORS) }
  const kept = new Map<string, ImportRow>()
  const repeats: ImportError[] = []
  for (const row of slice.rows) {
    const earlier = kept.get(row.hash)
    if (earlier === undefined) kept.set(row.hash, row)
    else {
      repeats.push({ index: row.index, title: row.card.title, error: DUPLICATE })
      if (onDuplicate === 'update') kept.set(row.hash, { ...earlier, card: row.card, slug: row.slug })
    }
  }
  const fails = onDuplicate === 'fail'
  const errors = [...slice.errors, ...(fails ? repeats : [])].sort((a, b) => a.index - b.index).slice(0, MAX_ERRORS)
  return {
    ...slice,
    rows: [...kept.values()],
    repeated: fails ? 0 : repeats.length,
    failed: slice.failed + (fails ? repeats.length : 0),
    errors,
  }
}

/** Predicts the result of importing a slice, from the rows that are there now. */
async function wouldBe(
  slice: ImportSlice,
  ctx: RunContext,
): Promise<{ counts: Record<string, number>; errors: readonly ImportError[] }> {
  const { rows, onDuplicate, repeated, failed, errors } = slice
  if (onDuplicate === null) return { counts: { valid: rows.length, failed }, errors }
  const hashes = JSON.stringify(rows.map(({ hash }) => hash))
  const known = await ctx.db.all<{ hash: string }>(sql`
    SELECT DISTINCT hash FROM cards WHERE owner = ${slice.owner} AND deleted_at IS NULL AND hash IN (SELECT value FROM json_each(${hashes}))`)
  const taken = new Set(known.map(({ hash }) => hash))
  const doubles = rows.filter(({ hash }) => taken.has(hash))
  const valid = rows.length - doubles.length
  if (onDuplicate !== 'fail') {
    const again = doubles.length + repeated
    return { counts: { valid, failed, ...(onDuplicate === 'skip' ? { skipped: again } : { updated: again }) }, errors }
  }
  const refused = doubles.map(({ index, card }) => ({ index, title: card.title, error: DUPLICATE }))
  const all = [...errors, ...refused].sort((a, b) => a.index - b.index).slice(0, MAX_ERRORS)
  return { counts: { valid, failed: failed + doubles.length }, errors: all }
}
