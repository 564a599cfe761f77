/** Calls of workers in any language: claim, heartbeat, complete. */
import type { Hono } from 'hono'
import type { ClaimedJob } from '../../engine/transitions/claim.ts'
import type { AppDeps, Caller, Env } from '../../http/context.ts'
import { limitBody } from '../../http/middleware/request-limits.ts'
import { type Endpoint, json, jsonBody } from '../../http/openapi/endpoint.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { holdWait } from '../../http/response/event-stream.ts'
import { type RouteContext, Routes } from '../../http/routes.ts'
import { type ClaimBounds, claimJobs, queuesOf, type SharedWork } from './claim-jobs.ts'
import { completeWorkerJobs } from './complete-worker-jobs.ts'
import { DeclaredStore } from './declared-store.ts'
import { beatJobs, type OperationOf } from './heartbeat-jobs.ts'
import { OfferedWork } from './offered-work.ts'
import { Presence } from './presence.ts'
import {
  type ClaimedJob as ClaimedJobAnswer,
  ClaimedJobs,
  ClaimJobs,
  CompletedJobs,
  CompleteJobs,
  WorkerHeartbeat,
  WorkerHeartbeatAnswer,
} from './schemas.ts'
import { SharedCommit } from './shared-commit.ts'
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
  summary: 'Heartbeat: renew leases, report progress, store checkpoints; returns what was cancelled or lost',
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
    'Each job is written or refused by itself, as its `status` in the answer says. The answer is 409 or 422 where none was written and none claimed, for the reason of the first. With `claim` the next jobs are claimed in the same commit, which costs half of two requests.',
  body: jsonBody(CompleteJobs, {
    nothing: { jobs: [] },
    andClaim: { jobs: [], claim: { operations: ['resize'], max: 50, leaseSeconds: 60 } },
  }),
  answers: {
    200: json('At least one was written or claimed, or none was sent.', CompletedJobs),
    409: json('The leases were lost, and nothing was written.', CompletedJobs),
    422: json('Results are not as declared, and nothing was written.', CompletedJobs),
  },
  errors: [400, 413, 415],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [claim, beat, complete]

export function workerRoutes(deps: AppDeps): Hono<Env> {
  const shared = { work: new OfferedWork(deps), commits: new SharedCommit(deps) }
  const presence = new Presence(deps)
  const store = new DeclaredStore(deps)
  const lookUp = async (jobs: Iterable<WorkerJob>): Promise<OperationOf> => {
    const names = new Map([...jobs].map(({ owner, operation: name }) => [`${name} ${owner}`, { owner, name }]))
    const find = await store.look([...names.values()], deps.operations)
    return ({ owner, operation: name }) => find({ owner, name })
  }
  return new Routes('/api/workers', CODED_ERRORS)
    .add(claim, (c) => answerClaim(c, deps, { ...shared, presence }), [limitLargeBody])
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
    .add(complete, (c) => answerComplete(c, deps, { ...shared, presence, lookUp }), [limitLargeBody]).hono
}

type Worked = SharedWork & { readonly presence: Presence }
type ClaimBody = Pick<ClaimJobs, 'operations' | 'max' | 'leaseSeconds'>

async function boundsOf(deps: AppDeps, presence: Presence, caller: Caller, body: ClaimBody): Promise<ClaimBounds> {
  const { operations, max = 1, leaseSeconds = LEASE_SECONDS } = body
  const queues = await queuesOf(deps, caller, operations)
  await presence.note(queues)
  return { queues, max, leaseMs: leaseSeconds * 1_000 }
}

/** Aborts when the caller went away, or the server stops. */
const signalOf = (c: RouteContext<typeof claim | typeof complete>, { stopping }: AppDeps) =>
  stopping === undefined ? c.req.raw.signal : AbortSignal.any([c.req.raw.signal, stopping])

async function answerClaim(
  c: RouteContext<typeof claim>,
  deps: AppDeps,
  { presence, ...shared }: Worked,
): Promise<Response> {
  const { wait = 0, ...body } = c.req.valid('json')
  const bounds = await boundsOf(deps, presence, c.get('caller'), body)
  const jobs = await claimJobs(deps, shared, {
    ...bounds,
    waitMs: wait * 1_000,
    holdWait: () => holdWait(c, deps),
    signal: signalOf(c, deps),
  })
  const answer: ClaimedJobs = { success: true, leaseSeconds: bounds.leaseMs / 1_000, jobs: jobs.map(presentClaimed) }
  return c.json(answer)
}

async function answerComplete(
  c: RouteContext<typeof complete>,
  deps: AppDeps,
  { presence, lookUp, ...shared }: Worked & { readonly lookUp: (jobs: Iterable<WorkerJob>) => Promise<OperationOf> },
): Promise<Response> {
  const { jobs: ended, claim: body } = c.req.valid('json')
  const caller = c.get('caller')
  // Before anything is written: what is wrong with the claim refuses the whole request.
  const bounds = body === undefined ? null : await boundsOf(deps, presence, caller, body)
  const params = { caller, jobs: ended, claim: bounds, signal: signalOf(c, deps), lookUp }
  const { jobs, claimed } = await completeWorkerJobs(deps, shared, params)
  const refused = jobs.find(({ status }) => status !== 200)
  const answer: CompletedJobs = {
    success: refused === undefined,
    jobs,
    ...(bounds === null ? {} : { claimed: claimed.map(presentClaimed) }),
  }
  const isWritten = claimed.length > 0 || jobs.some(({ status }) => status === 200)
  return c.json(answer, isWritten || refused === undefined ? 200 : refused.status)
}

function presentClaimed(job: ClaimedJob): ClaimedJobAnswer {
  const { jobId, lease, batchId, owner, operation, sequence, itemId, attempt, maxAttempts } = job
  return {
    id: jobId,
    lease,
    ...{ operation, batchId, owner, index: sequence - 1, itemId, attempt, maxAttempts },
    item: job.input,
    input: job.batchInput,
    checkpoint: job.checkpoint,
  }
}
