/** The native surface: batches of any operation, made, listed, fed and steered. */
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { deleteBatch, pauseBatch, resumeBatch, retryBatch, stopBatch } from '../../engine/control.ts'
import { appendJobs, OPEN_MS, sealBatch } from '../../engine/open.ts'
import { type BatchOptions, submit } from '../../engine/submit.ts'
import { MillraceError } from '../../errors.ts'
import { streamOf } from '../../formats/streams.ts'
import { demandNdjson, readJson, readNdjson, readOptionalJson, readQuery } from '../../http/body.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { idempotencyKey } from '../../http/idempotency.ts'
import { streamToken } from '../../http/tokens.ts'
import { readJobItems } from '../../live/state.ts'
import type { JobPlan, Operation } from '../../ports.ts'
import { readWebhookSecret } from '../../reads/deliveries.ts'
import { listBatches, readBatchInput, readNextPlace } from '../../reads/lists.ts'
import { AppendItems, type BatchAccepted, CreateBatch, ListBatches, ListJobs, SealBatch } from '../../wire/native.ts'
import { findBatch } from './find.ts'

const MAX_BODY_BYTES = 32 * 1024 * 1024
const PAGE = 100
/** Items of a stream that are added by one commit. */
const ITEMS_A_COMMIT = 1_000

const limitBody = bodyLimit({
  maxSize: MAX_BODY_BYTES,
  onError: () => {
    throw new MillraceError(
      'TOO_LARGE',
      'A body may hold 32 MB. Make the batch with "open": true and send its items in slices.',
    )
  },
})

/** `POST /`, `GET /`, `GET /:id/jobs`, `POST /:id/{items,seal,cancel,pause,resume,retry}`, `DELETE /:id`. */
export function nativeRoutes(deps: AppDeps): Hono<Env> {
  const steer = (act: (deps: AppDeps, batchId: string) => Promise<unknown>) => async (c: Context<Env, '/:id'>) => {
    const batch = await findBatch(c, deps)
    await act(deps, batch.id)
    // What is sealed or cancelled may have ended with that, and its webhook is to be told.
    deps.dispatcher.wake()
    return c.json({ success: true, batchId: batch.id })
  }
  return new Hono<Env>()
    .post('/', limitBody, (c) => create(c, deps))
    .get('/', (c) => list(c, deps))
    .get('/:id/jobs', (c) => listJobs(c, deps))
    .post('/:id/items', limitBody, (c) => append(c, deps))
    .post('/:id/seal', limitBody, (c) => seal(c, deps))
    .post(
      '/:id/cancel',
      steer((d, id) => stopBatch(d, id, 'CANCELLED')),
    )
    .post('/:id/pause', steer(pauseBatch))
    .post('/:id/resume', steer(resumeBatch))
    .post('/:id/retry', async (c) => {
      const batch = await findBatch(c, deps)
      return c.json({ success: true, batchId: batch.id, retriedJobs: await retryBatch(deps, batch.id) })
    })
    .delete('/:id', steer(deleteBatch))
}

async function create(c: Context<Env>, deps: AppDeps): Promise<Response> {
  const body = await readJson(c, CreateBatch)
  const operation = findOperation(deps, body.operation)
  if (body.open === true && body.items !== undefined)
    throw invalid('items', 'An open batch takes its items later: leave "items" out.')
  if (body.open !== true && body.items === undefined)
    throw invalid('items', 'Expected an array with one item a job, or "open": true.')
  const { owner, authenticated } = c.get('caller')
  const { batchId, totalJobs, created } = await submit(deps, {
    owner,
    operation,
    request: operation.fromItems(body.input ?? {}, body.items ?? []),
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

function findOperation(deps: AppDeps, name: string): Operation & { fromItems: NonNullable<Operation['fromItems']> } {
  const operation = Object.hasOwn(deps.operations, name) ? deps.operations[name] : undefined
  if (operation !== undefined && operation.fromItems !== null) return { ...operation, fromItems: operation.fromItems }
  const known = Object.values(deps.operations).filter(({ fromItems }) => fromItems !== null)
  throw invalid(
    'operation',
    `There is no operation "${name}" here. There are: ${known.map((one) => one.name).join(', ')}.`,
  )
}

function optionsOf({ options = {}, open }: CreateBatch, now: number): BatchOptions {
  const { runAt, deadline, ...rest } = options
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
  return c.json({ success: true, batches, next: rows.length === limit ? rows.at(-1)?.id : null })
}

async function listJobs(c: Context<Env, '/:id/jobs'>, deps: AppDeps): Promise<Response> {
  const { cursor = 0, limit = PAGE, status } = readQuery(c, ListJobs)
  const batch = await findBatch(c, deps)
  const operation = deps.operations[batch.operation]
  const items = await readJobItems(deps.db, operation, batch.id, { after: cursor, limit, status })
  const jobs = items.map(({ jobId, ...item }) => ({ id: jobId, ...item }))
  return c.json({
    success: true,
    batchId: batch.id,
    jobs,
    next: items.length === limit ? items.at(-1)?.sequence : null,
  })
}

async function seal(c: Context<Env, '/:id/seal'>, deps: AppDeps): Promise<Response> {
  const { total } = await readOptionalJson(c, SealBatch)
  const batch = await findBatch(c, deps)
  const totalJobs = await sealBatch(deps, batch.id, total === undefined ? {} : { total })
  // It may have ended with that, and its webhook is to be told.
  deps.dispatcher.wake()
  return c.json({ success: true, batchId: batch.id, totalJobs })
}

/** Takes a slice of items line by line, adding them as they come in. */
async function append(c: Context<Env, '/:id/items'>, deps: AppDeps): Promise<Response> {
  demandNdjson(c)
  const query = readQuery(c, AppendItems)
  const batch = await findBatch(c, deps)
  const operation = findOperation(deps, batch.operation)
  const input = await readBatchInput(deps.db, batch.id)
  const from = query.from ?? (await placeOfFirst(deps, batch.id))
  let received = 0
  let added = 0
  let group: unknown[] = []
  const flush = async () => {
    const items = group
    group = []
    if (items.length === 0) return
    const { jobs, fault } = plan(operation, input, items, { from, received })
    if (jobs.length > 0) added += await appendJobs(deps, batch, from + received + 1, jobs)
    received += jobs.length
    if (fault !== null) throw fault
  }
  const body = readToItsEnd(c.req.raw.body ?? new Blob([]).stream())
  try {
    try {
      for await (const { value } of readNdjson(body.stream)) {
        group.push(value)
        if (group.length === ITEMS_A_COMMIT) await flush()
      }
    } finally {
      // What came before a line that is wrong is taken all the same: the answer says so.
      await flush()
    }
  } finally {
    await body.rest()
  }
  return c.json({ success: true, batchId: batch.id, received, added, next: from + received })
}

/** A body of which the rest is read and dropped when it is refused midway: a client that is still sending reads no answer. */
function readToItsEnd(body: ReadableStream<Uint8Array>) {
  const reader = body.getReader()
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value
  }
  const rest = async () => {
    for await (const _ of pieces());
  }
  return { stream: streamOf(pieces()), rest }
}

/** Where nothing is yet, a slice can only be the first. */
async function placeOfFirst(deps: AppDeps, batchId: string): Promise<number> {
  const next = await readNextPlace(deps.db, batchId)
  if (next === 0) return 0
  throw invalid(
    'from',
    `from: say which place the first of these items has in the batch. The next that is free is ?from=${next}.`,
  )
}

/** Plans items of a slice: where one of them is wrong, those before it, and what is wrong. */
function plan(
  operation: ReturnType<typeof findOperation>,
  input: unknown,
  items: readonly unknown[],
  { from, received }: { from: number; received: number },
): { jobs: readonly JobPlan[]; fault: MillraceError | null } {
  const jobsOf = (some: readonly unknown[]) => operation.plan(operation.fromItems(input, some)).jobs
  try {
    return { jobs: jobsOf(items), fault: null }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    const field = error.details?.field
    const wrong = /^items\.(\d+)/.exec(typeof field === 'string' ? field : '')
    if (typeof field !== 'string' || wrong === null) return { jobs: [], fault: error }
    const at = Number(wrong[1])
    // The operation counts from the first that it was given, the caller from the first of the slice.
    const counted = (text: string) => text.replace(wrong[0], `items.${received + at}`)
    const message = `${counted(error.message)} The items before it were taken; it would be ?from=${from + received + at}.`
    const fault = new MillraceError(error.code, message, { details: { ...error.details, field: counted(field) } })
    return { jobs: at === 0 ? [] : jobsOf(items.slice(0, at)), fault }
  }
}

function invalid(field: string, message: string): MillraceError {
  return new MillraceError('INVALID_REQUEST', message, { details: { field } })
}
