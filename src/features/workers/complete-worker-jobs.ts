/** Completes jobs of workers over HTTP: checks their outcomes, writes those whose lease is held, and claims the next jobs in the same commit. */

import type { ClaimedJob } from '../../engine/transitions/claim.ts'
import type { Outcome } from '../../engine/transitions/complete-jobs.ts'
import { keepCheckpoints } from '../../engine/transitions/heartbeat.ts'
import { continueLater, failedOutcome, notStarted } from '../../engine/worker/attempt.ts'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Caller } from '../../http/context.ts'
import { type ClaimBounds, claimWithin, type SharedWork, settleClaimed } from './claim-jobs.ts'
import { fieldOf, type WorkerOperation } from './declared-operation.ts'
import type { OperationOf } from './heartbeat-jobs.ts'
import type { Ended, JobWritten } from './schemas.ts'
import { readWorkerJobs, tokenOf, type WorkerJob } from './worker-jobs.ts'

/** Bytes of JSON that a result may have. */
const MAX_RESULT_BYTES = 1_000_000
/** Bytes of JSON up to which a result is included in `job_completed` and in lists as well. */
const MAX_INLINE_BYTES = 2_048

const utf8 = new TextEncoder()

interface CompleteParams {
  readonly caller: Caller
  readonly jobs: readonly Ended[]
  /** Jobs to claim in the same commit; null for none. */
  readonly claim: ClaimBounds | null
  /** Aborts when the caller went away, or the server stops. */
  readonly signal: AbortSignal
  readonly lookUp: (jobs: Iterable<WorkerJob>) => Promise<OperationOf>
}

type Checked = { readonly outcome: Outcome; readonly job: WorkerJob } | { readonly refused: JobWritten }

/** Writes the outcomes of jobs. @returns the status of each, in the order in which they were sent, and the jobs that were claimed */
export async function completeWorkerJobs(
  deps: AppDeps,
  shared: SharedWork,
  { caller, jobs, claim, signal, lookUp }: CompleteParams,
): Promise<{ readonly jobs: JobWritten[]; readonly claimed: readonly ClaimedJob[] }> {
  const held = await readWorkerJobs(deps.db, caller, jobs)
  const operationOf = await lookUp(held.values())
  const now = deps.clock.now()
  const named = new Set<string>()
  const checked = jobs.map((ended, index): Checked => {
    const job = held.get(ended.id)
    // A commit takes a job once; a second outcome for it is refused as under a lost lease.
    if (job === undefined || job.lease !== ended.lease || named.has(ended.id)) return { refused: lost(ended.id) }
    named.add(ended.id)
    return check(ended, { index, job, operation: operationOf(job), now })
  })
  const going = checked.filter((one) => 'outcome' in one)
  await keepCheckpoints(deps.db, checkpointsOf(jobs, going))
  const { written: kept, claimed } = await shared.commits.run({
    outcomes: going.map(({ outcome }) => outcome),
    order: claim === null ? null : await claimWithin(deps, shared.work, claim),
  })
  for (const { job, outcome } of going) {
    if (kept.has(job.jobId)) deps.meter.add(job.operation, outcome.kind, now - job.claimedAt)
  }
  // Work may be ready: jobs to retry, jobs that a concurrency limit blocked, webhook deliveries, batches over their budget.
  if (
    going.some(
      ({ job, outcome }) => outcome.kind === 'retry' || job.hasConcurrencyLimit || job.hasFollowUp || job.hasBudget,
    )
  ) {
    deps.dispatcher.wake()
  }
  const statuses = checked.map((one): JobWritten => {
    if ('refused' in one) return one.refused
    return kept.has(one.job.jobId) ? { id: one.job.jobId, status: 200 } : lost(one.job.jobId)
  })
  return { jobs: statuses, claimed: claim === null ? [] : await settleClaimed(deps, claimed, signal) }
}

const lost = (id: string): JobWritten => ({
  id,
  status: 409,
  message: 'The lease of this job was lost: it ended, or another worker may run it. Nothing was written.',
})

function checkpointsOf(jobs: readonly Ended[], going: readonly { readonly job: WorkerJob }[]) {
  const accepted = new Map(going.map(({ job }) => [job.jobId, job]))
  return jobs.flatMap((ended) => {
    const job = accepted.get(ended.id)
    if (job === undefined || !('checkpoint' in ended) || 'result' in ended) return []
    return [{ jobId: job.jobId, lease: job.lease, checkpoint: ended.checkpoint }]
  })
}

interface CheckContext {
  readonly index: number
  readonly job: WorkerJob
  readonly operation: WorkerOperation | null
  readonly now: number
}

function check(ended: Ended, { index, job, operation, now }: CheckContext): Checked {
  const token = tokenOf(job)
  if (ended.error !== undefined) {
    const { message, retryable = true, retryAfterSeconds } = ended.error
    const error = new MillraceError('OPERATION_FAILED', message, { transient: retryable })
    const pauseMs = retryAfterSeconds === undefined ? operation?.pauseMs(job.attempt) : retryAfterSeconds * 1_000
    return { job, outcome: failedOutcome(job, token, error, { now, pauseMs }) }
  }
  if (ended.continue || ended.release) {
    const later = continueLater({ now: () => now + Math.round((ended.delaySeconds ?? 0) * 1_000) }, token)
    return { job, outcome: ended.release ? notStarted(later) : later }
  }
  const result = ended.result ?? null
  const bytes = utf8.encode(JSON.stringify(result)).byteLength
  const fault =
    bytes > MAX_RESULT_BYTES
      ? {
          path: [],
          message: `Expected at most ${MAX_RESULT_BYTES.toLocaleString('en')} bytes of JSON, and these are ${bytes}.`,
        }
      : (operation?.checkResult(result) ?? null)
  if (fault !== null) {
    const field = fieldOf('jobs', index, 'result', ...fault.path)
    return { refused: { id: ended.id, status: 422, field, message: `${field}: ${fault.message}` } }
  }
  const summary = bytes <= MAX_INLINE_BYTES ? { result } : {}
  return { job, outcome: { ...token, kind: 'completed', run: { result, summary, tallies: ended.tallies ?? {} } } }
}
