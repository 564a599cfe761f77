/** Claiming: a worker takes the jobs whose turn it is, each under a lease that only this claim knows. */
import { sql } from 'drizzle-orm'
import type { Attempt, Clock, Database } from '../ports.ts'
import { jobs } from '../schema/jobs.ts'
import type { StopCode } from './control.ts'
import { makeReady } from './turns.ts'

/** A job held under a lease. */
export interface Claimed extends Attempt {
  readonly operation: string
  /** Names this claim in every later write to the job. */
  readonly lease: string
  readonly maxAttempts: number
  /** Whether other jobs of its batch wait for a place. */
  readonly bounded: boolean
  /** Whether its batch has a webhook. */
  readonly hooked: boolean
  /** Set when the batch was stopped in the meantime: the job is to be ended, not run. */
  readonly stopCode: StopCode | null
}

/** Columns a claim brings, read back by the lease it was made under. */
interface ClaimedRow {
  id: string
  batch_id: string
  owner: string
  operation: string
  sequence: number
  attempt: number
  max_attempts: number
  input: string
  batch_input: string
  concurrency: number | null
  stop_code: StopCode | null
  checkpoint: string | null
  webhook_id: string | null
}

/**
 * Claims up to `limit` ready jobs, lowest turn first.
 * @param lease a fresh token; never reused
 * @returns the claimed jobs in the order of their turns
 */
export async function claim(
  deps: { db: Database; clock: Clock },
  options: { lease: string; limit: number; leaseMs: number },
): Promise<Claimed[]> {
  const { db } = deps
  const now = deps.clock.now()
  const mine = sql`SELECT batch_id FROM jobs WHERE status = 'running' AND lease_until = ${now + options.leaseMs} AND lease = ${options.lease}`
  const [, , rows] = await db.batch([
    db.run(sql`
      UPDATE jobs SET status = 'running', lease = ${options.lease}, lease_until = ${now + options.leaseMs}, attempt = attempt + 1,
        started_at = coalesce(started_at, ${now}), error_code = NULL, error_message = NULL
      WHERE id IN (SELECT id FROM jobs WHERE status = 'ready' ORDER BY turn LIMIT ${options.limit})`),
    db.run(sql`
      UPDATE batches SET started_at = coalesce(started_at, ${now}), progress_version = progress_version + 1,
        status = CASE status WHEN 'pending' THEN 'processing' ELSE status END
      WHERE id IN (${mine})`),
    db.all<ClaimedRow>(sql`
      SELECT j.id, j.batch_id, j.owner, j.operation, j.sequence, j.attempt, j.max_attempts, j.input, j.checkpoint, b.input AS batch_input, b.concurrency, b.stop_code, b.webhook_id
      FROM jobs j JOIN batches b ON b.id = j.batch_id
      WHERE j.status = 'running' AND j.lease_until = ${now + options.leaseMs} AND j.lease = ${options.lease} ORDER BY j.turn`),
  ])
  return rows.map((row) => ({
    jobId: row.id,
    batchId: row.batch_id,
    owner: row.owner,
    operation: row.operation,
    sequence: row.sequence,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    input: JSON.parse(row.input),
    batchInput: JSON.parse(row.batch_input),
    checkpoint: row.checkpoint === null ? null : JSON.parse(row.checkpoint),
    bounded: row.concurrency !== null,
    hooked: row.webhook_id !== null,
    stopCode: row.stop_code,
    lease: options.lease,
  }))
}

/** Jobs made ready at once when they fall due. More are left for the next call. */
const DUE_AT_ONCE = 500

/**
 * Makes scheduled jobs ready whose time has come.
 * @returns when the next scheduled job is due, in milliseconds since the epoch; null when none is scheduled
 */
export async function readyDue(deps: { db: Database; clock: Clock }): Promise<number | null> {
  const { db } = deps
  const now = deps.clock.now()
  const earliest = await nextDue(db)
  if (earliest === null || earliest > now) return earliest
  await db.batch(
    makeReady(
      db,
      sql`SELECT id, owner, run_at AS place FROM jobs WHERE status = 'scheduled' AND run_at <= ${now} ORDER BY run_at LIMIT ${DUE_AT_ONCE}`,
    ),
  )
  return nextDue(db)
}

async function nextDue(db: Database): Promise<number | null> {
  const row = await db
    .select({ runAt: jobs.runAt })
    .from(jobs)
    .where(sql`status = 'scheduled'`)
    .orderBy(jobs.runAt)
    .limit(1)
    .get()
  return row?.runAt ?? null
}
