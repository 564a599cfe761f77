/** Reads the jobs that the calls of a worker name by id and lease. Only those are found whose lease is held and whose caller may work on them. */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import type { LeaseToken } from '../../engine/transitions/complete-jobs.ts'
import type { StopCode } from '../../engine/transitions/stop-codes.ts'
import type { Caller } from '../../http/context.ts'
import type { Database, Progress } from '../../ports.ts'
import { covers } from '../../scopes.ts'

/** A job under its lease, with facts of its batch. */
export interface WorkerJob extends LeaseToken, Omit<Progress, 'percent' | 'message' | 'stage'> {
  readonly owner: string
  readonly operation: string
  /** As stored. */
  readonly progress: Pick<Progress, 'percent' | 'message' | 'stage'>
  /** Why its batch was stopped; null while it may run. */
  readonly stopCode: StopCode | null
  /** When this attempt was claimed, in milliseconds since the epoch. */
  readonly claimedAt: number
}

const Row = z.object({
  id: z.string(),
  batch_id: z.string(),
  owner: z.string(),
  operation: z.string(),
  sequence: z.int(),
  lease: z.string(),
  attempt: z.int(),
  max_attempts: z.int(),
  item_id: z.string().nullable(),
  label: z.string().nullable(),
  url: z.string().nullable(),
  started_at: z.int().nullable(),
  progress_percent: z.number(),
  progress_message: z.string().nullable(),
  stage: z.string().nullable(),
  concurrency: z.int().nullable(),
  has_follow_up: z.literal([0, 1]),
  has_budget: z.int(),
  stop_code: z.enum(['CANCELLED', 'DEADLINE_EXCEEDED', 'BUDGET_EXCEEDED', 'SUPERSEDED']).nullable(),
})

/** Makes the lease token of a claim: random, so that it cannot be guessed, followed by the time at which its attempts begin. */
export const makeLease = (now: number) => `${crypto.randomUUID()}.${now}`

const claimedAt = (lease: string) => Number(lease.slice(lease.indexOf('.') + 1))

/** Returns true where a caller's key has the scope for an owner's jobs of an operation. */
export function mayWorkOn(
  { owner, scopes }: Caller,
  job: { readonly owner: string; readonly operation: string },
): boolean {
  return covers(scopes, `work-all:${job.operation}`) || (owner === job.owner && covers(scopes, `work:${job.operation}`))
}

/** Reads the jobs that these leases still hold, by id. Jobs that the caller may not work on are left out, as if their lease was lost. */
export async function readWorkerJobs(
  db: Database,
  caller: Caller,
  named: readonly { readonly id: string; readonly lease: string }[],
): Promise<ReadonlyMap<string, WorkerJob>> {
  const rows = await db.all(sql`
    SELECT j.id, j.batch_id, j.owner, j.operation, j.sequence, j.lease, j.attempt, j.max_attempts, j.item_id, j.label, j.url, j.started_at,
      j.progress_percent, j.progress_message, j.stage, b.concurrency, coalesce(b.webhook_id, b.next) IS NOT NULL AS has_follow_up, b.budget IS NOT NULL AS has_budget, b.stop_code
    FROM json_each(${JSON.stringify(named.map(({ id, lease }) => [id, lease]))}) c
    CROSS JOIN jobs j ON j.id = c.value ->> 0 AND j.lease = c.value ->> 1 AND j.status = 'running' AND j.queue IS NOT NULL
    CROSS JOIN batches b ON b.id = j.batch_id`)
  const held = rows.map((row) => present(Row.parse(row))).filter((job) => mayWorkOn(caller, job))
  return new Map(held.map((job) => [job.jobId, job]))
}

function present(row: z.infer<typeof Row>): WorkerJob {
  return {
    jobId: row.id,
    batchId: row.batch_id,
    owner: row.owner,
    operation: row.operation,
    sequence: row.sequence,
    lease: row.lease,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    itemId: row.item_id,
    filename: row.label,
    url: row.url,
    startedAt: row.started_at,
    progress: { percent: row.progress_percent, message: row.progress_message ?? '', stage: row.stage },
    hasConcurrencyLimit: row.concurrency !== null,
    hasFollowUp: row.has_follow_up === 1,
    hasBudget: row.has_budget === 1,
    stopCode: row.stop_code,
    claimedAt: claimedAt(row.lease),
  }
}

/** Picks the fields of a job that outcomes carry as its lease token. */
export function tokenOf({
  jobId,
  batchId,
  sequence,
  lease,
  hasConcurrencyLimit,
  hasFollowUp,
  hasBudget,
}: LeaseToken): LeaseToken {
  return { jobId, batchId, sequence, lease, hasConcurrencyLimit, hasFollowUp, hasBudget }
}
