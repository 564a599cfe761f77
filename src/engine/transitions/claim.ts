/** Claims ready jobs for a worker, lowest virtual time first, each under a lease whose token only this claim knows. */
import { sql } from 'drizzle-orm'
import { parseLossless } from '../../lossless-json.ts'
import type { Attempt } from '../../operation.ts'
import type { Clock, Database, JobFacts } from '../../ports.ts'
import { jobs } from '../../schema/jobs.ts'
import {
  type Bound,
  makeReady,
  nextReady,
  type OfferedQueue,
  offeredIn,
  plainBound,
  READY,
  swapByPriority,
} from './fair-queue.ts'
import { firstOfOthers, othersAreReady } from './pass-over.ts'
import type { StopCode } from './stop-codes.ts'

/** A leased job. */
export interface ClaimedJob extends Attempt, Omit<JobFacts, 'finishedAt' | 'filename'> {
  /** A run may find out another. */
  filename: string | null
  readonly operation: string
  /** Names this claim in every later write to the job. */
  readonly lease: string
  /** True where its batch has a concurrency limit, so that other jobs of it may wait for a slot. */
  readonly hasConcurrencyLimit: boolean
  /** True where its batch has a webhook, or another batch follows it. */
  readonly hasFollowUp: boolean
  /** True where its batch has a budget. */
  readonly hasBudget: boolean
  /** Set when the batch was stopped in the meantime: the job is to be ended, not run. */
  readonly stopCode: StopCode | null
}

/** Parameters of a claim that a worker makes. */
export interface ClaimRequest {
  /** A fresh token; never reused. */
  readonly lease: string
  readonly limit: number
  readonly leaseMs: number
  /** Owners whose jobs are passed over; of each other owner one job at most is claimed. Absent: none are passed over. */
  readonly passedOwners?: readonly string[]
  /** Queue whose jobs are claimed, of one owner or of all; absent where the server's own are. */
  readonly queue?: OfferedQueue
}

/** A job as a claim brings it: one cell of JSON costs half of what ten cells do. */
interface JobRow {
  job: string
}

/** Values of that cell. */
interface JobCells
  extends Omit<ClaimedJob, 'batchInput' | 'hasConcurrencyLimit' | 'hasFollowUp' | 'hasBudget' | 'stopCode' | 'lease'> {
  readonly virtualTime: number
}

/** A batch of claimed jobs. */
interface BatchRow {
  id: string
  input: string
  concurrency: number | null
  stop_code: StopCode | null
  has_follow_up: 0 | 1
  has_budget: 0 | 1
}

/** Claims up to `limit` ready jobs, lowest virtual time first, and reads them with their batches. The last two are read by {@link parseClaimedRows}. */
export function claimStatements(
  db: Database,
  now: number,
  { lease, limit, leaseMs, passedOwners, queue }: ClaimRequest,
) {
  const until = now + leaseMs
  const ready = queue === undefined ? READY : offeredIn(queue)
  const next = (bound: Bound) =>
    passedOwners === undefined ? nextReady(bound(limit), ready) : firstOfOthers(passedOwners, limit, bound)
  const mine = sql`status = 'running' AND lease_until = ${until} AND lease = ${lease}`
  return [
    swapByPriority(db, next, ready),
    db.run(sql`
      UPDATE jobs SET status = 'running', lease = ${lease}, lease_until = ${until}, attempt = attempt + 1,
        started_at = coalesce(started_at, ${now}), error_code = NULL, error_message = NULL
      WHERE rowid IN (SELECT job FROM (${next(plainBound)}))`),
    // Half as dear as to have the update return them.
    db.all<JobRow>(sql`
      SELECT json_array(id, batch_id, owner, operation, sequence, virtual_time, attempt, max_attempts, json(input), json(checkpoint), item_id, started_at, label, url) AS job
      FROM jobs WHERE ${mine}`),
    db.all<BatchRow>(sql`
      UPDATE batches SET started_at = coalesce(started_at, ${now}), progress_version = progress_version + 1,
        status = CASE status WHEN 'pending' THEN 'processing' ELSE status END
      WHERE id IN (SELECT batch_id FROM jobs WHERE ${mine})
      RETURNING id, input, concurrency, stop_code, coalesce(webhook_id, next) IS NOT NULL AS has_follow_up, budget IS NOT NULL AS has_budget`),
  ] as const
}

/** Parses the rows that {@link claimStatements} returned into claimed jobs, in order of virtual time. */
export function parseClaimedRows(
  lease: string,
  jobRows: readonly JobRow[],
  batchRows: readonly BatchRow[],
): ClaimedJob[] {
  const batches = new Map(batchRows.map(({ id, input, ...row }) => [id, { ...row, batchInput: parseLossless(input) }]))
  return jobRows
    .map(parseCells)
    .sort((a, b) => a.virtualTime - b.virtualTime)
    .flatMap(({ virtualTime, ...job }) => {
      const batch = batches.get(job.batchId)
      if (batch === undefined) return []
      return {
        ...job,
        batchInput: batch.batchInput,
        hasConcurrencyLimit: batch.concurrency !== null,
        hasFollowUp: batch.has_follow_up === 1,
        hasBudget: batch.has_budget === 1,
        stopCode: batch.stop_code,
        lease,
      }
    })
}

/** Names the values of a cell, in the order in which {@link claimStatements} lists them. */
function parseCells({ job }: JobRow): JobCells {
  const cells = parseLossless(job)
  if (!Array.isArray(cells)) throw new TypeError('A claimed job came as something else than a list of its cells.')
  const [jobId, batchId, owner, operation, sequence, virtualTime, attempt, maxAttempts, input, checkpoint, ...facts] =
    cells
  const [itemId, startedAt, filename, url] = facts
  const row = { jobId, batchId, owner, operation, sequence, virtualTime, attempt, maxAttempts, input, checkpoint }
  return { ...row, itemId, startedAt, filename, url }
}

/**
 * Claims ready jobs. Where owners are passed over, it looks first, since a claim takes the write lock.
 * @returns the claimed jobs in order of virtual time
 */
export async function claim(deps: { db: Database; clock: Clock }, order: ClaimRequest): Promise<ClaimedJob[]> {
  if (order.passedOwners !== undefined && !(await othersAreReady(deps.db, order.passedOwners))) return []
  const [, , jobRows, batchRows] = await deps.db.batch(claimStatements(deps.db, deps.clock.now(), order))
  return parseClaimedRows(order.lease, jobRows, batchRows)
}

/** Due jobs that one call makes ready. More are left for the next call. */
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
  const earliest = await readNextRunAt(db)
  if (earliest === null || earliest > now) return { next: earliest, readied: false }
  await db.batch(
    makeReady(
      db,
      sql`SELECT id, owner, queue, run_at AS position FROM jobs WHERE status = 'scheduled' AND run_at <= ${now} ORDER BY run_at LIMIT ${DUE_AT_ONCE}`,
    ),
  )
  return { next: await readNextRunAt(db), readied: true }
}

async function readNextRunAt(db: Database): Promise<number | null> {
  const row = await db
    .select({ runAt: jobs.runAt })
    .from(jobs)
    .where(sql`status = 'scheduled'`)
    .orderBy(jobs.runAt)
    .limit(1)
    .get()
  return row?.runAt ?? null
}
