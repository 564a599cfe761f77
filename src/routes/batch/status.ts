/** Following a batch: its stream, and its state by polling. One face for every operation. */
import { type Context, Hono } from 'hono'
import { readQuery } from '../../http/body.ts'
import { isKnown } from '../../http/conditional.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { openEventStream, RETRY_AFTER_SECONDS, readCursor } from '../../http/streaming.ts'
import { readPage } from '../../live/log.ts'
import { type BatchState, readJobItems } from '../../live/state.ts'
import { PollBatch } from '../../wire/batch.ts'
import type { BatchStatus } from '../../wire/extract.ts'
import { findBatch } from './find.ts'

/** Jobs that a status answer lists. */
const MOST_JOBS = 1_000
/** Proxies commonly cut off what is silent for 30 seconds. */
const LONGEST_WAIT_SECONDS = 25

/** `GET /:id`, `GET /:id/stream`. */
export function statusRoutes(deps: AppDeps): Hono<Env> {
  return new Hono<Env>().get('/:id/stream', (c) => stream(c, deps)).get('/:id', (c) => poll(c, deps))
}

async function stream(c: Context<Env, '/:id/stream'>, deps: AppDeps): Promise<Response> {
  const batch = await findBatch(c, deps)
  const cursor = readCursor(c)
  if (batch.finished && cursor === batch.lastSeq) return c.body(null, 204, { 'Cache-Control': 'no-cache' })
  if (cursor !== null && cursor <= batch.lastSeq) {
    return openEventStream(c, deps, (sink) => deps.hub.follow(batch, sink, cursor))
  }
  const state = await present(deps, batch)
  return openEventStream(c, deps, (sink) => deps.hub.resync(batch, sink, state))
}

/** The state of a batch; with `If-None-Match` and `?wait=`, held back until it is another. */
async function poll(c: Context<Env, '/:id'>, deps: AppDeps): Promise<Response> {
  const { wait = 0, after } = readQuery(c, PollBatch)
  const until = deps.clock.now() + Math.min(wait, LONGEST_WAIT_SECONDS) * 1_000
  for (;;) {
    const batch = await findBatch(c, deps)
    const etag = tagOf(batch)
    c.header('ETag', etag)
    c.header('Cache-Control', 'private, no-cache')
    if (!isKnown(c, etag)) {
      const state = await present(deps, batch)
      return c.json(after === undefined ? state : { ...state, ...(await eventsAfter(deps, batch, after)) })
    }
    const left = until - deps.clock.now()
    // A full server does not hold it; nobody should ask on at once.
    if (left > 0 && deps.hub.full) c.header('Retry-After', String(RETRY_AFTER_SECONDS))
    if (left <= 0 || !(await deps.hub.changed(batch, left, c.req.raw.signal))) return c.body(null, 304)
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
  const items = await readJobItems(deps.db, deps.operations[batch.operation], batch.id, { after: 0, limit: MOST_JOBS })
  return {
    success: true,
    batch: {
      id: batch.id,
      operation: batch.operation,
      ...batch.facts,
      status: batch.status,
      totalJobs: batch.total,
      completedJobs: batch.completed,
      failedJobs: batch.failed,
      cancelledJobs: batch.cancelled,
      lastEventId: batch.lastSeq,
      createdAt: new Date(batch.createdAt).toISOString(),
      finishedAt: batch.finishedAt === null ? null : new Date(batch.finishedAt).toISOString(),
    },
    jobs: items.map(({ jobId, errorMessage, ...item }) => ({ ...item, id: jobId, error: errorMessage })),
  }
}
