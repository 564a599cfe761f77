/**
 * Budgets: bounds on how much of a batch may go wrong, or cost, before the rest of it is paused or cancelled. They are looked at in SQL by the
 * commit that counts what ended, which then also says so in the log; what runs at that time goes on.
 *
 * A budget that was exceeded is reset by a manual resume or retry: the caller who lets the batch continue grants the same budget
 * anew. Otherwise one more failure would pause it at once.
 */
import { type SQL, sql } from 'drizzle-orm'
import { insertBudgetExceeded } from '../../events.ts'
import type { Database, Statement } from '../../ports.ts'
import type { BatchBudget, BudgetState } from '../../schema/budget.ts'

/** Jobs that have ended before a rate is looked at, where the budget says nothing else. */
const MIN_ENDED = 20

/** Makes the state of the budget of a new batch. */
export function startBudget({ onExceeded = 'pause', minEnded = MIN_ENDED, ...limits }: BatchBudget): BudgetState {
  return { ...limits, ...(limits.maxFailureRate === undefined ? {} : { minEnded }), onExceeded }
}

const since = (sum: SQL, name: string) => sql`(${sum} - coalesce(budget ->> ${sql.raw(`'$.from.${name}'`)}, 0))`
const limit = (name: string) => sql`(budget ->> ${sql.raw(`'${name}'`)})`
const COST = sql`coalesce(tallies ->> 'cost', 0)`
const FAILED = since(sql`failed`, 'failed')
const ENDED = since(sql`(completed + failed + cancelled)`, 'ended')
const SPENT = since(COST, 'cost')

/** The first limit that is exceeded, with its value and its bound: JSON, or NULL where all are kept. */
const excess = (now: number) => sql`CASE
  WHEN ${FAILED} > ${limit('maxFailures')} THEN json_object('limit', 'maxFailures', 'value', ${FAILED}, 'max', ${limit('maxFailures')}, 'at', ${now})
  WHEN ${ENDED} >= ${limit('minEnded')} AND ${FAILED} > ${limit('maxFailureRate')} * ${ENDED}
    THEN json_object('limit', 'maxFailureRate', 'value', round(1.0 * ${FAILED} / ${ENDED}, 4), 'max', ${limit('maxFailureRate')}, 'at', ${now})
  WHEN ${SPENT} > ${limit('maxCost')} THEN json_object('limit', 'maxCost', 'value', ${SPENT}, 'max', ${limit('maxCost')}, 'at', ${now}) END`

/** The batch has a budget that may act: it goes on, and has jobs left. What is run again is counted first. */
const ACTS = sql`budget IS NOT NULL AND finished_at IS NULL AND stop_code IS NULL
  AND (open_until IS NOT NULL OR completed + failed + cancelled < total) AND coalesce(transition, '') NOT IN ('supersede', 'retry')
  AND (paused_at IS NULL OR budget ->> 'onExceeded' = 'cancel')`

/**
 * Pauses or cancels those of the batches whose counters exceed their budget, and says so in their logs. Comes after the statements that count,
 * and before those that end batches. The caller advances transitions afterwards.
 * @param batchIds a JSON array of ids to look at
 */
export function enforceBudgets(db: Database, batchIds: string, now: number): Statement[] {
  const found = sql`id IN (SELECT value FROM json_each(${batchIds})) AND ${ACTS} AND ${excess(now)} IS NOT NULL`
  const cancelling = sql`budget ->> 'onExceeded' = 'cancel'`
  return [
    db.run(insertBudgetExceeded(found, now, excess(now))),
    db.run(sql`
      UPDATE batches SET last_seq = last_seq + 1, progress_version = progress_version + 1, transition_cursor = 0,
        transition = CASE WHEN ${cancelling} THEN 'stop' ELSE 'pause' END,
        paused_at = CASE WHEN ${cancelling} THEN NULL ELSE ${now} END,
        stop_code = CASE WHEN ${cancelling} THEN 'BUDGET_EXCEEDED' END,
        cancel_requested_at = CASE WHEN ${cancelling} THEN ${now} END,
        cut_open = CASE WHEN ${cancelling} THEN open_until IS NOT NULL ELSE cut_open END,
        open_until = CASE WHEN ${cancelling} THEN NULL ELSE open_until END,
        budget = json_set(budget, '$.exceeded', json(${excess(now)}))
      WHERE ${found}`),
  ]
}

/** The budget of a batch that is resumed by hand: counted anew where it was exceeded. */
export const RESUMED_BUDGET = sql`CASE WHEN budget -> 'exceeded' IS NULL THEN budget ELSE json_set(json_remove(budget, '$.exceeded'),
  '$.from', json_object('failed', failed, 'ended', completed + failed + cancelled, 'cost', ${COST})) END`

/** The budget of a batch that is run again: nothing of it has failed then. */
export const RETRIED_BUDGET = sql`json_set(json_remove(budget, '$.exceeded'),
  '$.from', json_object('failed', 0, 'ended', completed, 'cost', ${COST}))`
