/**
 * Start times that depend on other batches under the same key, decided by the commit that writes the batch: so several servers that accept
 * creates at once agree, and a restart changes nothing. The batches themselves are the record; there is nothing else to keep or to sweep.
 *
 * Debounce: until its time has come, a batch waits; one that is accepted meanwhile under the same key takes its place, and it is cancelled.
 * Throttle: a batch begins `period` after the one that is `limit` places before it, at the soonest, so within any period `limit` begin.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { Database, Statement } from '../../ports.ts'
import type { BatchOptions } from './submission.ts'

/** The batch that is being written. */
interface NewBatch {
  readonly batchId: string
  readonly owner: string
  readonly operation: string
  readonly now: number
}

/** Statements that set when a new batch begins. They come after the batch's row, and before its jobs are made ready. */
export function startLater(db: Database, batch: NewBatch, { debounce, throttle }: BatchOptions): Statement[] {
  if (debounce !== undefined) return debounced(db, batch, debounce)
  return throttle === undefined ? [] : throttled(db, batch, throttle)
}

function debounced(
  db: Database,
  { batchId, owner, operation, now }: NewBatch,
  { key, periodMs, timeoutMs }: NonNullable<BatchOptions['debounce']>,
): Statement[] {
  // Not those whose time has come: they run.
  const waiting = sql`owner = ${owner} AND operation = ${operation} AND debounce_key = ${key} AND run_at > ${now} AND finished_at IS NULL
    AND stop_code IS NULL AND deleted_at IS NULL AND id <> ${batchId}`
  const from = sql`coalesce((SELECT min(debounce_from) FROM batches WHERE ${waiting}), ${now})`
  const at: SQL = timeoutMs === undefined ? sql`${now + periodMs}` : sql`min(${now + periodMs}, ${from} + ${timeoutMs})`
  return [
    db.run(sql`UPDATE batches SET debounce_from = ${from}, run_at = ${at} WHERE id = ${batchId}`),
    // Not what is being run again: that is no batch that waits.
    db.run(sql`
      UPDATE batches SET stop_code = 'SUPERSEDED', superseded_by = ${batchId}, paused_at = NULL, transition = 'stop', transition_cursor = 0,
        cancel_requested_at = ${now}, progress_version = progress_version + 1
      WHERE ${waiting} AND coalesce(transition, '') NOT IN ('supersede', 'retry')`),
  ]
}

function throttled(
  db: Database,
  { batchId, owner, operation, now }: NewBatch,
  { key, limit, periodMs }: NonNullable<BatchOptions['throttle']>,
): Statement[] {
  const before = sql`SELECT run_at FROM batches WHERE owner = ${owner} AND operation = ${operation} AND throttle_key = ${key} AND run_at IS NOT NULL
    AND id <> ${batchId} ORDER BY run_at DESC`
  return [
    // Never before the last one: a lower limit may have put that one off further.
    db.run(sql`
      UPDATE batches SET run_at = max(${now}, coalesce((${before} LIMIT 1), 0),
        coalesce((${before} LIMIT 1 OFFSET ${limit - 1}) + ${periodMs}, 0))
      WHERE id = ${batchId}`),
  ]
}
