/** Described: the log of webhook deliveries. */

import { type Endpoint, json } from '../../http/openapi/endpoint.ts'
import { DeliveryAnswer, DeliveryList, ListDeliveries } from './schemas.ts'

const ID = { id: 'Id of a delivery: the `webhook-id` it is sent under.' }

export const endpoints: readonly Endpoint[] = [
  {
    route: 'GET /api/webhooks/deliveries',
    id: 'listDeliveries',
    summary: 'Deliveries, those of the newest batch first',
    query: ListDeliveries,
    answers: { 200: json('A page.', DeliveryList) },
    errors: [400, 404],
  },
  {
    route: 'GET /api/webhooks/deliveries/:id',
    id: 'readDelivery',
    summary: 'One delivery',
    path: ID,
    answers: { 200: json('The delivery.', DeliveryAnswer) },
    errors: [404],
  },
  {
    route: 'POST /api/webhooks/deliveries/:id/redeliver',
    id: 'redeliver',
    summary: 'Send a delivery again, under the same id',
    path: ID,
    answers: { 202: json('It will be sent.', DeliveryAnswer) },
    errors: [404, 409],
  },
]
