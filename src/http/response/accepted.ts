/** Writes the answer to a create for every surface: the addresses at which the batch is read and followed. */
import type { Context } from 'hono'
import { readWebhookSecret } from '../../engine/webhooks.ts'
import { streamToken } from '../auth/tokens.ts'
import type { AppDeps, Env } from '../context.ts'
import type { WebhookRequest } from '../request/webhook-request.ts'
import { publicPath } from './public-address.ts'

/** Addresses of a batch, without a host, and the fields that only its creator gets. */
export interface AcceptedBatch {
  readonly url: string
  /** Carries a token good for a day where calls need a key. */
  readonly streamUrl: string
  /** The secret made for its webhook, where none was given. */
  readonly webhookSecret: string | undefined
}

/**
 * Makes the answer to an accepted batch, with its addresses, and sets `Location`. A repeated create gets the same answer, since the first may have been lost.
 * @param options.location where its state is read; default: the address of the batch
 * @param options.webhook the receiver that the request named
 */
export async function announceBatch(
  c: Context<Env>,
  deps: Pick<AppDeps, 'auth' | 'clock' | 'db' | 'publicUrl'>,
  batchId: string,
  { location, webhook }: { readonly location?: string; readonly webhook?: WebhookRequest | undefined } = {},
): Promise<AcceptedBatch> {
  const { owner, authenticated } = c.get('caller')
  const url = publicPath(deps, `/api/batch/${batchId}`)
  c.header('Location', location ?? url)
  const token = authenticated ? `?token=${await streamToken(deps.auth, deps.clock, owner, batchId)}` : ''
  const isSecretMade = webhook !== undefined && webhook.secret === undefined
  return {
    url,
    streamUrl: `${url}/stream${token}`,
    webhookSecret: isSecretMade ? await readWebhookSecret(deps.db, batchId) : undefined,
  }
}
