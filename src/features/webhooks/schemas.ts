/** Webhooks: how a caller asks for one, what it is sent, and the log of its deliveries. */
import * as z from 'zod'
import { PageLimit } from '../../http/request/fields.ts'
import { WEBHOOK_EVENTS } from '../../http/request/webhook-request.ts'

/** The body of a delivery. */
export const WebhookPayload = z.object({
  type: z.enum(WEBHOOK_EVENTS),
  timestamp: z.iso.datetime().describe('When it happened, not when it was sent.'),
  data: z
    .looseObject({ batchId: z.string(), operation: z.string() })
    .describe('The fields of the event, without lists: what a batch gave is fetched from `resultsUrl`.'),
})
export type WebhookPayload = z.infer<typeof WebhookPayload>

const DeliveryStatus = z.enum(['pending', 'processing', 'completed', 'failed'])
export type DeliveryStatus = z.infer<typeof DeliveryStatus>

/** An event on its way to a receiver, or arrived. */
export const Delivery = z
  .object({
    id: z.string().describe('The `webhook-id` under which it is sent, however often.'),
    batchId: z.string(),
    event: z.enum(WEBHOOK_EVENTS),
    url: z.string(),
    status: DeliveryStatus,
    attempts: z.int().describe('Attempts since it was created, or since it was last resent.'),
    responseStatus: z.int().nullable().describe('HTTP status of the latest answer; null where there was none.'),
    error: z.string().nullable().describe('What went wrong the last time; null when nothing did.'),
    createdAt: z.iso.datetime(),
    lastAttemptAt: z.iso.datetime().nullable(),
    nextAttemptAt: z.iso.datetime().nullable(),
    finishedAt: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Delivery' })
export type Delivery = z.infer<typeof Delivery>

/** The answer to `GET /api/webhooks/deliveries`. */
export const DeliveryList = z
  .object({
    success: z.literal(true),
    deliveries: z.array(Delivery),
    next: z.string().nullable().describe('What to send as `cursor` for the next page; null on the last.'),
  })
  .meta({ id: 'DeliveryList' })
export type DeliveryList = z.infer<typeof DeliveryList>

/** The answer to `GET /api/webhooks/deliveries/:id`, and to sending it again. */
export const DeliveryAnswer = z.object({ success: z.literal(true), delivery: Delivery }).meta({ id: 'DeliveryAnswer' })
export type DeliveryAnswer = z.infer<typeof DeliveryAnswer>

/** `GET /api/webhooks/deliveries`. */
export const ListDeliveries = z.strictObject({
  batchId: z.string().max(128).optional(),
  status: DeliveryStatus.optional(),
  limit: PageLimit,
  cursor: z
    .string()
    .regex(/^[0-9a-f-]{36}-\d{1,15}$/, 'Expected "next" of the page before')
    .optional()
    .describe('`next` of the page before.'),
})
