/** The concurrency limit of a batch: how many of its jobs may be ready or running at once. The others are blocked. */
import { type SQL, sql } from 'drizzle-orm'
import type { Database, Statement } from '../../ports.ts'

/** Number of jobs of the batch `b` that have a concurrency slot: those that have neither ended nor are blocked. */
const PLACED_BY_COUNTERS = sql`b.total - b.completed - b.failed - b.cancelled
  - (SELECT count(*) FROM jobs h WHERE h.batch_id = b.id AND h.status = 'blocked')`

/** The same number where no job is ready or scheduled, as in a paused batch. The plus keeps the planner on the index of running jobs. */
export const UNBLOCKED_WHILE_PAUSED = sql`(SELECT count(*) FROM jobs r WHERE r.status = 'running' AND +r.batch_id = b.id)`

/**
 * Makes blocked jobs due now, or at the batch's own time, as many as there are free slots. They get fresh virtual times when they are made ready.
 * @param condition what must hold of the batch (as `b`) for any to be unblocked; where it does not, nothing is counted
 * @param placed how many have a slot; by default the blocked jobs are counted for it, so they must be known to be few
 */
export function unblockJobs(
  db: Database,
  batchId: string,
  now: number,
  condition: SQL,
  placed: SQL = PLACED_BY_COUNTERS,
): Statement {
  return db.run(sql`
    UPDATE jobs SET status = 'scheduled', run_at = max(${now}, coalesce((SELECT run_at FROM batches WHERE id = ${batchId}), 0))
    WHERE id IN (
      SELECT id FROM jobs WHERE batch_id = ${batchId} AND status = 'blocked' ORDER BY sequence LIMIT (
        SELECT CASE WHEN b.concurrency IS NOT NULL AND ${condition} THEN max(0, b.concurrency - (${placed})) ELSE 0 END
        FROM batches b WHERE b.id = ${batchId})
    )`)
}
