/** The `webhook` option of a create: where events of its batch are sent. */
import * as z from 'zod'
import { list } from './fields.ts'

/** Events that a webhook can subscribe to. */
export const WEBHOOK_EVENTS = ['batch_completed', 'job_failed', 'budget_exceeded', 'chain_fed'] as const
/** Names of events in one request, doubles included. */
const MAX_EVENTS = 10

/** `whsec_` and 24 to 64 bytes in base64, as Standard Webhooks 1.0 has symmetric secrets. */
const Secret = z.string().refine(isSecret, 'Expected "whsec_" followed by 24 to 64 bytes in base64')

const ReceiverUrl = z
  .url({ protocol: /^https?$/, error: 'Expected an http or https address' })
  .max(2_048)
  .refine(hasNoPassword, 'Expected an address without a user name or password: the signature proves who sends')

/** Schema of the receiver that is notified of the events of a batch. */
export const WebhookRequest = z
  .strictObject({
    url: ReceiverUrl.describe('Gets a POST for every event.'),
    secret: Secret.optional().describe('Signs what is sent. Made here, and given in the answer, where it is left out.'),
    events: list(z.enum(WEBHOOK_EVENTS), MAX_EVENTS)
      .refine((events) => events.length > 0, 'Expected at least one event')
      .optional()
      .describe('Left out: `batch_completed` alone. Jobs that were cancelled are not told of one by one.'),
  })
  .meta({ id: 'WebhookRequest' })
export type WebhookRequest = z.infer<typeof WebhookRequest>

function isSecret(text: string): boolean {
  const encoded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)?.[1]
  if (encoded === undefined || encoded.length % 4 !== 0) return false
  const bytes = atob(encoded).length
  return bytes >= 24 && bytes <= 64
}

function hasNoPassword(text: string): boolean {
  return !URL.canParse(text) || (new URL(text).username === '' && new URL(text).password === '')
}
