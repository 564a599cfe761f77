/**
 * The guarded Fetcher on Node. A caller names the URL, so the server behind it is nobody's friend: names are looked up
 * here, every address found is checked, and the socket may go to those addresses alone.
 */
import type { LookupAddress } from 'node:dns'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { pipeline, type Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { buildConnector, Client, type Dispatcher } from 'undici'
import { MillraceError } from '../errors.ts'
import type { Clock, Fetched, Fetcher, Sent } from '../ports.ts'
import { createLookup, type Lookup } from './dns-lookup.ts'
import type { FairSemaphore } from './fair-semaphore.ts'
import {
  bareHost,
  canonicalAddress,
  checkUrl,
  isPublicAddress,
  isWebPort,
  portOf,
  privateRefusal,
  type UrlPolicy,
} from './fetch-address.ts'
import {
  createFetchSlots,
  type Exchange,
  limited,
  limitedBody,
  MAX_DROPPED,
  openExchange,
  USER_AGENT,
} from './fetch-exchange.ts'
import { followRedirects } from './fetch-redirects.ts'
import { declaredSize, failureOf, filenameOf, mediaType, secondsToWait, tooLarge } from './fetch-response.ts'

/** Options of a Node Fetcher. */
export interface NodeFetcherOptions extends UrlPolicy {
  /** Tells how long a Retry-After date is away. */
  readonly clock?: Clock
  /** Finds the addresses of names; default by the system's DNS servers. */
  readonly lookup?: Lookup
  /** Requests that an owner has under way at once. @default 16 */
  readonly perOwner?: number
  /** Tells whether an address may be connected to, on that port. Tests replace it to have allowed and forbidden addresses on one machine. */
  readonly permits?: (address: string, port: number) => boolean
}

type Guard = Required<Omit<NodeFetcherOptions, 'allowPrivate' | 'perOwner'>> &
  UrlPolicy & { readonly slots: FairSemaphore }

type Answer = Dispatcher.ResponseData

/** Before the next of a name's addresses is tried as well; Node's own 250 ms gives up on servers that are merely far away. */
const NEXT_ADDRESS_MS = 1000

const GET = {
  method: 'GET',
  // Compression gains a PDF or a video nothing and lets a small answer become a large one, so it is not asked for.
  headers: { 'user-agent': USER_AGENT, accept: '*/*', 'accept-encoding': 'identity' },
} as const

/**
 * Makes the Fetcher of a Node process. Each request has a connection of its own, closed with it: nothing is shared
 * between callers, and no address is used longer than the look-up it was checked under. No cookies, no proxies from the
 * environment, certificates always checked.
 * @param options `allowPrivate` (MILLRACE_ALLOW_PRIVATE_URLS) lifts the address rule alone; `clock` and `permits` are for tests
 */
export function createNodeFetcher(options: NodeFetcherOptions = {}): Fetcher {
  const guard = createGuard(options)
  return { fetch: (url, limits) => get(guard, url, limits), send: (url, message) => post(guard, url, message) }
}

/** One request as it goes over the wire. */
export interface SingleRequest {
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

/**
 * Makes a function that sends one request under the rules of the Fetcher, follows no redirect and decodes nothing. The request and the body of
 * its answer last until `signal` aborts, which its caller must see to.
 * @returns the answer, whatever its status
 * @throws MillraceError URL_NOT_ALLOWED, NETWORK_ERROR, TIMEOUT; CANCELLED when `signal` aborts before the answer
 */
export function createNodeRequester(
  options: NodeFetcherOptions = {},
): (request: SingleRequest, signal: AbortSignal) => Promise<Answer> {
  const guard = createGuard(options)
  return async ({ url, method, headers, body = null }, signal) => {
    const checked = checkUrl(url, guard)
    const exchange = await openExchange(guard.slots, { timeoutMs: Number.POSITIVE_INFINITY, signal })
    try {
      return await hop(guard, exchange, checked, { method, headers, body })
    } catch (error) {
      exchange.end()
      throw exchange.signal.aborted ? exchange.signal.reason : explain(error)
    }
  }
}

function createGuard(options: NodeFetcherOptions): Guard {
  return {
    allowPrivate: options.allowPrivate,
    clock: options.clock ?? Date,
    lookup: options.lookup ?? createLookup(),
    permits: options.permits ?? (options.allowPrivate === true ? () => true : isForeignAndPublic),
    slots: createFetchSlots(options.perOwner),
  }
}

async function get(guard: Guard, raw: string, limits: Parameters<Fetcher['fetch']>[1]): Promise<Fetched> {
  const start = checkUrl(raw, guard)
  const exchange = await openExchange(guard.slots, limits)
  try {
    const { url, answer } = await followRedirects(
      guard,
      exchange,
      start,
      (at) => hop(guard, exchange, at, GET),
      ({ statusCode, headers }) => ({ status: statusCode, location: one(headers.location) }),
    )
    const header = (name: string) => one(answer.headers[name])
    const failure = failureOf(answer.statusCode, header('retry-after'), guard.clock.now())
    if (failure !== null) throw failure
    if ((declaredSize(header('content-length')) ?? 0) > limits.maxBytes) throw tooLarge(limits.maxBytes)
    exchange.answered()
    const plain = decoded(answer.body, header('content-encoding'), limits.maxBytes)
    return {
      url: url.href,
      contentType: mediaType(header('content-type')),
      filename: filenameOf(header('content-disposition'), url),
      body: limitedBody(plain, exchange, limits.maxBytes, explain),
    }
  } catch (error) {
    exchange.end()
    throw exchange.signal.aborted ? exchange.signal.reason : explain(error)
  }
}

async function post(guard: Guard, raw: string, message: Parameters<Fetcher['send']>[1]): Promise<Sent> {
  const url = checkUrl(raw, guard)
  const exchange = await openExchange(guard.slots, message)
  try {
    const headers = { 'user-agent': USER_AGENT, ...message.headers }
    const answer = await hop(guard, exchange, url, { method: 'POST', headers, body: message.body })
    // The status is the answer: an error in what follows it changes nothing.
    await exchange.race(answer.body.dump({ limit: MAX_DROPPED })).catch(() => {})
    const retryAfterSeconds = secondsToWait(one(answer.headers['retry-after']), guard.clock.now())
    return { status: answer.statusCode, retryAfterSeconds }
  } catch (error) {
    throw exchange.signal.aborted ? exchange.signal.reason : explain(error)
  } finally {
    exchange.end()
  }
}

/** One request on one new connection, to an address that was checked. `url` has passed `checkUrl` or `checkRedirect`. */
async function hop(
  guard: Guard,
  exchange: Exchange,
  url: URL,
  init: Pick<Dispatcher.RequestOptions, 'method' | 'headers' | 'body'>,
): Promise<Answer> {
  const addresses = await resolve(guard, exchange, url)
  const client = new Client(url.origin, {
    connect: pinnedConnector(guard, exchange.signal, addresses),
    // 0: close after one request. The time limits are the exchange's.
    pipelining: 0,
    headersTimeout: 0,
    bodyTimeout: 0,
  })
  exchange.onRelease(() => {
    client.destroy().catch(() => {})
  })
  return client.request({ ...init, path: url.pathname + url.search, signal: exchange.signal })
}

/**
 * All addresses of the URL's host. One bad address refuses them all: a public name with a private address among its
 * answers is an attempt to slip through, not a website.
 */
async function resolve(guard: Guard, exchange: Exchange, url: URL): Promise<[LookupAddress, ...LookupAddress[]]> {
  const host = bareHost(url)
  const family = isIP(host)
  const found =
    family > 0
      ? [{ address: host, family }]
      : await exchange.race(guard.lookup(host, { all: true, signal: exchange.signal }))
  const [first, ...rest] = found
  if (first === undefined) throw explain({ code: 'ENOTFOUND' })
  if (!found.every(({ address }) => guard.permits(address, portOf(url)))) throw privateRefusal()
  return [first, ...rest]
}

/** A connector whose look-up can only answer what was checked, and which looks once more at what it got. */
function pinnedConnector(
  guard: Guard,
  signal: AbortSignal,
  addresses: [LookupAddress, ...LookupAddress[]],
): buildConnector.connector {
  const [first] = addresses
  const dial = buildConnector({
    allowH2: false,
    maxCachedSessions: 0,
    timeout: 0,
    signal,
    rejectUnauthorized: true,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    lookup: (_hostname, options, callback) =>
      options.all === true ? callback(null, addresses) : callback(null, first.address, first.family),
  })
  return (options, callback) =>
    dial(options, (error, socket) => {
      if (error !== null) return callback(error, null)
      const { remoteAddress = '', remotePort = 0 } = socket
      // A socket that has already been closed again has no address; the request then fails by itself.
      if (socket.destroyed || guard.permits(remoteAddress, remotePort)) return callback(null, socket)
      socket.destroy()
      callback(privateRefusal(), null)
    })
}

/**
 * The default for `permits`: public, and if it is one of this machine's own addresses, then on a web port. A
 * connection to itself does not pass the firewall that keeps strangers from the machine's other ports.
 */
function isForeignAndPublic(address: string, port: number): boolean {
  if (!isPublicAddress(address)) return false
  if (isWebPort(port)) return true
  const wanted = canonicalAddress(address)
  const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
  return own.every((entry) => canonicalAddress(entry.address) !== wanted)
}

/**
 * Some servers compress unasked. One layer is undone, bounded on both sides: what comes in here (an endless run of empty
 * gzip members decodes to nothing), what comes out by `limitedBody`.
 */
function decoded(body: Readable, encoding: string | undefined, maxBytes: number): AsyncIterable<Uint8Array> {
  const name = (encoding ?? '').trim().toLowerCase()
  if (name === '' || name === 'identity') return body
  const decoder = decoderOf(name)
  if (decoder === null) {
    throw new MillraceError('NETWORK_ERROR', 'The website sent the file packed in a way that cannot be read.')
  }
  // The end of the pipeline is told to its reader; the callback has nothing to add.
  return pipeline(
    body,
    (chunks: AsyncIterable<Uint8Array>) => limited(chunks, maxBytes),
    decoder,
    () => {},
  )
}

function decoderOf(encoding: string) {
  if (encoding === 'gzip' || encoding === 'x-gzip') return createGunzip()
  if (encoding === 'deflate') return createInflate()
  return encoding === 'br' ? createBrotliDecompress() : null
}

/** Turns a network failure into an error for the person who sent the link. Addresses stay in `cause`, which no client sees. */
function explain(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  const code = codeOf(error)
  const fail = (message: string) => new MillraceError('NETWORK_ERROR', message, { cause: error })
  if (code === 'ENOTFOUND' || code === 'ENODATA') {
    return fail('There is no website under the name in this link. Check it for typing errors.')
  }
  if (code === 'EAI_AGAIN') return fail('The name in this link could not be looked up just now. Try again later.')
  if (code === 'ECONNREFUSED') return fail('The website refused the connection. Try again later.')
  if (code === 'ETIMEDOUT') {
    return new MillraceError('TIMEOUT', 'The website could not be reached. Try again later, or send the file itself.', {
      cause: error,
    })
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/.test(code)) {
    return fail('The security certificate of the website could not be verified.')
  }
  if (/^(ECONNRESET|EPIPE|UND_ERR_SOCKET|UND_ERR_RES_CONTENT_LENGTH_MISMATCH|Z_BUF_ERROR)$/.test(code)) {
    return fail('The connection broke off before the whole file had arrived. Try again later.')
  }
  if (/^(HPE_|Z_|UND_ERR_HEADERS|ERR_BROTLI|ERR__ERROR_FORMAT)/.test(code)) {
    return fail('The website answered with something that could not be understood.')
  }
  return fail('The website could not be reached. Try again later, or send the file itself.')
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : ''
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
