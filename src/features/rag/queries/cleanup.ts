/** Hides ended jobs and their exports. Documents stay. */
import { sql } from 'drizzle-orm'
import { runInChunks } from '../../../engine/chunked-work.ts'
import type { Database, Notifier } from '../../../ports.ts'
import { EXPORT, PROCESS } from '../names.ts'

/** Most batches of one commit. */
const BATCHES_A_COMMIT = 500

/**
 * Hides an owner's jobs and exports that ended before a time; the next sweep deletes their rows and files.
 * @returns the number of jobs, exports not counted
 */
export async function removeEnded(
  { db, clock, notifier }: { db: Database; clock: { now(): number }; notifier: Notifier },
  owner: string,
  before: number,
): Promise<number> {
  let jobs = 0
  for (const operation of [PROCESS, EXPORT]) {
    await runInChunks(async () => {
      const rows = await db.all<{ id: string }>(sql`
        UPDATE batches SET deleted_at = ${clock.now()}, idempotency_key = NULL WHERE id IN (
          SELECT id FROM batches WHERE owner = ${owner} AND operation = ${operation} AND finished_at < ${before} AND deleted_at IS NULL
          LIMIT ${BATCHES_A_COMMIT})
        RETURNING id`)
      for (const { id } of rows) notifier.publish(id, { seq: 0 })
      if (operation === PROCESS) jobs += rows.length
      return rows.length === BATCHES_A_COMMIT
    })
  }
  return jobs
}
