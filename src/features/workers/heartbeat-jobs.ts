/** Heartbeats of workers over HTTP: renews leases, publishes and stores progress, stores checkpoints, and ends jobs that are to stop. */
import { completeJobs, type Outcome } from '../../engine/transitions/complete-jobs.ts'
import { heartbeat, keepCheckpoints } from '../../engine/transitions/heartbeat.ts'
import { failedOutcome, stoppedOutcome } from '../../engine/worker/attempt.ts'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Caller } from '../../http/context.ts'
import type { Progress } from '../../ports.ts'
import type { WorkerOperation } from './declared-operation.ts'
import type { WorkerHeartbeat, WorkerHeartbeatAnswer } from './schemas.ts'
import { readWorkerJobs, tokenOf, type WorkerJob } from './worker-jobs.ts'

/** Finds the operation of a job; null where its declaration was deleted. */
export type OperationOf = (job: WorkerJob) => WorkerOperation | null

interface HeartbeatParams {
  readonly caller: Caller
  readonly jobs: WorkerHeartbeat['jobs']
  readonly leaseMs: number
  readonly lookUp: (jobs: Iterable<WorkerJob>) => Promise<OperationOf>
}

/** Processes a heartbeat. @returns the ids of jobs whose lease is held, that were cancelled, and whose lease was lost */
export async function beatJobs(
  deps: AppDeps,
  params: HeartbeatParams,
): Promise<Omit<WorkerHeartbeatAnswer, 'success'>> {
  const { caller, jobs, leaseMs, lookUp } = params
  const held = await readWorkerJobs(deps.db, caller, jobs)
  const operationOf = await lookUp(held.values())
  const now = deps.clock.now()
  const ended = new Map<string, Ended>()
  for (const job of held.values()) {
    const end = endOf(job, operationOf(job), now)
    if (end !== null) ended.set(job.jobId, end)
  }
  if (ended.size > 0) await writeEnds(deps, [...ended.values()])
  const going = jobs.flatMap((beat) => {
    const job = ended.has(beat.id) ? undefined : held.get(beat.id)
    return job === undefined || job.lease !== beat.lease ? [] : [{ job, beat }]
  })
  const renewed = await renew(deps, going, leaseMs)
  const all = new Set(jobs.map(({ id }) => id))
  return {
    held: [...all].filter((id) => renewed.has(id)),
    cancelled: [...ended].map(([id, { reason }]) => ({ id, reason })),
    lost: [...all].filter((id) => !renewed.has(id) && !ended.has(id)),
  }
}

interface Ended {
  readonly reason: WorkerHeartbeatAnswer['cancelled'][number]['reason']
  readonly outcome: Outcome
}

/** Returns the end of a job that was stopped or exceeds its time limit; null while it may run. */
function endOf(job: WorkerJob, operation: WorkerOperation | null, now: number): Ended | null {
  if (job.stopCode !== null) return { reason: job.stopCode, outcome: stoppedOutcome(tokenOf(job), job.stopCode) }
  if (operation === null || now - job.claimedAt <= operation.timeLimitMs) return null
  const seconds = Math.round(operation.timeLimitMs / 1_000)
  const error = new MillraceError('TIMEOUT', `This took longer than the ${seconds} seconds it may take.`)
  const outcome = failedOutcome(job, tokenOf(job), error, { now, pauseMs: operation.pauseMs(job.attempt) })
  return { reason: 'TIMEOUT', outcome }
}

async function writeEnds(deps: AppDeps, ended: readonly Ended[]): Promise<void> {
  await completeJobs(
    deps,
    ended.map(({ outcome }) => outcome),
  )
  // Work may be ready: jobs to retry and webhook deliveries.
  deps.dispatcher.wake()
}

interface Going {
  readonly job: WorkerJob
  readonly beat: WorkerHeartbeat['jobs'][number]
}

/** Renews leases. @returns the jobs whose leases were still held */
async function renew(deps: AppDeps, going: readonly Going[], leaseMs: number): Promise<ReadonlySet<string>> {
  if (going.length === 0) return new Set()
  const moves = going.map(({ job, beat }) => ({
    job,
    moved: beat.progress !== undefined,
    progress: progressOf(job, beat),
  }))
  const { held } = await heartbeat(
    deps,
    moves.map(({ job, moved, progress }) => ({ ...progress, batchId: job.batchId, lease: job.lease, moved })),
    leaseMs,
  )
  const kept = going.filter(({ beat }) => 'checkpoint' in beat)
  await keepCheckpoints(
    deps.db,
    kept.map(({ job, beat }) => ({ jobId: job.jobId, lease: job.lease, checkpoint: beat.checkpoint })),
  )
  const byBatch = Map.groupBy(
    moves.filter(({ job, moved }) => moved && held.has(job.jobId)),
    ({ job }) => job.batchId,
  )
  for (const [batchId, list] of byBatch) {
    deps.notifier.publish(batchId, { progress: list.map(({ progress }) => progress) })
  }
  return held
}

function progressOf(job: WorkerJob, { progress }: Going['beat']): Progress {
  const { jobId, sequence, itemId, filename, url, attempt, maxAttempts, startedAt } = job
  const facts = { jobId, sequence, itemId, filename, url, attempt, maxAttempts, startedAt }
  if (progress === undefined) return { ...facts, ...job.progress }
  return {
    ...facts,
    percent: Math.round(progress.percent),
    message: progress.message ?? '',
    stage: progress.stage ?? null,
  }
}
