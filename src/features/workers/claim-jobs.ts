/** Claiming for workers over HTTP: jobs of the queues that they name, waited for where there are none. */
import { sql } from 'drizzle-orm'
import type { ClaimedJob, ClaimRequest } from '../../engine/transitions/claim.ts'
import { completeJobs } from '../../engine/transitions/complete-jobs.ts'
import type { OfferedQueue } from '../../engine/transitions/fair-queue.ts'
import { continueLater, notStarted, stoppedOutcome } from '../../engine/worker/attempt.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import type { AppDeps, Caller } from '../../http/context.ts'
import type { Clock } from '../../ports.ts'
import { covers } from '../../scopes.ts'
import { workerOperationOf } from './declared-store.ts'
import type { OfferedWork } from './offered-work.ts'
import type { SharedCommit } from './shared-commit.ts'
import { makeLease } from './worker-jobs.ts'

/** Parts of the process that the claims of its requests share. */
export interface SharedWork {
  readonly work: OfferedWork
  readonly commits: SharedCommit
}

/** Bounds of a claim, in jobs and milliseconds. */
export interface ClaimBounds {
  readonly queues: readonly OfferedQueue[]
  readonly max: number
  readonly leaseMs: number
}

/** Parameters of a claim that waits. Times are milliseconds. */
export interface ClaimParams extends ClaimBounds {
  readonly waitMs: number
  /** Aborts when the caller went away, or the server stops. */
  readonly signal: AbortSignal
  /**
   * Counts the wait as one of its caller. @returns a function that ends the count
   * @throws MillraceError where no further request may wait
   */
  readonly holdWait: () => () => void
}

/**
 * Finds the queues of operations: the caller's own jobs of each, or all owners' where its key has the scope.
 * @throws MillraceError FORBIDDEN without the scope of one, INVALID_REQUEST for one that is not declared
 */
export async function queuesOf(deps: AppDeps, caller: Caller, names: readonly string[]): Promise<OfferedQueue[]> {
  const queues = [...new Set(names)].map((name): OfferedQueue => {
    if (covers(caller.scopes, `work-all:${name}`)) return { name, owner: null }
    if (covers(caller.scopes, `work:${name}`)) return { name, owner: caller.owner }
    throw new MillraceError('FORBIDDEN', `This key may not work on "${name}": it lacks the scope "work:${name}".`)
  })
  const declared = queues.filter(({ name }) => workerOperationOf(deps.operations, name) === null)
  if (declared.length === 0) return queues
  const pairs = JSON.stringify(declared.map(({ name, owner }) => [name, owner]))
  const rows = await deps.db.all<{ name: string }>(sql`
    SELECT w.value ->> 0 AS name FROM json_each(${pairs}) w WHERE CASE WHEN w.value ->> 1 IS NULL
      THEN EXISTS (SELECT 1 FROM declared_operations d WHERE d.name = w.value ->> 0)
      ELSE EXISTS (SELECT 1 FROM declared_operations d WHERE d.owner = w.value ->> 1 AND d.name = w.value ->> 0) END`)
  const known = new Set(rows.map(({ name }) => name))
  const unknown = declared.find(({ name }) => !known.has(name))
  if (unknown === undefined) return queues
  const index = names.indexOf(unknown.name)
  throw invalidRequest(
    `operations.${index}`,
    `operations.${index}: nobody declared an operation "${unknown.name}" for workers. Declare it with PUT /api/operations/${unknown.name}.`,
  )
}

/** Claims as many jobs as there are, up to `max`; waits for the first. */
export async function claimJobs(
  deps: AppDeps,
  shared: SharedWork,
  params: ClaimParams,
): Promise<readonly ClaimedJob[]> {
  const { queues, signal } = params
  const { work } = shared
  const until = performance.now() + params.waitMs
  let endWait: (() => void) | null = null
  try {
    for (;;) {
      const jobs = await claimOnce(deps, shared.commits, { ...params, queues: await work.among(queues) })
      if (jobs.length > 0) {
        // A full claim may have left jobs behind: those are for the other requests that wait.
        if (jobs.length >= params.max) work.poll()
        return await releaseUnheard(deps, jobs, signal)
      }
      const left = until - performance.now()
      if (left <= 0 || signal.aborted) return []
      endWait ??= params.holdWait()
      if (!(await work.wait(queues, left, signal))) return []
    }
  } finally {
    endWait?.()
  }
}

/** Claims from the queues round-robin, beginning with a random one, so that no queue starves another. */
async function claimOnce(deps: AppDeps, commits: SharedCommit, { queues, ...bounds }: ClaimBounds) {
  const claimed: ClaimedJob[] = []
  for (const queue of fromRandom(queues)) {
    const limit = bounds.max - claimed.length
    if (limit === 0) break
    const order = orderOf(deps, queue, { ...bounds, max: limit })
    const committed = await commits.run({ outcomes: [], order })
    claimed.push(...(await endStopped(deps, committed.claimed)))
  }
  return claimed
}

function fromRandom<T>(list: readonly T[]): readonly T[] {
  const first = Math.floor(Math.random() * list.length)
  return [...list.slice(first), ...list.slice(0, first)]
}

function orderOf(
  { clock }: { readonly clock: Clock },
  queue: OfferedQueue,
  { max, leaseMs }: Omit<ClaimBounds, 'queues'>,
): ClaimRequest {
  return { lease: makeLease(clock.now()), limit: max, leaseMs, queue }
}

/** Makes a claim, for a commit that completes jobs as well, from one of the queues that hold jobs; null where none does. */
export async function claimWithin(
  deps: AppDeps,
  work: OfferedWork,
  { queues, ...bounds }: ClaimBounds,
): Promise<ClaimRequest | null> {
  const [queue] = fromRandom(await work.among(queues))
  return queue === undefined ? null : orderOf(deps, queue, bounds)
}

/** Ends claimed jobs whose batch was stopped, and releases the others where their caller went away. @returns the jobs to answer with */
export async function settleClaimed(
  deps: AppDeps,
  claimed: readonly ClaimedJob[],
  signal: AbortSignal,
): Promise<readonly ClaimedJob[]> {
  return releaseUnheard(deps, await endStopped(deps, claimed), signal)
}

async function releaseUnheard<T extends readonly ClaimedJob[]>(
  deps: AppDeps,
  jobs: T,
  signal: AbortSignal,
): Promise<T | []> {
  if (!signal.aborted) return jobs
  await release(deps, jobs)
  return []
}

/** Ends the jobs whose batch was stopped meanwhile. @returns the others */
async function endStopped(deps: AppDeps, jobs: readonly ClaimedJob[]): Promise<ClaimedJob[]> {
  const outcomes = jobs.flatMap((job) => (job.stopCode === null ? [] : [notStarted(stoppedOutcome(job, job.stopCode))]))
  if (outcomes.length > 0) await completeJobs(deps, outcomes)
  return jobs.filter(({ stopCode }) => stopCode === null)
}

/** Releases claimed jobs whose caller went away. */
async function release(deps: AppDeps, jobs: readonly ClaimedJob[]): Promise<void> {
  if (jobs.length === 0) return
  await completeJobs(
    deps,
    jobs.map((job) => notStarted(continueLater(deps.clock, job))),
  )
  deps.dispatcher.wake()
}
