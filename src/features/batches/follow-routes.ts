/** Following a batch: its stream, and its state by polling. One face for every operation. */
import type { Context, Hono } from 'hono'
import * as z from 'zod'
import { presentMetadata } from '../../events.ts'
import { StreamAuthMonitor } from '../../http/auth/stream-auth-monitor.ts'
import { streamUrl } from '../../http/auth/tokens.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type Endpoint, json, NOT_MODIFIED } from '../../http/openapi/endpoint.ts'
import { BATCH_ID, demandSameRun, findBatch, isSameRun } from '../../http/request/find-batch.ts'
import { matchesIfNoneMatch } from '../../http/response/conditional.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { openEventStream, RETRY_AFTER_SECONDS, readCursor } from '../../http/response/event-stream.ts'
import { publicPath } from '../../http/response/public-address.ts'
import { type RouteContext, Routes } from '../../http/routes.ts'
import { readEnd, readPage } from '../../live/event-log.ts'
import { type BatchState, readJobItems, readUnfinished } from '../../live/state.ts'
import { presentBudget } from './budget.ts'
import { presentChain } from './chain/present.ts'
import {
  BatchEvent,
  BatchStatus,
  FollowBatch,
  OwnerState,
  PollBatch,
  PolledStatus,
  StreamLink,
} from './follow-schemas.ts'

/** Jobs that a status answer lists. */
const MAX_JOBS = 1_000
/** Batches that the first event of a stream of all batches lists. */
const MAX_BATCHES = 1_000
/** Events, anyone's, that a stream of all batches goes back at most. */
const FURTHEST_BACK = 10_000
/** Proxies commonly cut off what is silent for 30 seconds. */
const LONGEST_WAIT_SECONDS = 25

type StreamDeps = AppDeps & { readonly credentials: StreamAuthMonitor }

const STREAM_TEXT = `Frames of server-sent events: \`event:\` is the type, \`data:\` the event as JSON. Frames of logged events carry \`id:\`, to resume after; \`job_progress\` and comments carry none. A comment comes every 15 seconds.`

const streamOf = (description: string, eventData: z.ZodType) => ({
  description,
  content: { 'text/event-stream': { schema: z.string().describe(STREAM_TEXT), eventData } },
})

const followAll = {
  route: 'GET /api/batch/stream',
  id: 'followAll',
  summary: "Follow all of the caller's batches on one connection",
  description:
    'Begins with a `resync` event that lists the batches that have not ended, unless the caller comes back. `id:` counts over all batches; `eventId` is the number within the batch.',
  access: 'link',
  query: FollowBatch,
  headers: ['Last-Event-ID'],
  answers: { 200: streamOf('The stream.', z.union([BatchEvent, OwnerState])) },
  errors: [429, 503],
} satisfies Endpoint

const followOne = {
  route: 'GET /api/batch/:id/stream',
  id: 'followBatch',
  summary: 'Follow a batch',
  description:
    'All events after the number the caller has, then new ones as they happen; it ends after `batch_completed`. A number that is not known is answered by a `resync` event with the state. Give `streamUrl` of the create to `EventSource`, which cannot send headers.',
  access: 'link',
  path: BATCH_ID,
  query: FollowBatch,
  headers: ['Last-Event-ID'],
  answers: {
    200: streamOf('The stream.', z.union([BatchEvent, BatchStatus])),
    204: { description: 'The caller has the last event of a batch that has ended.' },
  },
  errors: [404, 429, 503],
} satisfies Endpoint

const linkAll = {
  route: 'POST /api/batch/stream-token',
  id: 'linkAll',
  summary: 'The address of the stream of all batches, for `EventSource`',
  answers: { 200: json('Good for a day.', StreamLink) },
} satisfies Endpoint

const linkOne = {
  route: 'POST /api/batch/:id/stream-token',
  id: 'linkBatch',
  summary: "The address of a batch's stream, for `EventSource`",
  path: BATCH_ID,
  answers: { 200: json('Good for a day.', StreamLink) },
  errors: [404],
} satisfies Endpoint

const readOne = {
  route: 'GET /api/batch/:id',
  id: 'readBatch',
  summary: 'Where a batch and its jobs stand',
  description: 'The first 1,000 jobs are listed.',
  access: 'link',
  path: BATCH_ID,
  query: PollBatch,
  headers: ['If-None-Match'],
  answers: { 200: json('The state.', PolledStatus, ['ETag']), 304: NOT_MODIFIED },
  errors: [400, 404],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [followAll, followOne, linkAll, linkOne, readOne]

/** Makes the routes of streams and of the state; `linkAll` and `linkOne` give the addresses of streams for `EventSource`. */
export function statusRoutes(deps: AppDeps): Hono<Env> {
  const streams = { ...deps, credentials: new StreamAuthMonitor(deps) }
  return new Routes('/api/batch', CODED_ERRORS)
    .add(followAll, (c) => streamAll(c, streams, readCursor(c.req, c.req.valid('query').lastEventId)))
    .add(linkAll, (c) => link(c, deps, null))
    .add(linkOne, async (c) => {
      const batch = await findBatch(deps, c.get('caller').owner, c.req.valid('param').id)
      return link(c, deps, batch.id)
    })
    .add(followOne, async (c) => {
      const batch = await findBatch(deps, c.get('caller').owner, c.req.valid('param').id)
      return stream(c, streams, batch, readCursor(c.req, c.req.valid('query').lastEventId))
    })
    .add(readOne, (c) => poll(c, deps)).hono
}

async function stream(c: Context<Env>, deps: StreamDeps, batch: BatchState, cursor: number | null): Promise<Response> {
  if (batch.finished && cursor === batch.lastSeq) return c.body(null, 204, { 'Cache-Control': 'no-cache' })
  if (cursor !== null && cursor <= batch.lastSeq) {
    return openEventStream(c, deps, (sink) => deps.hub.follow(batch, sink, cursor))
  }
  const state = await present(deps, batch)
  await demandSameRun(deps.db, batch)
  return openEventStream(c, deps, (sink) => deps.hub.resync(batch, sink, state))
}

/**
 * All batches of the caller on one connection. It begins with a `resync` that lists those that have not ended, unless the client comes back
 * with the number of an event that is not too long ago.
 */
async function streamAll(c: Context<Env>, deps: StreamDeps, cursor: number | null): Promise<Response> {
  const { owner } = c.get('caller')
  // Before the state, so that the state is not older.
  const end = await readEnd(deps.db)
  if (cursor !== null && cursor > 0 && cursor <= end && cursor >= end - FURTHEST_BACK) {
    return openEventStream(c, deps, (sink) => deps.hub.followOwner(owner, end, sink, { cursor }))
  }
  const batches = (await readUnfinished(deps.db, owner, MAX_BATCHES)).map(batchOf)
  const state: OwnerState = { success: true, batches }
  return openEventStream(c, deps, (sink) => deps.hub.followOwner(owner, end, sink, { state }))
}

/** An address that needs no header, good for a day: of one batch's stream, or of the stream of all. */
async function link(c: Context<Env>, deps: AppDeps, batchId: string | null): Promise<Response> {
  const { owner, authenticated, scopes } = c.get('caller')
  const { url, expiresAt } = await streamUrl(deps, owner, batchId, scopes)
  c.header('Cache-Control', 'no-store')
  const answer: StreamLink = authenticated
    ? { success: true, streamUrl: url, expiresAt: new Date(expiresAt).toISOString() }
    : { success: true, streamUrl: new URL(url, 'http://local').pathname, expiresAt: null }
  return c.json(answer)
}

/** Answers a batch's state; with `If-None-Match` and `?wait=`, a long poll that answers once the state differs. */
async function poll(c: RouteContext<typeof readOne>, deps: AppDeps): Promise<Response> {
  const { wait = 0, after } = c.req.valid('query')
  const { owner } = c.get('caller')
  const until = deps.clock.now() + Math.min(wait, LONGEST_WAIT_SECONDS) * 1_000
  for (;;) {
    const batch = await findBatch(deps, owner, c.req.valid('param').id)
    const etag = tagOf(batch)
    c.header('ETag', etag)
    c.header('Cache-Control', 'private, no-cache')
    if (!matchesIfNoneMatch(c, etag)) {
      const state = await present(deps, batch)
      const events = after === undefined ? {} : await eventsAfter(deps, batch, after)
      if (await isSameRun(deps.db, batch)) return c.json({ ...state, ...events })
      continue
    }
    const left = until - deps.clock.now()
    // A long poll is answered at once where the limit of the server or the owner is reached; `Retry-After` keeps the client from polling in a loop.
    if (left > 0 && deps.hub.fullFor(owner) !== null) c.header('Retry-After', String(RETRY_AFTER_SECONDS))
    if (left <= 0 || !(await deps.hub.changed(batch, owner, left, c.req.raw.signal))) return c.body(null, 304)
  }
}

/**
 * Number of the last event, version of the progress. Weak: it vouches for what the answer says, not for its bytes, which proxies may
 * compress and later versions of Millrace may word otherwise.
 */
const tagOf = (batch: BatchState) => `W/"${batch.lastSeq}.${batch.progressVersion}"`

/** The same events, under the same numbers, as the stream gives. */
async function eventsAfter(deps: AppDeps, batch: BatchState, after: number) {
  const page = await readPage(deps.db, { operations: deps.operations, basePath: publicPath(deps, '') }, batch, after)
  return { events: page?.events.map(({ seq, body }) => ({ id: seq, data: body })) ?? [], eventsTo: page?.end ?? after }
}

async function present(deps: AppDeps, batch: BatchState): Promise<BatchStatus> {
  // After the batch, so that the jobs are never older than the tag says.
  const items = await readJobItems(deps.db, deps.operations[batch.operation], batch.id, { after: 0, limit: MAX_JOBS })
  return {
    success: true,
    batch: batchOf(batch),
    jobs: items.map(({ jobId, errorMessage, ...item }) => ({ ...item, id: jobId, error: errorMessage })),
  }
}

function batchOf(batch: BatchState): BatchStatus['batch'] {
  return {
    id: batch.id,
    operation: batch.operation,
    ...batch.facts,
    status: batch.status,
    totalJobs: batch.total,
    completedJobs: batch.completed,
    failedJobs: batch.failed,
    cancelledJobs: batch.cancelled,
    paused: batch.pausedAt !== null,
    open: batch.openUntil !== null,
    lastEventId: batch.lastSeq,
    createdAt: new Date(batch.createdAt).toISOString(),
    finishedAt: batch.finishedAt === null ? null : new Date(batch.finishedAt).toISOString(),
    ...presentBudget(batch.budget),
    ...presentChain(batch),
    ...presentMetadata(batch.metadata),
  }
}
