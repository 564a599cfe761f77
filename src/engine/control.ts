/** What an owner does to a batch that is under way: cancel, pause, resume, retry, delete. */
import { type SQL, sql } from 'drizzle-orm'
import { MillraceError } from '../errors.ts'
import type { Clock, Database, Dispatcher, Notifier, Statement } from '../ports.ts'
import { closeBatches } from './closing.ts'

type Deps = { db: Database; clock: Clock; dispatcher: Dispatcher; notifier: Notifier }

/** Why the rest of a batch is not run. */
export type StopCode = 'CANCELLED' | 'DEADLINE_EXCEEDED'

/** What a stopped job says of itself. */
export const STOP_MESSAGES: Readonly<Record<StopCode, string>> = {
  CANCELLED: 'The batch was cancelled.',
  DEADLINE_EXCEEDED: 'The batch was not done by its deadline.',
}

/** Jobs changed by one commit, so that no commit holds the write lock for long. */
const JOBS_A_COMMIT = 2_000

/** Jobs that wait for a worker, a time or a place. */
const WAITING = sql.raw(`status IN ('ready', 'scheduled', 'held')`)

/**
 * Ends a batch early: what waits ends at once, what runs is told by its heartbeat. Does nothing to a batch that has ended.
 * Repeating it goes on where an earlier call was cut off.
 */
export async function stopBatch(deps: Deps, batchId: string, code: StopCode): Promise<void> {
  const { db } = deps
  const now = deps.clock.now()
  await db.run(sql`
    UPDATE batches SET stop_code = coalesce(stop_code, ${code}), open_until = NULL, progress_version = progress_version + 1,
      cancel_requested_at = CASE WHEN ${code} = 'CANCELLED' THEN coalesce(cancel_requested_at, ${now}) ELSE cancel_requested_at END
    WHERE id = ${batchId} AND finished_at IS NULL`)
  for (let after = 0; after !== null; ) {
    const next = await endWaiting(deps, batchId, after)
    if (next === null) break
    after = next
  }
}

/** Ends one slice of the jobs that wait. Returns the last sequence of a full slice, null when there is no more. */
async function endWaiting(deps: Deps, batchId: string, after: number): Promise<number | null> {
  const { db } = deps
  const now = deps.clock.now()
  const slice = sql`SELECT id, batch_id, sequence FROM jobs WHERE batch_id = ${batchId} AND sequence > ${after} AND ${WAITING}
    AND (SELECT stop_code FROM batches WHERE id = ${batchId}) IS NOT NULL ORDER BY sequence LIMIT ${JOBS_A_COMMIT}`
  const code = sql`(SELECT stop_code FROM batches WHERE id = ${batchId})`
  const message = sql`CASE ${code} WHEN 'CANCELLED' THEN ${STOP_MESSAGES.CANCELLED} ELSE ${STOP_MESSAGES.DEADLINE_EXCEEDED} END`
  const [rows] = await db.batch([
    db.all<{ ended: number; last: number | null; last_seq: number | null }>(sql`
      SELECT count(*) AS ended, max(w.sequence) AS last, (SELECT last_seq FROM batches WHERE id = ${batchId}) AS last_seq FROM (${slice}) w`),
    db.run(sql`
      INSERT INTO events (batch_id, seq, type, job_id, job_sequence, at, data)
      SELECT w.batch_id, b.last_seq + row_number() OVER (ORDER BY w.sequence), 'job_failed', w.id, w.sequence, ${now},
        json_object('errorCode', ${code}, 'errorMessage', ${message})
      FROM (${slice}) w JOIN batches b ON b.id = w.batch_id`),
    db.run(sql`
      UPDATE batches SET last_seq = last_seq + w.n, cancelled = cancelled + w.n * (stop_code = 'CANCELLED'),
        failed = failed + w.n * (stop_code <> 'CANCELLED')
      FROM (SELECT count(*) AS n FROM (${slice})) w WHERE id = ${batchId} AND stop_code IS NOT NULL`),
    ...closeBatches(db, JSON.stringify([batchId]), now),
    db.run(sql`
      UPDATE jobs SET status = CASE ${code} WHEN 'CANCELLED' THEN 'cancelled' ELSE 'failed' END, finished_at = ${now},
        run_at = NULL, error_code = ${code}, error_message = ${message} WHERE id IN (SELECT id FROM (${slice}))`),
  ])
  const row = rows[0]
  if (row?.last_seq !== null && row !== undefined) deps.notifier.publish(batchId, { seq: row.last_seq + row.ended })
  return row !== undefined && row.ended === JOBS_A_COMMIT ? row.last : null
}

/** Starts no more jobs of a batch; what runs goes on. Does nothing to a batch that has ended. */
export async function pauseBatch(deps: Deps, batchId: string): Promise<void> {
  const { db } = deps
  await db.batch([
    db.run(sql`
      UPDATE batches SET paused_at = coalesce(paused_at, ${deps.clock.now()}), progress_version = progress_version + 1
      WHERE id = ${batchId} AND finished_at IS NULL`),
    db.run(sql`
      UPDATE jobs SET status = 'held', run_at = NULL WHERE batch_id = ${batchId} AND status IN ('ready', 'scheduled')
        AND (SELECT paused_at FROM batches WHERE id = ${batchId}) IS NOT NULL`),
  ])
}

/** Lets a paused batch go on. */
export async function resumeBatch(deps: Deps, batchId: string): Promise<void> {
  const { db } = deps
  const now = deps.clock.now()
  await db.batch([
    release(db, batchId, now, sql`(SELECT paused_at FROM batches WHERE id = ${batchId}) IS NOT NULL`),
    db.run(sql`
      UPDATE batches SET paused_at = NULL, progress_version = progress_version + 1 WHERE id = ${batchId} AND paused_at IS NOT NULL`),
  ])
  deps.dispatcher.wake()
}

/**
 * Makes held jobs due now, as many as there are free places in their batch. They get fresh turns when they are made ready. Counts the held
 * jobs, but only where the condition holds.
 */
export function release(db: Database, batchId: string, now: number, condition: SQL): Statement {
  return db.run(sql`
    UPDATE jobs SET status = 'scheduled', run_at = max(${now}, coalesce((SELECT run_at FROM batches WHERE id = ${batchId}), 0))
    WHERE id IN (
      SELECT id FROM jobs WHERE batch_id = ${batchId} AND status = 'held' ORDER BY sequence LIMIT (
        SELECT CASE WHEN NOT (${condition}) THEN 0 WHEN b.concurrency IS NULL THEN -1
          ELSE max(0, b.concurrency - (b.total - b.completed - b.failed - b.cancelled - (
            SELECT count(*) FROM jobs h WHERE h.batch_id = b.id AND h.status = 'held'))) END
        FROM batches b WHERE b.id = ${batchId})
    )`)
}

/**
 * Runs again what failed or was cancelled of a batch that has ended, and nothing else. The events that told of those failures and of the
 * end are superseded; a new `batch_started` says how many jobs run again.
 * @returns how many
 * @throws MillraceError CONFLICT when the batch has not ended, or nothing of it failed
 */
export async function retryBatch(deps: Deps, batchId: string): Promise<number> {
  const { db } = deps
  const now = deps.clock.now()
  const ended = sql`id = ${batchId} AND finished_at IS NOT NULL AND deleted_at IS NULL AND failed + cancelled > 0`
  const due = sql`EXISTS (SELECT 1 FROM batches WHERE ${ended})`
  const [rows] = await db.batch([
    db.all<{ again: number; last_seq: number }>(
      sql`SELECT failed + cancelled AS again, last_seq FROM batches WHERE ${ended}`,
    ),
    db.run(sql`
      UPDATE events SET superseded_at = ${now}
      WHERE batch_id = ${batchId} AND type IN ('job_failed', 'batch_completed') AND superseded_at IS NULL AND ${due}`),
    db.run(sql`
      INSERT INTO events (batch_id, seq, type, at, data)
      SELECT id, last_seq + 1, 'batch_started', ${now}, json_patch(json_object('totalJobs', total, 'retriedJobs', failed + cancelled), facts)
      FROM batches WHERE ${ended}`),
    db.run(sql`
      UPDATE jobs SET status = 'held', attempt = 0, losses = 0, error_code = NULL, error_message = NULL, finished_at = NULL,
        progress_percent = 0, progress_message = NULL
      WHERE batch_id = ${batchId} AND status IN ('failed', 'cancelled') AND ${due}`),
    db.run(sql`
      UPDATE batches SET status = 'processing', failed = 0, cancelled = 0, finished_at = NULL, cancel_requested_at = NULL,
        stop_code = NULL, deadline_at = NULL, paused_at = NULL, last_seq = last_seq + 1 WHERE ${ended}`),
    release(db, batchId, now, sql`(SELECT finished_at FROM batches WHERE id = ${batchId}) IS NULL`),
  ])
  const row = rows[0]
  if (row === undefined) {
    throw new MillraceError('CONFLICT', 'Only a batch that has ended, and of which something failed, can be retried.')
  }
  deps.notifier.publish(batchId, { seq: row.last_seq + 1 })
  deps.dispatcher.wake()
  return row.again
}

/**
 * Takes a batch that has ended out of everyone's sight; the sweep deletes its rows and blobs.
 * @throws MillraceError CONFLICT while it runs
 */
export async function deleteBatch(deps: Deps, batchId: string): Promise<void> {
  const rows = await deps.db.all<{ id: string }>(sql`
    UPDATE batches SET deleted_at = ${deps.clock.now()}, idempotency_key = NULL
    WHERE id = ${batchId} AND finished_at IS NOT NULL AND deleted_at IS NULL RETURNING id`)
  if (rows.length === 0) {
    throw new MillraceError('CONFLICT', 'A batch can be deleted when it has ended. Cancel it first.')
  }
  deps.notifier.publish(batchId, { seq: 0 })
}
