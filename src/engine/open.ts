/** Open batches: what is too big for one body comes in slices, and is sealed when all of it is there. */
import { sql } from 'drizzle-orm'
import { MillraceError } from '../errors.ts'
import type { Clock, Database, Dispatcher, JobPlan, Notifier } from '../ports.ts'
import { closeBatches } from './closing.ts'
import { release } from './control.ts'
import { insertJobs } from './submit.ts'

type Deps = { db: Database; clock: Clock; dispatcher: Dispatcher; notifier: Notifier }

/** Every slice that comes in keeps an open batch open for this long, in milliseconds. */
export const OPEN_MS = 60 * 60 * 1_000

/**
 * Adds jobs to an open batch. A job whose place is taken is passed over, so a slice may be sent again.
 * @param first place of the first of them in the batch, from 1
 * @throws MillraceError CONFLICT when the batch is sealed
 */
export async function appendJobs(
  deps: Deps,
  batch: { id: string; owner: string },
  first: number,
  jobs: readonly JobPlan[],
): Promise<void> {
  const { db } = deps
  const now = deps.clock.now()
  const last = first + jobs.length - 1
  const open = sql`id = ${batch.id} AND open_until IS NOT NULL AND stop_code IS NULL`
  const [rows] = await db.batch([
    db.all(sql`
      UPDATE batches SET open_until = ${now + OPEN_MS}, progress_version = progress_version + 1,
        total = total + ${jobs.length} - (SELECT count(*) FROM jobs WHERE batch_id = ${batch.id} AND sequence BETWEEN ${first} AND ${last})
      WHERE ${open} RETURNING id`),
    ...insertJobs(db, {
      batchId: batch.id,
      owner: batch.owner,
      now,
      jobs,
      firstSequence: first,
      condition: sql`b.open_until IS NOT NULL AND b.stop_code IS NULL`,
    }),
    release(
      db,
      batch.id,
      now,
      // Where jobs are held already, every place is taken.
      sql`b.concurrency IS NOT NULL AND b.paused_at IS NULL
        AND NOT EXISTS (SELECT 1 FROM jobs WHERE batch_id = ${batch.id} AND status = 'held' AND sequence < ${first})
        AND NOT EXISTS (SELECT 1 FROM jobs WHERE batch_id = ${batch.id} AND status = 'held' AND sequence > ${last})`,
    ),
  ])
  if (rows.length === 0)
    throw new MillraceError('CONFLICT', 'This batch takes no more items: it is sealed, or was stopped.')
  deps.dispatcher.wake()
}

/** Says that all items are there; the batch ends with the last of them. Does nothing to a batch that is sealed. */
export async function sealBatch(deps: Deps, batchId: string): Promise<void> {
  const { db } = deps
  const now = deps.clock.now()
  await db.batch([
    db.run(
      sql`UPDATE batches SET open_until = NULL, progress_version = progress_version + 1 WHERE id = ${batchId} AND open_until IS NOT NULL`,
    ),
    ...closeBatches(db, JSON.stringify([batchId]), now),
  ])
  // A notice must never name an event that is not written: followers would wait beyond the ones that come.
  const row = await db.get<{ last_seq: number }>(sql`SELECT last_seq FROM batches WHERE id = ${batchId}`)
  if (row !== undefined) deps.notifier.publish(batchId, { seq: row.last_seq })
}
