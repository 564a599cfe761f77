/** Following a batch: its stream, and its state by polling. One face for every operation. */
import { type Context, Hono } from 'hono'
import { StreamAuthMonitor } from '../../http/auth/stream-auth-monitor.ts'
import { streamUrl } from '../../http/auth/tokens.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { readQuery } from '../../http/request/body.ts'
import { matchesIfNoneMatch } from '../../http/response/conditional.ts'
import { openEventStream, RETRY_AFTER_SECONDS, readCursor } from '../../http/response/event-stream.ts'
import { readEnd, readPage } from '../../live/event-log.ts'
import { type BatchState, readJobItems, readUnfinished } from '../../live/state.ts'
import type { BatchStatus } from './follow-schemas.ts'
import { PollBatch, type StreamLink } from './follow-schemas.ts'
import { findBatch } from './load-batch.ts'

/** Jobs that a status answer lists. */
const MAX_JOBS = 1_000
/** Batches that the first event of a stream of all batches lists. */
const MAX_BATCHES = 1_000
/** Events, anyone's, that a stream of all batches goes back at most. */
const FURTHEST_BACK = 10_000
/** Proxies commonly cut off what is silent for 30 seconds. */
const LONGEST_WAIT_SECONDS = 25

type StreamDeps = AppDeps & { readonly credentials: StreamAuthMonitor }

/** `GET /stream`, `GET /:id`, `GET /:id/stream`; `POST /stream-token` and `POST /:id/stream-token` give their addresses for `EventSource`. */
export function statusRoutes(deps: AppDeps): Hono<Env> {
  const streams = { ...deps, credentials: new StreamAuthMonitor(deps) }
  return new Hono<Env>()
    .get('/stream', (c) => streamAll(c, streams))
    .post('/stream-token', (c) => link(c, deps, null))
    .post('/:id/stream-token', async (c) => link(c, deps, (await findBatch(c, deps)).id))
    .get('/:id/stream', (c) => stream(c, streams))
    .get('/:id', (c) => poll(c, deps))
}

async function stream(c: Context<Env, '/:id/stream'>, deps: StreamDeps): Promise<Response> {
  const batch = await findBatch(c, deps)
  const cursor = readCursor(c)
  if (batch.finished && cursor === batch.lastSeq) return c.body(null, 204, { 'Cache-Control': 'no-cache' })
  if (cursor !== null && cursor <= batch.lastSeq) {
    return openEventStream(c, deps, (sink) => deps.hub.follow(batch, sink, cursor))
  }
  const state = await present(deps, batch)
  return openEventStream(c, deps, (sink) => deps.hub.resync(batch, sink, state))
}

/**
 * All batches of the caller on one connection. It begins with a `resync` that lists those that have not ended, unless the client comes back
 * with the number of an event that is not too long ago.
 */
async function streamAll(c: Context<Env, '/stream'>, deps: StreamDeps): Promise<Response> {
  const { owner } = c.get('caller')
  const cursor = readCursor(c)
  // Before the state, so that the state is not older.
  const end = await readEnd(deps.db)
  if (cursor !== null && cursor > 0 && cursor <= end && cursor >= end - FURTHEST_BACK) {
    return openEventStream(c, deps, (sink) => deps.hub.followOwner(owner, end, sink, { cursor }))
  }
  const batches = (await readUnfinished(deps.db, owner, MAX_BATCHES)).map(batchOf)
  const state = { success: true, batches }
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

/** The state of a batch; with `If-None-Match` and `?wait=`, held back until it is another. */
async function poll(c: Context<Env, '/:id'>, deps: AppDeps): Promise<Response> {
  const { wait = 0, after } = readQuery(c, PollBatch)
  const { owner } = c.get('caller')
  const until = deps.clock.now() + Math.min(wait, LONGEST_WAIT_SECONDS) * 1_000
  for (;;) {
    const batch = await findBatch(c, deps)
    const etag = tagOf(batch)
    c.header('ETag', etag)
    c.header('Cache-Control', 'private, no-cache')
    if (!matchesIfNoneMatch(c, etag)) {
      const state = await present(deps, batch)
      return c.json(after === undefined ? state : { ...state, ...(await eventsAfter(deps, batch, after)) })
    }
    const left = until - deps.clock.now()
    // It is not held where the server or the owner's share is full; nobody should ask on at once.
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
  const page = await readPage(deps.db, deps.operations, batch, after)
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
  }
}
