/**
 * Sends a Worker's requests to callers' URLs through an outbound service: what `npm run dev:edge` has in place of a platform that reaches the
 * public internet alone. The service (scripts/edge-outbound.ts) runs on Node, looks names up, refuses those with an address that is not public
 * and connects to the addresses it checked, so that no second look-up can lead elsewhere. A deployed Worker has none.
 */
import * as z from 'zod'
import { MillraceError } from '../errors.ts'

/** A request but for its URL. */
export interface OutboundMessage {
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

/** The body of a request to the service, as JSON. */
export const OutboundRequest = z.object({
  url: z.string(),
  method: z.enum(['GET', 'POST']),
  headers: z.record(z.string(), z.string()),
  body: z.string().optional(),
})

/** The body of its answer to a request that was not answered, as JSON. */
export const OutboundFailure = z.object({
  code: z.enum(['URL_NOT_ALLOWED', 'NETWORK_ERROR', 'TIMEOUT']),
  message: z.string(),
})
/** A request that was refused, or that nobody answered. */
export type OutboundFailure = z.infer<typeof OutboundFailure>

/** Header that every answer of the service has: `answered` before the status and body of the other server, `failed` before an OutboundFailure. */
export const OUTCOME_HEADER = 'millrace-outcome'
/** Headers of the other server's answer that the service passes on. */
export const PASSED_HEADERS = [
  'content-disposition',
  'content-encoding',
  'content-length',
  'content-type',
  'location',
  'retry-after',
] as const

/**
 * Has the service send one request. Redirects are not followed.
 * @param service address of the service
 * @param init what else `fetch` is given: the signal, the cache mode, the redirect mode
 * @returns the other server's answer
 * @throws MillraceError URL_NOT_ALLOWED, NETWORK_ERROR, TIMEOUT as the service says; any other error where the service doesn't answer: the request
 * was then sent to nobody
 */
export async function sendThroughOutbound(
  service: string,
  url: URL,
  message: OutboundMessage,
  init: RequestInit,
): Promise<Response> {
  const request: z.input<typeof OutboundRequest> = { ...message, url: url.href }
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(service, { ...init, method: 'POST', headers, body: JSON.stringify(request) })
  const outcome = answer.headers.get(OUTCOME_HEADER)
  if (outcome === 'answered') return answer
  if (outcome !== 'failed') throw new Error('The outbound service answers as something else.')
  const failure = OutboundFailure.parse(await answer.json())
  throw new MillraceError(failure.code, failure.message)
}
