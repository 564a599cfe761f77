/** Calls of workers in any language: claim, heartbeat, complete. */
import type { Hono } from 'hono'
import type { AppDeps, Env } from '../../http/context.ts'
import { limitBody } from '../../http/middleware/request-limits.ts'
import { type Endpoint, json, jsonBody } from '../../http/openapi/endpoint.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { holdWait } from '../../http/response/event-stream.ts'
import { type RouteContext, Routes } from '../../http/routes.ts'
import { claimJobs, queuesOf } from './claim-jobs.ts'
import { completeWorkerJobs } from './complete-worker-jobs.ts'
import { DeclaredStore } from './declared-store.ts'
import { beatJobs, type OperationOf } from './heartbeat-jobs.ts'
import { OfferedWork } from './offered-work.ts'
import { Presence } from './presence.ts'
import {
  ClaimedJobs,
  ClaimJobs,
  CompletedJobs,
  CompleteJobs,
  WorkerHeartbeat,
  WorkerHeartbeatAnswer,
} from './schemas.ts'
import type { WorkerJob } from './worker-jobs.ts'

const MAX_BODY_BYTES = 32 * 1024 * 1024
const limitLargeBody = limitBody(MAX_BODY_BYTES, 'A body may hold 32 MB. Hand in fewer jobs at once.')
const LEASE_SECONDS = 30

const claim = {
  route: 'POST /api/workers/claim',
  id: 'claimJobs',
  summary: 'Claim jobs of operations, each under a lease',
  description:
    "Gives the caller's own jobs, or everyone's where its key has the scope `work-all:…`; owners share fairly. Waits up to `wait` seconds where there is none; who waits counts to its owner's share of streams and waiting requests.",
  body: jsonBody(ClaimJobs, { several: { operations: ['resize'], max: 50, leaseSeconds: 60, wait: 0 } }),
  answers: { 200: json('The jobs; none where there were none in time.', ClaimedJobs) },
  errors: [400, 413, 415],
} satisfies Endpoint

const beat = {
  route: 'POST /api/workers/heartbeat',
  id: 'beatJobs',
  summary: 'Renew leases, tell progress, keep checkpoints; learn what was cancelled or lost',
  body: jsonBody(WorkerHeartbeat, {
    progress: {
      jobs: [{ id: 'none', lease: 'none', progress: { percent: 40, message: 'Half way' }, checkpoint: { page: 3 } }],
    },
  }),
  answers: { 200: json('What became of each.', WorkerHeartbeatAnswer) },
  errors: [400, 413, 415],
} satisfies Endpoint

const complete = {
  route: 'POST /api/workers/complete',
  id: 'completeJobs',
  summary: 'Hand in what jobs came to',
  description:
    'Each job is written or refused by itself, as its `status` in the answer says. The answer is 409 or 422 where none was written, for the reason of the first.',
  body: jsonBody(CompleteJobs, { nothing: { jobs: [] } }),
  answers: {
    200: json('At least one was written, or none was sent.', CompletedJobs),
    409: json('The leases were lost, and nothing was written.', CompletedJobs),
    422: json('Results are not as declared, and nothing was written.', CompletedJobs),
  },
  errors: [400, 413, 415],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [claim, beat, complete]

export function workerRoutes(deps: AppDeps): Hono<Env> {
  const work = new OfferedWork(deps)
  const presence = new Presence(deps)
  const store = new DeclaredStore(deps)
  const lookUp = async (jobs: Iterable<WorkerJob>): Promise<OperationOf> => {
    const names = new Map([...jobs].map(({ owner, operation: name }) => [`${name} ${owner}`, { owner, name }]))
    const find = await store.look([...names.values()], deps.operations)
    return ({ owner, operation: name }) => find({ owner, name })
  }
  return new Routes('/api/workers', CODED_ERRORS)
    .add(claim, (c) => answerClaim(c, deps, { work, presence }), [limitLargeBody])
    .add(
      beat,
      async (c) => {
        const { jobs, leaseSeconds = LEASE_SECONDS } = c.req.valid('json')
        const caller = c.get('caller')
        const answer = await beatJobs(deps, { caller, jobs, leaseMs: leaseSeconds * 1_000, lookUp })
        return c.json({ success: true, ...answer } satisfies WorkerHeartbeatAnswer)
      },
      [limitLargeBody],
    )
    .add(
      complete,
      async (c) => {
        const { jobs: ended } = c.req.valid('json')
        const jobs = await completeWorkerJobs(deps, { caller: c.get('caller'), jobs: ended, lookUp })
        const refused = jobs.find(({ status }) => status !== 200)
        const answer: CompletedJobs = { success: refused === undefined, jobs }
        const isWritten = jobs.some(({ status }) => status === 200)
        return c.json(answer, isWritten || refused === undefined ? 200 : refused.status)
      },
      [limitLargeBody],
    ).hono
}

async function answerClaim(
  c: RouteContext<typeof claim>,
  deps: AppDeps,
  { work, presence }: { work: OfferedWork; presence: Presence },
): Promise<Response> {
  const { operations, max = 1, leaseSeconds = LEASE_SECONDS, wait = 0 } = c.req.valid('json')
  const queues = await queuesOf(deps, c.get('caller'), operations)
  await presence.note(queues)
  const { signal } = c.req.raw
  const jobs = await claimJobs(deps, work, {
    queues,
    max,
    leaseMs: leaseSeconds * 1_000,
    waitMs: wait * 1_000,
    holdWait: () => holdWait(c, deps),
    signal: deps.stopping === undefined ? signal : AbortSignal.any([signal, deps.stopping]),
  })
  return c.json({
    success: true,
    leaseSeconds,
    jobs: jobs.map(({ jobId, batchId, owner, operation, sequence, itemId, attempt, maxAttempts, ...job }) => ({
      id: jobId,
      lease: job.lease,
      ...{ operation, batchId, owner, index: sequence - 1, itemId, attempt, maxAttempts },
      item: job.input,
      input: job.batchInput,
      checkpoint: job.checkpoint,
    })),
  } satisfies ClaimedJobs)
}
