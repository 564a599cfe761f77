/** The operations `cards.delete` and `cards.restore`: up to 500 cards a job. */
import { type SQL, sql } from 'drizzle-orm'
import * as z from 'zod'
import type { Attempt, Operation, RunContext, RunResult } from '../../../operation.ts'
import type { Database, Statement } from '../../../ports.ts'
import { MAX_ERRORS } from '../schemas.ts'
import { forgetSlices } from '../slices.ts'

const IDS_A_JOB = 500

/** Error text for an id without a card of the caller. */
export const NOT_FOUND = 'Card not found or access denied'

const Request = z.object({ ids: z.array(z.string()).min(1), soft: z.boolean() })
const Task = Request.omit({ ids: true })
const Ids = z.array(z.string())

/** Change to the cards that are found. */
interface Change {
  /** Condition by which a card of the owner counts as found. */
  readonly found: SQL
  /** Name of the count in results. */
  readonly done: 'deleted' | 'restored'
  write(db: Database, now: number, which: SQL): Statement
  /** Change of the owner's number of cards, by `n`, the cards found, and `live`, those of them that were not deleted. */
  readonly cards: SQL
}

/** True where a card's own metadata has a member that a soft delete writes. */
const HAS_MARKS_OF_ITS_OWN = sql.raw(
  `json_type(metadata, '$.deleted') IS NOT NULL OR json_type(metadata, '$.deleted_at') IS NOT NULL`,
)

/**
 * Soft delete. It also hides the card's public page, whose slug stays reserved for it. The marks in the metadata are for readers of the
 * database, compatible with the original API; the code itself reads only `deleted_at`.
 */
const SOFT: Change = {
  found: sql`c.deleted_at IS NULL`,
  done: 'deleted',
  write(db, now, which) {
    const marks = sql`json_set(metadata, '$.deleted', json('true'), '$.deleted_at', ${new Date(now).toISOString()})`
    return db.run(sql`
      UPDATE cards AS c SET deleted_at = ${now}, updated_at = ${now}, metadata = ${marks},
        marked_over = iif(${HAS_MARKS_OF_ITS_OWN}, metadata, NULL)
      WHERE ${which}`)
  },
  cards: sql`-n`,
}

const HARD: Change = {
  found: sql`true`,
  done: 'deleted',
  write: (db, _now, which) => db.run(sql`DELETE FROM cards AS c WHERE ${which}`),
  cards: sql`-live`,
}

const RESTORE: Change = {
  found: sql`c.deleted_at IS NOT NULL`,
  done: 'restored',
  write: (db, now, which) =>
    db.run(sql`
      UPDATE cards AS c SET deleted_at = NULL, updated_at = ${now}, marked_over = NULL,
        metadata = coalesce(marked_over, json_remove(metadata, '$.deleted', '$.deleted_at'))
      WHERE ${which}`),
  cards: sql`n`,
}

function operation(name: string, changeOf: (task: z.infer<typeof Task>) => Change): Operation {
  return {
    name,
    concurrency: null,
    maxAttempts: 3,
    timeLimitMs: 5 * 60_000,
    summaryDefaults: { cards: 0 },
    fromItems: null,

    plan(request) {
      const { ids, ...task } = Request.parse(request)
      const slices = Array.from({ length: Math.ceil(ids.length / IDS_A_JOB) }, (_, slice) =>
        ids.slice(slice * IDS_A_JOB, (slice + 1) * IDS_A_JOB),
      )
      return { input: task, facts: { totalCards: ids.length }, jobs: slices.map((input) => ({ input })) }
    },

    deleteOwnedRows: forgetSlices,
    run: (job, ctx) => run(job, ctx, changeOf(Task.parse(job.batchInput))),
    batchTotals: (tallies) => ({ cards: tallies.cards ?? 0 }),
    merge: null,
  }
}

export const deleteCards = operation('cards.delete', ({ soft }) => (soft ? SOFT : HARD))
export const restoreCards = operation('cards.restore', () => RESTORE)

/** Runs a job. The commit itself counts the ids that were found, for another task may be deleting them at the same time. */
async function run(job: Attempt, ctx: RunContext, change: Change): Promise<RunResult> {
  const cards = Ids.parse(job.input).length
  const ids = JSON.stringify(job.input)
  const { db } = ctx
  const now = ctx.clock.now()
  const mine = sql`c.owner = ${job.owner} AND ${change.found}`
  return {
    result: { cards },
    summary: { cards },
    tallies: { cards },
    writes: (held) => [
      db.run(sql`
        INSERT INTO card_slices (batch_id, sequence, counts, errors)
        SELECT ${job.batchId}, ${job.sequence},
          json_object(${change.done}, n, 'failed', ${cards} - n, 'cards', ${change.cards}),
          (SELECT json_group_array(json_object('card_id', value, 'error', ${NOT_FOUND})) FROM (
            SELECT value FROM json_each(${ids}) i WHERE NOT EXISTS (SELECT 1 FROM cards c WHERE ${mine} AND c.id = i.value)
            ORDER BY i.key LIMIT ${MAX_ERRORS}))
        FROM (SELECT count(*) AS n, coalesce(sum(c.deleted_at IS NULL), 0) AS live FROM json_each(${ids}) i CROSS JOIN cards c ON ${mine} AND c.id = i.value)
        WHERE ${held}`),
      db.run(sql`
        UPDATE card_accounts SET cards = cards + (s.counts ->> 'cards') FROM card_slices s
        WHERE card_accounts.owner = ${job.owner} AND s.batch_id = ${job.batchId} AND s.sequence = ${job.sequence} AND ${held}`),
      change.write(db, now, sql`${mine} AND c.id IN (SELECT value FROM json_each(${ids})) AND ${held}`),
    ],
  }
}
