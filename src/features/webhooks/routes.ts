/** The log of deliveries, and sending one again. */
import { type Context, Hono } from 'hono'
import { redeliver } from '../../engine/webhooks.ts'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { readQuery } from '../../http/request/body.ts'
import { readBatch } from '../../live/state.ts'
import { listDeliveries, readDelivery } from './queries.ts'
import { type Delivery, type DeliveryAnswer, type DeliveryList, ListDeliveries } from './schemas.ts'

const PAGE = 100

/** `GET /deliveries`, `GET /deliveries/:id`, `POST /deliveries/:id/redeliver`. */
export function webhookRoutes(deps: AppDeps): Hono<Env> {
  return new Hono<Env>()
    .get('/deliveries', (c) => list(c, deps))
    .get('/deliveries/:id', async (c) =>
      c.json({ success: true, delivery: await find(c, deps) } satisfies DeliveryAnswer),
    )
    .post('/deliveries/:id/redeliver', async (c) => {
      const { id } = await find(c, deps)
      await redeliver(deps, c.get('caller').owner, id)
      return c.json({ success: true, delivery: await find(c, deps) } satisfies DeliveryAnswer, 202)
    })
}

async function list(c: Context<Env>, deps: AppDeps): Promise<Response> {
  const { cursor, limit = PAGE, batchId, status } = readQuery(c, ListDeliveries)
  const { owner } = c.get('caller')
  const batch = batchId === undefined ? undefined : await readBatch(deps.db, batchId, owner)
  if (batch === null) throw new MillraceError('NOT_FOUND', 'There is no batch with this id.')
  const deliveries = await listDeliveries(deps.db, owner, { batchId: batch?.id, status, before: cursor, limit })
  const next = deliveries.length === limit ? (deliveries.at(-1)?.id ?? null) : null
  return c.json({ success: true, deliveries, next } satisfies DeliveryList)
}

async function find(c: Context<Env, '/:id'>, deps: AppDeps): Promise<Delivery> {
  const delivery = await readDelivery(deps.db, c.get('caller').owner, c.req.param('id'))
  if (delivery !== null) return delivery
  throw new MillraceError(
    'NOT_FOUND',
    'There is no delivery with this id. Its batch may have been deleted, or belong to someone else.',
  )
}
