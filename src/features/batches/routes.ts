/** The native surface: batches of any operation, created, listed, extended and controlled. */
import type { Hono } from 'hono'
import * as z from 'zod'
import { deleteBatch, pauseBatch, resumeBatch, retryBatch, stopBatch } from '../../engine/transitions/batch-commands.ts'
import { sealBatch } from '../../engine/transitions/open-batches.ts'
import { presentMetadata } from '../../events.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { limitBody } from '../../http/middleware/request-limits.ts'
import { type Endpoint, json, jsonBody } from '../../http/openapi/endpoint.ts'
import { BATCH_ID, demandSameRun, findBatch } from '../../http/request/find-batch.ts'
import { idempotencyKey } from '../../http/request/idempotency-key.ts'
import { demandNdjson, readNdjson } from '../../http/request/ndjson.ts'
import { announceBatch } from '../../http/response/accepted.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { type RouteContext, Routes } from '../../http/routes.ts'
import { type BatchState, readJobItems } from '../../live/state.ts'
import { dryRunBatch } from './dry-run.ts'
import { appendItems, refuseFed } from './items.ts'
import { listBatches, readStart } from './queries.ts'
import {
  AppendItems,
  BatchAccepted,
  BatchChanged,
  BatchList,
  BatchRetried,
  BatchSealed,
  CreateBatch,
  DryRunReport,
  ItemsAppended,
  JobList,
  ListBatches,
  ListJobs,
  SealBatch,
} from './schemas.ts'
import { submitBatch } from './submit-batch.ts'

const MAX_BODY_BYTES = 32 * 1024 * 1024
const PAGE = 100
const limitLargeBody = limitBody(
  MAX_BODY_BYTES,
  'A body may hold 32 MB. Make the batch with "open": true and send its items in slices.',
)

/** Of a route whose body is a few fields. */
const MAX_SMALL_BYTES = 65_536
const limitSmallBody = limitBody(MAX_SMALL_BYTES, 'A body of this kind may hold 64 KB.')

const make = {
  route: 'POST /api/batch',
  id: 'createBatch',
  summary: 'Create a batch of any operation',
  headers: ['Idempotency-Key'],
  body: jsonBody(CreateBatch, {
    items: { operation: 'echo', items: [{ value: 1 }, { value: 'two', waitMs: 200, steps: 4 }] },
    options: {
      operation: 'echo',
      items: [{ value: 1 }],
      options: {
        priority: 10,
        labels: ['try'],
        concurrency: 2,
        maxAttempts: 3,
        budget: { maxFailures: 10, maxFailureRate: 0.1, onExceeded: 'cancel' },
        runAt: '2100-01-01T08:00:00Z',
        deadline: '2100-01-01T09:00:00Z',
        webhook: { url: 'https://example.com/hook', events: ['batch_completed'] },
      },
    },
    chain: {
      operation: 'echo',
      items: [{ value: { value: 'passed on' } }],
      // biome-ignore lint/suspicious/noThenProperty: the name of the option; only what can be called is taken for a promise.
      options: { then: { operation: 'echo' }, throttle: { key: 'docs', limit: 10, period: '1m' } },
    },
    open: { operation: 'echo', open: true },
    dryRun: { operation: 'echo', items: [{ value: 1 }, { value: 2, waitMs: 'long' }], dryRun: true },
  }),
  answers: {
    202: json('Accepted, and on disk.', BatchAccepted, ['Location']),
    200: json(
      'The batch that the same request created before; with `dryRun`, the result of the checks.',
      z.union([BatchAccepted, DryRunReport]),
    ),
  },
  errors: [400, 409, 413, 415],
} satisfies Endpoint

const append = {
  route: 'POST /api/batch/:id/items',
  id: 'appendItems',
  summary: 'Add items to an open batch',
  description:
    'A position that already holds the same item is skipped, so a slice may be repeated; where it holds another, the slice is refused (409). Where a line is wrong, the items before it are taken.',
  path: BATCH_ID,
  query: AppendItems,
  body: {
    'application/x-ndjson': {
      // Generated clients send what is binary as it is; of a text they would send the JSON.
      schema: z.string().meta({ format: 'binary' }).describe('Text: an item a line, of at most 1 MB.'),
      examples: { lines: '{"value": 1}\n{"value": 2}\n' },
    },
  },
  answers: { 200: json('Taken, and on disk.', ItemsAppended) },
  errors: [400, 404, 409, 413, 415],
} satisfies Endpoint

/** Describes a route that does something to a batch. */
const command = (verb: string, id: string, summary: string, conflicts: boolean) =>
  ({
    route: `POST /api/batch/:id/${verb}`,
    id,
    summary,
    path: BATCH_ID,
    answers: { 200: json('Done.', BatchChanged) },
    errors: conflicts ? [404, 409] : [404],
  }) satisfies Endpoint

const seal = {
  ...command('seal', 'sealBatch', 'Seal an open batch', true),
  description:
    'Refused (409) where a position before the last is empty, or where the number of items is not `total`: the answer names the missing ones.',
  bodyMayBeLeftOut: true,
  body: jsonBody(SealBatch, { counted: { total: 2 }, uncounted: {} }),
  answers: { 200: json('Sealed.', BatchSealed) },
  errors: [400, 404, 409, 413, 415],
} satisfies Endpoint

const listAll = {
  route: 'GET /api/batch',
  id: 'listBatches',
  summary: "The caller's batches, newest first",
  query: ListBatches,
  answers: { 200: json('A page.', BatchList) },
  errors: [400],
} satisfies Endpoint

const listOfBatch = {
  route: 'GET /api/batch/:id/jobs',
  id: 'listJobs',
  summary: 'The jobs of a batch, page by page',
  access: 'link',
  path: BATCH_ID,
  query: ListJobs,
  answers: { 200: json('A page.', JobList) },
  errors: [400, 404],
} satisfies Endpoint

const cancel = command('cancel', 'cancelBatch', 'Cancel a batch', false)
const pause = command('pause', 'pauseBatch', 'Pause: start no more jobs; running ones continue', false)
const resume = command('resume', 'resumeBatch', 'Resume a paused batch', false)
const retry = {
  ...command('retry', 'retryBatch', 'Retry the failed and cancelled jobs', true),
  answers: { 200: json('The jobs are retried.', BatchRetried) },
} satisfies Endpoint

const remove = {
  route: 'DELETE /api/batch/:id',
  id: 'deleteBatch',
  summary: 'Delete a batch that has ended, with all it holds',
  path: BATCH_ID,
  answers: { 200: json('Deleted.', BatchChanged) },
  errors: [404, 409],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [
  make,
  append,
  seal,
  listAll,
  listOfBatch,
  cancel,
  pause,
  resume,
  retry,
  remove,
]

export function nativeRoutes(deps: AppDeps): Hono<Env> {
  const act =
    (change: (deps: AppDeps, batchId: string) => Promise<unknown>, count: (batch: BatchState) => number = unended) =>
    async (c: RouteContext<{ path: typeof BATCH_ID }>) => {
      const batch = await findBatch(deps, c.get('caller').owner, c.req.valid('param').id)
      await change(deps, batch.id)
      // A batch that is sealed or cancelled may have ended with that, and its webhook is to be notified.
      deps.dispatcher.wake()
      return c.json({ success: true, batchId: batch.id, total: count(batch) } satisfies BatchChanged)
    }
  return new Routes('/api/batch', CODED_ERRORS)
    .add(make, (c) => create(c, deps), [limitLargeBody])
    .add(listAll, async (c) => c.json(await pageOfBatches(deps, c.get('caller').owner, c.req.valid('query'))))
    .add(listOfBatch, async (c) => {
      const batch = await findBatch(deps, c.get('caller').owner, c.req.valid('param').id)
      return c.json(await pageOfJobs(deps, batch, c.req.valid('query')))
    })
    .add(
      append,
      async (c) => {
        demandNdjson(c)
        const batch = await findBatch(deps, c.get('caller').owner, c.req.valid('param').id)
        const answer: ItemsAppended = await appendItems(deps, batch, readNdjson(c), c.req.valid('query').from)
        return c.json(answer)
      },
      [limitLargeBody],
    )
    .add(
      seal,
      async (c) => {
        const batch = await findBatch(deps, c.get('caller').owner, c.req.valid('param').id)
        refuseFed(batch)
        const { total } = c.req.valid('json')
        const totalJobs = await sealBatch(deps, batch.id, total === undefined ? {} : { total })
        // It may have ended with that, and its webhook is to be notified.
        deps.dispatcher.wake()
        return c.json({ success: true, batchId: batch.id, totalJobs } satisfies BatchSealed)
      },
      [limitSmallBody],
    )
    .add(
      cancel,
      act((d, id) => stopBatch(d, id, 'CANCELLED')),
    )
    .add(pause, act(pauseBatch))
    .add(resume, act(resumeBatch))
    .add(retry, async (c) => {
      const batch = await findBatch(deps, c.get('caller').owner, c.req.valid('param').id)
      const retriedJobs = await retryBatch(deps, batch.id)
      return c.json({ success: true, batchId: batch.id, retriedJobs } satisfies BatchRetried)
    })
    .add(
      remove,
      act(deleteBatch, ({ total }) => total),
    ).hono
}

/** Counts the jobs of a batch that have not ended. */
const unended = ({ total, completed, failed, cancelled }: BatchState) => total - completed - failed - cancelled

async function create(c: RouteContext<typeof make>, deps: AppDeps): Promise<Response> {
  const body = c.req.valid('json')
  const largest = c.get('largestElement')('items')
  if (body.dryRun === true) return c.json(await dryRunBatch(deps, c.get('caller').owner, body, largest))
  const { batchId, totalJobs, created, queue } = await submitBatch(deps, body, {
    owner: c.get('caller').owner,
    largest,
    idempotency: idempotencyKey(c, body),
    admit: c.get('admit'),
  })
  const { streamUrl, webhookSecret } = await announceBatch(c, deps, batchId, { webhook: body.options?.webhook })
  const notice = queue === undefined ? null : ((await deps.declared?.noticeOf(c.get('caller').owner, queue)) ?? null)
  const { debounce, throttle } = body.options ?? {}
  const startsAt = debounce === undefined && throttle === undefined ? null : await readStart(deps.db, batchId)
  const answer: BatchAccepted = {
    success: true,
    batchId,
    totalJobs,
    streamUrl,
    ...(startsAt === null ? {} : { startsAt }),
    created,
    ...(webhookSecret === undefined ? {} : { webhookSecret }),
    ...(notice === null ? {} : { notice }),
  }
  return c.json(answer, created ? 202 : 200)
}

async function pageOfBatches(deps: AppDeps, owner: string, query: z.infer<typeof ListBatches>): Promise<BatchList> {
  const { cursor, limit = PAGE, ...filter } = query
  const rows = await listBatches(deps.db, owner, { ...filter, before: cursor, limit })
  const batches = rows.map(
    ({ facts, total, completed, failed, cancelled, pausedAt, openUntil, createdAt, finishedAt, metadata, ...row }) => ({
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
      ...presentMetadata(metadata),
    }),
  )
  const next = rows.length === limit ? (rows.at(-1)?.id ?? null) : null
  return { success: true, batches, next }
}

async function pageOfJobs(deps: AppDeps, batch: BatchState, query: z.infer<typeof ListJobs>): Promise<JobList> {
  const { cursor = 0, limit = PAGE, status } = query
  const operation = deps.operations[batch.operation]
  const items = await readJobItems(deps.db, operation, batch.id, { after: cursor, limit, status })
  await demandSameRun(deps.db, batch)
  const jobs = items.map(({ jobId, ...item }) => ({ id: jobId, ...item }))
  const next = items.length === limit ? (items.at(-1)?.sequence ?? null) : null
  return { success: true, batchId: batch.id, jobs, next }
}
