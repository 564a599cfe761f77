/** Lists deliveries and redelivers one. */
import type { Hono } from 'hono'
import * as z from 'zod'
import { redeliver } from '../../engine/webhooks.ts'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type Endpoint, json } from '../../http/openapi/endpoint.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { Routes } from '../../http/routes.ts'
import { readBatch } from '../../live/state.ts'
import { listDeliveries, readDelivery } from './queries.ts'
import { type Delivery, DeliveryAnswer, DeliveryList, ListDeliveries } from './schemas.ts'

const PAGE = 100
const ID = z.strictObject({ id: z.string().describe('Id of a delivery: the `webhook-id` it is sent under.') })

const list = {
  route: 'GET /api/webhooks/deliveries',
  id: 'listDeliveries',
  summary: 'Deliveries, those of the newest batch first',
  query: ListDeliveries,
  answers: { 200: json('A page.', DeliveryList) },
  errors: [400, 404],
} satisfies Endpoint

const read = {
  route: 'GET /api/webhooks/deliveries/:id',
  id: 'readDelivery',
  summary: 'One delivery',
  path: ID,
  answers: { 200: json('The delivery.', DeliveryAnswer) },
  errors: [404],
} satisfies Endpoint

const sendAgain = {
  route: 'POST /api/webhooks/deliveries/:id/redeliver',
  id: 'redeliver',
  summary: 'Resend a delivery under the same id',
  path: ID,
  answers: { 202: json('It will be sent.', DeliveryAnswer) },
  errors: [404, 409],
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [list, read, sendAgain]

export function webhookRoutes(deps: AppDeps): Hono<Env> {
  return new Routes('/api/webhooks', CODED_ERRORS)
    .add(list, async (c) => c.json(await pageOf(deps, c.get('caller').owner, c.req.valid('query'))))
    .add(read, async (c) => {
      const delivery = await find(deps, c.get('caller').owner, c.req.valid('param').id)
      return c.json({ success: true, delivery } satisfies DeliveryAnswer)
    })
    .add(sendAgain, async (c) => {
      const { owner } = c.get('caller')
      const { id } = await find(deps, owner, c.req.valid('param').id)
      await redeliver(deps, owner, id)
      return c.json({ success: true, delivery: await find(deps, owner, id) } satisfies DeliveryAnswer, 202)
    }).hono
}

async function pageOf(deps: AppDeps, owner: string, query: z.infer<typeof ListDeliveries>): Promise<DeliveryList> {
  const { cursor, limit = PAGE, batchId, status } = query
  const batch = batchId === undefined ? undefined : await readBatch(deps.db, batchId, owner)
  if (batch === null) throw new MillraceError('NOT_FOUND', 'There is no batch with this id.')
  const deliveries = await listDeliveries(deps.db, owner, { batchId: batch?.id, status, before: cursor, limit })
  return { success: true, deliveries, next: deliveries.length === limit ? (deliveries.at(-1)?.id ?? null) : null }
}

async function find(deps: AppDeps, owner: string, id: string): Promise<Delivery> {
  const delivery = await readDelivery(deps.db, owner, id)
  if (delivery !== null) return delivery
  throw new MillraceError(
    'NOT_FOUND',
    'There is no delivery with this id. Its batch may have been deleted, or belong to someone else.',
  )
}
