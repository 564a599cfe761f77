/** Following a batch: its stream, and its state by polling. One face for every operation. */
import { Hono } from 'hono'
import type { AppDeps, Env } from '../../http/context.ts'
import { openEventStream, readCursor } from '../../http/streaming.ts'
import { type BatchState, readJobItems } from '../../live/state.ts'
import type { BatchStatus } from '../../wire/extract.ts'
import { findBatch } from './find.ts'

/** Jobs that a status answer lists. */
const MOST_JOBS = 1_000

/** `GET /:id`, `GET /:id/stream`. */
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
    .get('/:id', async (c) => c.json(await present(deps, await findBatch(c, deps))))
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
