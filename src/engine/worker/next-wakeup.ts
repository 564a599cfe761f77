/** Finds when timed work is due next, for runtimes where no worker stays awake to look for it. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../ports.ts'

/**
 * When the next work is due that no wake-up announces: a job that waits for its time, a lease that may run out, a deadline, an
 * open batch that was never sealed.
 * @returns milliseconds since the epoch, 0 when a job is ready now, or a bulk transition is under way; null when nothing is due
 */
export async function nextWakeupAt(db: Database): Promise<number | null> {
  // D1 takes no more than five SELECTs in one.
  const [row] = await db.all<{ at: number | null }>(sql`
    SELECT min(at) AS at FROM (
      SELECT 0 AS at WHERE EXISTS (SELECT 1 FROM jobs WHERE status = 'ready') OR EXISTS (SELECT 1 FROM batches WHERE transition IS NOT NULL)
      UNION ALL SELECT (SELECT run_at FROM jobs WHERE status = 'scheduled' ORDER BY run_at LIMIT 1)
      UNION ALL SELECT (SELECT lease_until + 1 FROM jobs WHERE status = 'running' ORDER BY lease_until LIMIT 1)
      UNION ALL SELECT (SELECT deadline_at FROM batches
        WHERE deadline_at IS NOT NULL AND finished_at IS NULL AND stop_code IS NULL ORDER BY deadline_at LIMIT 1)
      UNION ALL SELECT (SELECT open_until FROM batches WHERE open_until IS NOT NULL ORDER BY open_until LIMIT 1)
    )`)
  return row?.at ?? null
}
