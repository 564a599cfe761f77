/**
 * Sends a Worker's requests to callers' URLs through an outbound service, by which `npm run dev:edge` replaces a platform that reaches only the
 * public internet. The service (scripts/edge-outbound.ts) runs on Node, looks names up, refuses those with an address that is not public
 * and connects to the addresses it checked, so that no second look-up can lead elsewhere. A deployed Worker has no such service.
 */
import * as z from 'zod'
import { MillraceError } from '../errors.ts'
import { NETWORK_FAULTS, REQUEST_METHODS } from '../ports.ts'

/** A request but for its URL. */
export interface OutboundMessage {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array<ArrayBuffer> | undefined
}

/** The body of a request to the service, as JSON. */
export const OutboundRequest = z.object({
  url: z.string(),
  method: z.enum(REQUEST_METHODS),
  headers: z.record(z.string(), z.string()),
  body: z.string().optional(),
  /** A body of bytes, in base64. */
  bytes: z.string().optional(),
})

/** The body of its answer to a request that was not answered, as JSON. */
export const OutboundFailure = z.object({
  code: z.enum(['URL_NOT_ALLOWED', 'NETWORK_ERROR', 'TIMEOUT']),
  message: z.string(),
  fault: z.enum(NETWORK_FAULTS).optional(),
})
/** A request that was refused, or that got no answer. */
export type OutboundFailure = z.infer<typeof OutboundFailure>

/** Header that every answer of the service has: `answered` before the status and body of the other server, `failed` before an OutboundFailure. */
export const OUTCOME_HEADER = 'millrace-outcome'
/** Headers of the other server's answer that the service keeps: they are about its own connection. */
const NOT_PASSED = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  OUTCOME_HEADER,
])

/** Holds for headers of the other server's answer, in lower case, that the service passes on. */
export const isPassed = (name: string): boolean => !NOT_PASSED.has(name)

/**
 * Sends one request through the service. Redirects are not followed.
 * @param service address of the service
 * @param init what else `fetch` is given: the signal, the cache mode, the redirect mode
 * @returns the other server's answer
 * @throws MillraceError URL_NOT_ALLOWED, NETWORK_ERROR, TIMEOUT as the service says; any other error where the service doesn't answer: the request
 * was then not sent
 */
export async function sendThroughOutbound(
  service: string,
  url: URL,
  message: OutboundMessage,
  init: RequestInit,
): Promise<Response> {
  const { body, ...head } = message
  const sent = body instanceof Uint8Array ? { bytes: base64(body) } : { body }
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(service, {
    ...init,
    method: 'POST',
    headers,
    body: JSON.stringify({ ...head, ...sent, url: url.href }),
  })
  const outcome = answer.headers.get(OUTCOME_HEADER)
  if (outcome === 'answered') return answer
  if (outcome !== 'failed') throw new Error('The outbound service answers as something else.')
  const failure = OutboundFailure.parse(await answer.json())
  const { fault } = failure
  throw new MillraceError(failure.code, failure.message, fault === undefined ? {} : { details: { fault } })
}

function base64(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}
