/** Claiming: a worker takes the jobs whose turn it is, each under a lease that only this claim knows. */
import { sql } from 'drizzle-orm'
import type { Attempt, Clock, Database } from '../../ports.ts'
import { jobs } from '../../schema/jobs.ts'
import type { StopCode } from './bulk-transitions.ts'
import { type Bound, makeReady, nextTurns, plainBound, swapByPriority } from './fair-queue.ts'
import { firstOfOthers, othersAreReady } from './pass-over.ts'

/** A job held under a lease. */
export interface ClaimedJob extends Attempt {
  readonly operation: string
  /** Names this claim in every later write to the job. */
  readonly lease: string
  readonly maxAttempts: number
  /** True where its batch has a concurrency limit, so that other jobs of it may wait for a slot. */
  readonly hasConcurrencyLimit: boolean
  /** True where its batch has a webhook. */
  readonly hasWebhook: boolean
  /** Set when the batch was stopped in the meantime: the job is to be ended, not run. */
  readonly stopCode: StopCode | null
}

/** Parameters of a claim that a worker makes. */
export interface ClaimRequest {
  /** A fresh token; never reused. */
  readonly lease: string
  readonly limit: number
  readonly leaseMs: number
  /** Owners whose jobs are passed over; of each other owner one job at most is claimed. Absent where whoever is next is claimed. */
  readonly passedOwners?: readonly string[]
}

/** A job as a claim brings it: one cell of JSON costs half of what ten cells do. */
interface JobRow {
  job: string
}

/** Values in that cell, in order: id, batch, owner, operation, sequence, virtual time, attempt, maximum attempts, input, checkpoint. */
type JobCells = readonly [string, string, string, string, number, number, number, number, unknown, unknown]

/** A batch of claimed jobs. */
interface BatchRow {
  id: string
  input: string
  concurrency: number | null
  stop_code: StopCode | null
  webhook_id: string | null
}

/** Claims up to `limit` ready jobs, lowest turn first, and brings them with their batches. The last two are read by {@link parseClaimedRows}. */
export function claimStatements(db: Database, now: number, { lease, limit, leaseMs, passedOwners }: ClaimRequest) {
  const until = now + leaseMs
  const next = (bound: Bound) =>
    passedOwners === undefined ? nextTurns(bound(limit)) : firstOfOthers(passedOwners, limit, bound)
  const mine = sql`status = 'running' AND lease_until = ${until} AND lease = ${lease}`
  return [
    swapByPriority(db, next),
    db.run(sql`
      UPDATE jobs SET status = 'running', lease = ${lease}, lease_until = ${until}, attempt = attempt + 1,
        started_at = coalesce(started_at, ${now}), error_code = NULL, error_message = NULL
      WHERE rowid IN (SELECT job FROM (${next(plainBound)}))`),
    // Half as dear as to have the update return them.
    db.all<JobRow>(sql`
      SELECT json_array(id, batch_id, owner, operation, sequence, turn, attempt, max_attempts, json(input), json(checkpoint)) AS job
      FROM jobs WHERE ${mine}`),
    db.all<BatchRow>(sql`
      UPDATE batches SET started_at = coalesce(started_at, ${now}), progress_version = progress_version + 1,
        status = CASE status WHEN 'pending' THEN 'processing' ELSE status END
      WHERE id IN (SELECT batch_id FROM jobs WHERE ${mine})
      RETURNING id, input, concurrency, stop_code, webhook_id`),
  ] as const
}

/** Parses the rows that {@link claimStatements} returned into claimed jobs, in order of virtual time. */
export function parseClaimedRows(
  lease: string,
  jobRows: readonly JobRow[],
  batchRows: readonly BatchRow[],
): ClaimedJob[] {
  const batches = new Map(batchRows.map(({ id, input, ...row }) => [id, { ...row, batchInput: parse(input) }]))
  return jobRows
    .map((row): JobCells => JSON.parse(row.job))
    .sort((a, b) => a[TURN] - b[TURN])
    .flatMap(([jobId, batchId, owner, operation, sequence, , attempt, maxAttempts, input, checkpoint]) => {
      const batch = batches.get(batchId)
      if (batch === undefined) return []
      return {
        jobId,
        batchId,
        owner,
        operation,
        sequence,
        attempt,
        maxAttempts,
        input,
        batchInput: batch.batchInput,
        checkpoint,
        hasConcurrencyLimit: batch.concurrency !== null,
        hasWebhook: batch.webhook_id !== null,
        stopCode: batch.stop_code,
        lease,
      }
    })
}

const TURN = 5

function parse(text: string): unknown {
  return JSON.parse(text)
}

/**
 * Claims ready jobs. Where owners are passed over, it looks first, since a claim takes the write lock.
 * @returns the claimed jobs in the order of their turns
 */
export async function claim(deps: { db: Database; clock: Clock }, order: ClaimRequest): Promise<ClaimedJob[]> {
  if (order.passedOwners !== undefined && !(await othersAreReady(deps.db, order.passedOwners))) return []
  const [, , jobRows, batchRows] = await deps.db.batch(claimStatements(deps.db, deps.clock.now(), order))
  return parseClaimedRows(order.lease, jobRows, batchRows)
}

/** Jobs made ready at once when they fall due. More are left for the next call. */
const DUE_AT_ONCE = 500

/** Result of {@link readyDue}. */
export interface Due {
  /** When the next scheduled job is due, in milliseconds since the epoch; null when none is scheduled. */
  readonly next: number | null
  /** True where jobs were made ready. */
  readonly readied: boolean
}

/** Makes scheduled jobs ready whose time has come. */
export async function readyDue(deps: { db: Database; clock: Clock }): Promise<Due> {
  const { db } = deps
  const now = deps.clock.now()
  const earliest = await nextDue(db)
  if (earliest === null || earliest > now) return { next: earliest, readied: false }
  await db.batch(
    makeReady(
      db,
      sql`SELECT id, owner, run_at AS place FROM jobs WHERE status = 'scheduled' AND run_at <= ${now} ORDER BY run_at LIMIT ${DUE_AT_ONCE}`,
    ),
  )
  return { next: await nextDue(db), readied: true }
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
