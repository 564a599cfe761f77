/** The native surface: batches of any operation, made, listed, fed and steered. */
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { deleteBatch, pauseBatch, resumeBatch, retryBatch, stopBatch } from '../../engine/transitions/batch-commands.ts'
import { OPEN_MS } from '../../engine/transitions/open-batches.ts'
import { type BatchOptions, submit } from '../../engine/transitions/submit.ts'
import { readWebhookSecret } from '../../engine/webhooks.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import { streamToken } from '../../http/auth/tokens.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { readJsonSized, readQuery } from '../../http/request/body.ts'
import { idempotencyKey } from '../../http/request/idempotency-key.ts'
import { readJobItems } from '../../live/state.ts'
import { appendItems, checkItems, checkSize, findOperation, planItems, sealItems } from './items.ts'
import { findBatch } from './load-batch.ts'
import { listBatches } from './queries.ts'
import {
  type BatchAccepted,
  type BatchList,
  type BatchRetried,
  type BatchSteered,
  CreateBatch,
  type JobList,
  ListBatches,
  ListJobs,
} from './schemas.ts'

const MAX_BODY_BYTES = 32 * 1024 * 1024
const PAGE = 100
const limitBody = bodyLimit({
  maxSize: MAX_BODY_BYTES,
  onError: () => {
    throw new MillraceError(
      'TOO_LARGE',
      'A body may hold 32 MB. Make the batch with "open": true and send its items in slices.',
    )
  },
})

/** Of a route whose body is a few fields. */
const MAX_SMALL_BYTES = 65_536
const limitSmallBody = bodyLimit({
  maxSize: MAX_SMALL_BYTES,
  onError: () => {
    throw new MillraceError('TOO_LARGE', 'A body of this kind may hold 64 KB.')
  },
})

/** `POST /`, `GET /`, `GET /:id/jobs`, `POST /:id/{items,seal,cancel,pause,resume,retry}`, `DELETE /:id`. */
export function nativeRoutes(deps: AppDeps): Hono<Env> {
  const steer = (act: (deps: AppDeps, batchId: string) => Promise<unknown>) => async (c: Context<Env, '/:id'>) => {
    const batch = await findBatch(c, deps)
    await act(deps, batch.id)
    // A batch that is sealed or cancelled may have ended with that, and its webhook is to be notified.
    deps.dispatcher.wake()
    return c.json({ success: true, batchId: batch.id } satisfies BatchSteered)
  }
  return new Hono<Env>()
    .post('/', limitBody, (c) => create(c, deps))
    .get('/', (c) => list(c, deps))
    .get('/:id/jobs', (c) => listJobs(c, deps))
    .post('/:id/items', limitBody, (c) => appendItems(c, deps))
    .post('/:id/seal', limitSmallBody, (c) => sealItems(c, deps))
    .post(
      '/:id/cancel',
      steer((d, id) => stopBatch(d, id, 'CANCELLED')),
    )
    .post('/:id/pause', steer(pauseBatch))
    .post('/:id/resume', steer(resumeBatch))
    .post('/:id/retry', async (c) => {
      const batch = await findBatch(c, deps)
      const retriedJobs = await retryBatch(deps, batch.id)
      return c.json({ success: true, batchId: batch.id, retriedJobs } satisfies BatchRetried)
    })
    .delete('/:id', steer(deleteBatch))
}

async function create(c: Context<Env>, deps: AppDeps): Promise<Response> {
  const { body, largest } = await readJsonSized(c, CreateBatch)
  const operation = findOperation(deps, body.operation)
  if (body.open === true && body.items !== undefined)
    throw invalidRequest('items', 'An open batch takes its items later: leave "items" out.')
  if (body.open !== true && body.items === undefined)
    throw invalidRequest('items', 'Expected an array with one item a job, or "open": true.')
  await checkItems(body.items ?? [], largest('items'))
  checkSize(body.input, 'input')
  const { owner, authenticated } = c.get('caller')
  const { batchId, totalJobs, created } = await submit(deps, {
    owner,
    operation,
    request: null,
    plan: () => planItems(operation, body.input ?? {}, body.items ?? []),
    options: optionsOf(body, deps.clock.now()),
    idempotency: idempotencyKey(c, body),
    admit: c.get('admit'),
  })
  const url = `/api/batch/${batchId}`
  c.header('Location', url)
  const token = authenticated ? `?token=${await streamToken(deps.auth, deps.clock, owner, batchId)}` : ''
  const answer: BatchAccepted = { success: true, batchId, totalJobs, streamUrl: `${url}/stream${token}`, created }
  // The answer to a create that is sent again is the same: the first may have been lost on its way.
  const webhook = body.options?.webhook
  if (webhook !== undefined && webhook.secret === undefined) {
    answer.webhookSecret = await readWebhookSecret(deps.db, batchId)
  }
  return c.json(answer, created ? 202 : 200)
}

function optionsOf({ options = {}, open }: CreateBatch, now: number): BatchOptions {
  const { runAt, deadline, ...rest } = options
  if (runAt !== undefined && deadline !== undefined && Date.parse(deadline) <= Date.parse(runAt))
    throw invalidRequest(
      'options.deadline',
      'options.deadline: expected a time after "runAt", when its jobs may begin.',
    )
  return Object.fromEntries(
    Object.entries({
      ...rest,
      runAt: runAt === undefined ? undefined : Date.parse(runAt),
      deadlineAt: deadline === undefined ? undefined : Date.parse(deadline),
      openUntil: open === true ? now + OPEN_MS : undefined,
    }).filter(([, value]) => value !== undefined),
  )
}

async function list(c: Context<Env>, deps: AppDeps): Promise<Response> {
  const { cursor, limit = PAGE, ...filter } = readQuery(c, ListBatches)
  const rows = await listBatches(deps.db, c.get('caller').owner, { ...filter, before: cursor, limit })
  const batches = rows.map(
    ({ facts, total, completed, failed, cancelled, pausedAt, openUntil, createdAt, finishedAt, ...row }) => ({
      ...row,
      ...facts,
      totalJobs: total,
      completedJobs: completed,
      failedJobs: failed,
      cancelledJobs: cancelled,
      paused: pausedAt !== null,
      open: openUntil !== null,
      createdAt: new Date(createdAt).toISOString(),
      finishedAt: finishedAt === null ? null : new Date(finishedAt).toISOString(),
    }),
  )
  const next = rows.length === limit ? (rows.at(-1)?.id ?? null) : null
  return c.json({ success: true, batches, next } satisfies BatchList)
}

async function listJobs(c: Context<Env, '/:id/jobs'>, deps: AppDeps): Promise<Response> {
  const { cursor = 0, limit = PAGE, status } = readQuery(c, ListJobs)
  const batch = await findBatch(c, deps)
  const operation = deps.operations[batch.operation]
  const items = await readJobItems(deps.db, operation, batch.id, { after: cursor, limit, status })
  const jobs = items.map(({ jobId, ...item }) => ({ id: jobId, ...item }))
  const next = items.length === limit ? (items.at(-1)?.sequence ?? null) : null
  return c.json({ success: true, batchId: batch.id, jobs, next } satisfies JobList)
}
