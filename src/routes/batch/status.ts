/** Following a batch: its stream, its state by polling, its merged results. One face for every operation. */
import { type Context, Hono } from 'hono'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { openEventStream, readCursor } from '../../http/streaming.ts'
import { type BatchState, readBatch, readJobItems } from '../../live/state.ts'
import { readCompleted } from '../../reads/results.ts'
import type { BatchStatus } from '../../wire/extract.ts'

/** Jobs that a status answer lists. */
const MOST_JOBS = 1_000

/** `GET /:id`, `GET /:id/stream`, `GET /:id/results`. */
export function statusRoutes(deps: AppDeps): Hono<Env> {
  return new Hono<Env>()
    .get('/:id/stream', async (c) => {
      const batch = await findBatch(c, deps)
      const cursor = readCursor(c)
      if (batch.finished && cursor === batch.lastSeq) return c.body(null, 204)
      const known = cursor !== null && cursor <= batch.lastSeq
      const state = known ? null : await present(deps, batch)
      const { response, sink } = openEventStream(c, deps.openSink)
      if (known) await deps.hub.follow(batch, sink, cursor)
      else await deps.hub.resync(batch, sink, state)
      return response
    })
    .get('/:id/results', async (c) => {
      const batch = await findBatch(c, deps)
      const operation = deps.operations[batch.operation]
      const { batchInput, jobs } = await readCompleted(deps.db, batch.id)
      return c.json({ success: true, ...operation?.merge(batchInput, jobs) })
    })
    .get('/:id', async (c) => c.json(await present(deps, await findBatch(c, deps))))
}

async function findBatch(c: Context<Env, '/:id'>, deps: AppDeps): Promise<BatchState> {
  const batch = await readBatch(deps.db, c.req.param('id'), c.get('caller').owner)
  if (batch === null) {
    throw new MillraceError(
      'NOT_FOUND',
      'There is no batch with this id. It may have been deleted, or belong to someone else.',
    )
  }
  return batch
}

async function present(deps: AppDeps, batch: BatchState): Promise<BatchStatus> {
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
