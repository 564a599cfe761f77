/** Current state of a batch and its jobs: the starting point of a follower, and the answer to a poll. */
import { type SQL, sql } from 'drizzle-orm'
import * as z from 'zod'
import { presentJobFacts } from '../events.ts'
import type { Operation } from '../operation.ts'
import type { Database, Progress } from '../ports.ts'
import { batches } from '../schema/batches.ts'
import type { BudgetState } from '../schema/budget.ts'
import type { ChainState, NextState } from '../schema/chain.ts'
import { jobs } from '../schema/jobs.ts'

/** Facts about a batch that followers need. */
export interface BatchHead {
  readonly id: string
  readonly owner: string
  readonly operation: string
  readonly status: (typeof batches.$inferSelect)['status']
  readonly lastSeq: number
  /** Grows with everything that is not an event. */
  readonly progressVersion: number
  readonly finished: boolean
}

/** Reads where batches stand, in one query. Unknown ids are left out. */
export async function readHeads(db: Database, ids: readonly string[]): Promise<BatchHead[]> {
  const rows = await db
    .select({
      id: batches.id,
      owner: batches.owner,
      operation: batches.operation,
      status: batches.status,
      lastSeq: batches.lastSeq,
      progressVersion: batches.progressVersion,
      finishedAt: batches.finishedAt,
    })
    .from(batches)
    .where(sql`deleted_at IS NULL AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`)
  return rows.map(({ finishedAt, ...head }) => ({ ...head, finished: finishedAt !== null }))
}

/** A job as lists show it: what every operation's jobs have, and its operation's summary. */
export interface JobItem {
  readonly jobId: string
  readonly sequence: number
  readonly filename: string | null
  /** Link that its document is behind. */
  readonly url: string | null
  /** `pending`, `processing` or the operation's word for what a running job does, `completed`, `failed`, `cancelled`. */
  readonly status: string
  readonly errorCode: string | null
  readonly errorMessage: string | null
  readonly progressPercent: number
  readonly progressMessage: string | null
  /** The caller's own id for its item. */
  readonly itemId: string | null
  readonly attempt: number
  readonly maxAttempts: number
  /** ISO 8601, as is `finishedAt`. */
  readonly startedAt: string | null
  readonly finishedAt: string | null
  readonly [summary: string]: unknown
}

/** A job's status as clients see it, the same for all operations. */
type JobWord = 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled'

/** Statuses of jobs that wait. */
const WAITING: ReadonlySet<string> = new Set(['ready', 'offered', 'scheduled', 'blocked'])

const STATUSES: Readonly<Record<JobWord, SQL>> = {
  pending: sql`status IN ('ready', 'offered', 'scheduled', 'blocked')`,
  processing: sql`status = 'running'`,
  completed: sql`status = 'completed'`,
  failed: sql`status = 'failed'`,
  cancelled: sql`status = 'cancelled'`,
}

/** Reads a page of a batch's jobs by sequence. */
export async function readJobItems(
  db: Database,
  operation: Operation | undefined,
  batchId: string,
  page: { after: number; limit: number; status?: JobWord | undefined },
): Promise<JobItem[]> {
  const rows = await db
    .select({
      jobId: jobs.id,
      sequence: jobs.sequence,
      filename: jobs.label,
      url: jobs.url,
      status: jobs.status,
      itemId: jobs.itemId,
      attempt: jobs.attempt,
      maxAttempts: jobs.maxAttempts,
      startedAt: jobs.startedAt,
      finishedAt: jobs.finishedAt,
      stage: jobs.stage,
      summary: jobs.summary,
      errorCode: jobs.errorCode,
      errorMessage: jobs.errorMessage,
      progressPercent: jobs.progressPercent,
      progressMessage: jobs.progressMessage,
    })
    .from(jobs)
    .where(
      sql`batch_id = ${batchId} AND sequence > ${page.after} AND ${page.status === undefined ? sql`true` : STATUSES[page.status]}`,
    )
    .orderBy(jobs.sequence)
    .limit(page.limit)
  return rows.map(({ stage, summary, status, errorCode, errorMessage, ...row }) => ({
    ...operation?.summaryDefaults,
    ...summary,
    ...row,
    ...presentJobFacts(row),
    status: jobWord(status, stage),
    // A job that waits for another try has failed before, but is not failed.
    errorCode: status === 'failed' || status === 'cancelled' ? errorCode : null,
    errorMessage: status === 'failed' || status === 'cancelled' ? errorMessage : null,
  }))
}

function jobWord(status: string, stage: string | null): string {
  if (status === 'running') return stage ?? 'processing'
  return WAITING.has(status) ? 'pending' : status
}

/** The progress of the jobs of a batch that run now, lowest sequence first. */
export async function readRunning(db: Database, batchId: string, limit: number): Promise<Progress[]> {
  const rows = await db
    .select({
      jobId: jobs.id,
      sequence: jobs.sequence,
      percent: jobs.progressPercent,
      message: jobs.progressMessage,
      stage: jobs.stage,
      itemId: jobs.itemId,
      filename: jobs.label,
      url: jobs.url,
      attempt: jobs.attempt,
      maxAttempts: jobs.maxAttempts,
      startedAt: jobs.startedAt,
    })
    .from(jobs)
    // The plus keeps the planner on the index of running jobs: they are few, a batch's jobs may be many.
    .where(sql`+batch_id = ${batchId} AND status = 'running'`)
    .orderBy(jobs.sequence)
    .limit(limit)
  return rows.map((row) => ({ ...row, message: row.message ?? '' }))
}

/** A batch as polling shows it. */
export interface BatchState extends BatchHead {
  /** 1, incremented by each manual retry. */
  readonly run: number
  readonly facts: Readonly<Record<string, unknown>>
  readonly total: number
  readonly completed: number
  readonly failed: number
  readonly cancelled: number
  /** Time at which it was paused; null while it is not. */
  readonly pausedAt: number | null
  /** Until when it takes items; null where it takes none. */
  readonly openUntil: number | null
  readonly createdAt: number
  readonly finishedAt: number | null
  /** The caller's own data, JSON text; null for none. */
  readonly metadata: string | null
  /** Null for none. */
  readonly budget: BudgetState | null
  /** When its jobs may begin; null where nothing puts them off. */
  readonly runAt: number | null
  /** The batch that follows it; null for none. */
  readonly next: Pick<NextState, 'operation' | 'batchIds'> | null
  /** Source of its items; null where callers send them. */
  readonly chain: ChainState | null
  /** The batch that took its place; null for none. */
  readonly supersededBy: string | null
}

const Next = z.object({ operation: z.string(), batchIds: z.array(z.string()) })

const STATE = {
  id: batches.id,
  owner: batches.owner,
  operation: batches.operation,
  status: batches.status,
  lastSeq: batches.lastSeq,
  run: batches.run,
  facts: batches.facts,
  total: batches.total,
  completed: batches.completed,
  failed: batches.failed,
  cancelled: batches.cancelled,
  progressVersion: batches.progressVersion,
  pausedAt: batches.pausedAt,
  openUntil: batches.openUntil,
  createdAt: batches.createdAt,
  finishedAt: batches.finishedAt,
  metadata: batches.metadata,
  budget: batches.budget,
  runAt: batches.runAt,
  next: sql<string | null>`CASE WHEN ${batches.next} IS NOT NULL
    THEN json_object('operation', ${batches.next} ->> '$.operation', 'batchIds', json(${batches.next} -> '$.batchIds')) END`.mapWith(
    (text: string | null) => (text === null ? null : Next.parse(JSON.parse(text))),
  ),
  chain: batches.chain,
  supersededBy: batches.supersededBy,
}

/** Reads a batch of an owner; null when there is none, or when it is another's. */
export async function readBatch(db: Database, id: string, owner: string): Promise<BatchState | null> {
  const row = await db
    .select(STATE)
    .from(batches)
    // Two look-ups by index; an OR would read every batch of the owner.
    .where(
      sql`owner = ${owner} AND deleted_at IS NULL AND id = coalesce((SELECT id FROM batches WHERE id = ${id} AND owner = ${owner}),
        (SELECT id FROM batches WHERE owner = ${owner} AND idempotency_key = ${id}))`,
    )
    .get()
  return row === undefined ? null : { ...row, finished: row.finishedAt !== null }
}

/**
 * Reads which run of a batch there is now: a read of its rows that began in another run, or of a batch that is gone, may be a part of them.
 * @returns null when it was deleted
 */
export async function readRun(db: Database, id: string): Promise<number | null> {
  const row = await db.select({ run: batches.run }).from(batches).where(sql`id = ${id} AND deleted_at IS NULL`).get()
  return row?.run ?? null
}

/** Reads the batches of an owner that have not ended, newest first. */
export async function readUnfinished(db: Database, owner: string, limit: number): Promise<BatchState[]> {
  const rows = await db
    .select(STATE)
    .from(batches)
    .where(sql`owner = ${owner} AND status IN ('pending', 'processing') AND deleted_at IS NULL`)
    .orderBy(sql`id DESC`)
    .limit(limit)
  return rows.map((row) => ({ ...row, finished: row.finishedAt !== null }))
}

/** The progress of the jobs of an owner that run now. */
export function readRunningOf(db: Database, owner: string, limit: number): Promise<(Progress & { batchId: string })[]> {
  return db.all<Progress & { batchId: string }>(sql`
    SELECT id AS "jobId", batch_id AS "batchId", sequence, progress_percent AS percent, coalesce(progress_message, '') AS message, stage,
      item_id AS "itemId", label AS filename, url, attempt, max_attempts AS "maxAttempts", started_at AS "startedAt"
    FROM jobs WHERE status = 'running' AND +owner = ${owner} ORDER BY id LIMIT ${limit}`)
}
