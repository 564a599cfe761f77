/** The heartbeat: renews the leases of what a worker runs, carries progress, and brings back what the worker must know. */
import { sql } from 'drizzle-orm'
import type { Clock, Database, Notifier, Progress } from '../ports.ts'

/** A running job as its worker reports it. */
export interface Beat extends Progress {
  readonly batchId: string
  readonly lease: string
  /** Whether its progress changed since the last beat. */
  readonly moved: boolean
}

/** What the answer says of each job that was reported. */
export interface Verdict {
  /** Leases that were still held, and are renewed. */
  readonly held: Set<string>
  /** Those among them whose batch was asked to stop. */
  readonly cancelled: Set<string>
}

/** Renews leases and stores progress, in one commit. */
export async function heartbeat(
  deps: { db: Database; clock: Clock; notifier: Notifier },
  beats: readonly Beat[],
  leaseMs: number,
): Promise<Verdict> {
  const { db } = deps
  const array = JSON.stringify(
    beats.map(({ jobId: id, lease, percent, message, stage }) => ({ id, lease, percent, message, stage })),
  )
  const moved = [...new Set(beats.filter((beat) => beat.moved).map((beat) => beat.batchId))]
  const [rows] = await db.batch([
    db.all<{ id: string; cancelled: number }>(sql`
      UPDATE jobs SET lease_until = ${deps.clock.now() + leaseMs}, progress_percent = c.value ->> 'percent',
        progress_message = c.value ->> 'message', stage = c.value ->> 'stage'
      FROM json_each(${array}) c WHERE jobs.id = c.value ->> 'id' AND jobs.lease = c.value ->> 'lease' AND jobs.status = 'running'
      RETURNING id, (SELECT b.cancel_requested_at IS NOT NULL FROM batches b WHERE b.id = jobs.batch_id) AS cancelled`),
    ...(moved.length === 0
      ? []
      : [
          db.run(sql`
            UPDATE batches SET progress_version = progress_version + 1 WHERE id IN (SELECT value FROM json_each(${JSON.stringify(moved)}))`),
        ]),
  ])
  return {
    held: new Set(rows.map(({ id }) => id)),
    cancelled: new Set(rows.filter(({ cancelled }) => cancelled === 1).map(({ id }) => id)),
  }
}
