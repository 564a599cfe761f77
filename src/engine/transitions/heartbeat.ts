/** The heartbeat: renews the leases of what a worker runs, carries progress, and brings back what the worker must know. */
import { sql } from 'drizzle-orm'
import type { Clock, Database, Notifier, Progress } from '../../ports.ts'
import { jsonLists } from '../json.ts'
import type { StopCode } from './stop-codes.ts'

/** A running job as its worker reports it. */
export interface Heartbeat extends Progress {
  readonly batchId: string
  readonly lease: string
  /** True where its progress changed since the last heartbeat. */
  readonly moved: boolean
}

/** Result of a heartbeat for the jobs that it reported. */
export interface HeartbeatResult {
  /** Jobs whose leases were valid, and are renewed. */
  readonly held: Set<string>
  /** Those among them whose batch was stopped, and why. */
  readonly stopped: Map<string, StopCode>
}

/** Renews leases and stores progress, in one commit. */
export async function heartbeat(
  deps: { db: Database; clock: Clock; notifier: Notifier },
  beats: readonly Heartbeat[],
  leaseMs: number,
): Promise<HeartbeatResult> {
  const { db } = deps
  const array = JSON.stringify(
    beats.map(({ jobId: id, lease, percent, message, stage, filename }) => ({
      id,
      lease,
      percent,
      message,
      stage,
      filename,
    })),
  )
  const moved = [...new Set(beats.filter((beat) => beat.moved).map((beat) => beat.batchId))]
  const [rows] = await db.batch([
    db.all<{ id: string; stop_code: StopCode | null }>(sql`
      UPDATE jobs SET lease_until = ${deps.clock.now() + leaseMs}, progress_percent = c.value ->> 'percent',
        progress_message = c.value ->> 'message', stage = c.value ->> 'stage',
        label = c.value ->> 'filename'
      FROM json_each(${array}) c WHERE jobs.id = c.value ->> 'id' AND jobs.lease = c.value ->> 'lease' AND jobs.status = 'running'
      RETURNING id, (SELECT b.stop_code FROM batches b WHERE b.id = jobs.batch_id) AS stop_code`),
    ...(moved.length === 0
      ? []
      : [
          db.run(sql`
            UPDATE batches SET progress_version = progress_version + 1 WHERE id IN (SELECT value FROM json_each(${JSON.stringify(moved)}))`),
        ]),
  ])
  return {
    held: new Set(rows.map(({ id }) => id)),
    stopped: new Map(rows.flatMap(({ id, stop_code }) => (stop_code === null ? [] : [[id, stop_code] as const]))),
  }
}

/** Which of these batches are stopped, and why: a look that costs less than a beat. */
export async function stoppedAmong(
  db: Database,
  batchIds: ReadonlySet<string>,
): Promise<ReadonlyMap<string, StopCode>> {
  const rows = await db.all<{ id: string; stop_code: StopCode }>(sql`
    SELECT id, stop_code FROM batches
    WHERE id IN (SELECT value FROM json_each(${JSON.stringify([...batchIds])})) AND stop_code IS NOT NULL`)
  return new Map(rows.map(({ id, stop_code }) => [id, stop_code]))
}

/**
 * Keeps what a later run of the job starts from.
 * @returns false when the lease was lost, and nothing was kept
 */
export async function keepCheckpoint(
  db: Database,
  job: { jobId: string; lease: string },
  state: unknown,
): Promise<boolean> {
  const rows = await db.all(sql`
    UPDATE jobs SET checkpoint = ${JSON.stringify(state)} WHERE id = ${job.jobId} AND lease = ${job.lease} AND status = 'running' RETURNING id`)
  return rows.length > 0
}

/** Likewise, of several jobs; those whose lease was lost keep nothing. */
export async function keepCheckpoints(
  db: Database,
  jobs: readonly { readonly jobId: string; readonly lease: string; readonly checkpoint: unknown }[],
): Promise<void> {
  const pieces = jsonLists(jobs.map(({ jobId, lease, checkpoint }) => [jobId, lease, checkpoint]))
  const [first, ...rest] = pieces.map(({ json }) =>
    db.run(sql`
      UPDATE jobs SET checkpoint = c.value -> 2 FROM json_each(${json}) c
      WHERE jobs.id = c.value ->> 0 AND jobs.lease = c.value ->> 1 AND jobs.status = 'running'`),
  )
  if (first !== undefined) await db.batch([first, ...rest])
}
