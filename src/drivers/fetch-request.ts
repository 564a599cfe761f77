/** Requests of any method: which headers a caller may set, and what becomes of a request at a redirect. Pure; every Fetcher keeps the same rules. */
import { invalidRequest } from '../errors.ts'
import type { GuardedRequest } from '../ports.ts'
import { refusal } from './fetch-address.ts'
import { USER_AGENT } from './fetch-exchange.ts'

/** Headers that belong to the connection, or that the HTTP client computes. */
const RESERVED = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'via',
])
/** A header's name (RFC 9110, section 5.1). */
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** Characters of a value that every runtime sends as they are: no line ends, no NUL. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
/** Headers with credentials: sent to one origin alone, whatever the caller sets. */
const CREDENTIALS = new Set(['authorization', 'cookie'])

/** An outgoing request: names of headers in lower case. */
export interface OutgoingRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array<ArrayBuffer> | undefined
}

/** Explains why a header cannot be sent; null where it can. */
export function headerFault(name: string, value: string): string | null {
  if (!NAME.test(name)) return 'expected a name of letters, digits and dashes'
  if (RESERVED.has(name.toLowerCase())) return 'this header is set by whoever sends the request'
  return VALUE.test(value) ? null : 'expected a value without line ends and without characters beyond Latin-1'
}

/**
 * Makes what is sent first.
 * @throws MillraceError INVALID_REQUEST naming the header
 */
export function outgoing({ method, headers = {}, body }: GuardedRequest): OutgoingRequest {
  const own: Record<string, string> = { 'user-agent': USER_AGENT, accept: '*/*', 'accept-encoding': 'identity' }
  for (const [name, value] of Object.entries(headers)) {
    const fault = headerFault(name, value)
    if (fault !== null) throw invalidRequest(`headers.${name}`, `headers.${name}: ${fault}.`)
    own[name.toLowerCase()] = value
  }
  if (body !== undefined && (method === 'GET' || method === 'HEAD')) {
    throw invalidRequest('body', `body: a request with ${method} has none.`)
  }
  return { method, headers: own, body }
}

/**
 * Makes what is sent to where an answer led, as browsers do (WHATWG Fetch, "HTTP-redirect fetch"): 307 and 308 keep method and body; 303 becomes a
 * GET, and so does a POST at 301 and 302. Another origin is given no credential and nothing that the caller said is confidential.
 * @throws MillraceError URL_NOT_ALLOWED where a body that is confidential would go to another origin
 */
export function redirected(
  sent: OutgoingRequest,
  { confidential }: Pick<GuardedRequest, 'confidential'>,
  { status, from, to }: { readonly status: number; readonly from: URL; readonly to: URL },
): OutgoingRequest {
  const becomesGet =
    status === 303 ? sent.method !== 'HEAD' : (status === 301 || status === 302) && sent.method === 'POST'
  const kept = becomesGet ? { ...sent, method: 'GET', body: undefined, headers: without(sent.headers, isOfBody) } : sent
  if (from.origin === to.origin) return kept
  if (kept.body !== undefined && confidential?.body === true) {
    throw refusal(
      'The website forwards this request to another one, which is not given the secret that is in its body.',
    )
  }
  const secret = new Set((confidential?.headers ?? []).map((name) => name.toLowerCase()))
  return { ...kept, headers: without(kept.headers, (name) => CREDENTIALS.has(name) || secret.has(name)) }
}

const isOfBody = (name: string) => /^content-(encoding|language|location|type)$/.test(name)

const without = (headers: Readonly<Record<string, string>>, drop: (name: string) => boolean) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !drop(name)))
