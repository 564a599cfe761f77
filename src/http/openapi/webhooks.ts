/** Described: the log of webhook deliveries, and downloads of what batches made. */
import * as z from 'zod'
import { ErrorBody } from '../../wire/batch.ts'
import { DeliveryAnswer, DeliveryList, ListDeliveries } from '../../wire/webhooks.ts'
import { json, NOT_MODIFIED, type Surface } from './endpoint.ts'

const ID = { id: 'Id of a delivery: the `webhook-id` it is sent under.' }

export const webhooks: Surface = {
  name: 'Webhooks',
  description: 'What webhooks were sent, and what came of it.',
  error: ErrorBody,
  endpoints: [
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
  ],
}

const TYPES = ['application/x-ndjson', 'text/markdown', 'text/csv', 'application/gzip']
const file = {
  'application/json': { schema: z.unknown() },
  ...Object.fromEntries(TYPES.map((type) => [type, { schema: z.file() }])),
}

export const exports: Surface = {
  name: 'Exports',
  description: 'Files that batches made.',
  error: ErrorBody,
  endpoints: [
    {
      route: 'GET /exports/:id',
      id: 'downloadExport',
      summary: 'Download an export, whole or in part',
      access: 'link',
      path: { id: 'Id of the task that made it, or the `Idempotency-Key` of its request.' },
      headers: ['Range', 'If-Range', 'If-None-Match'],
      answers: {
        200: { description: 'The file.', content: file, headers: ['ETag', 'Content-Disposition'] },
        206: { description: 'A part of it.', content: file, headers: ['ETag', 'Content-Disposition', 'Content-Range'] },
        304: NOT_MODIFIED,
        416: { description: 'There is no such part.', headers: ['Content-Range'] },
      },
      errors: [404],
    },
  ],
}
