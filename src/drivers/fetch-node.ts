/**
 * The guarded Fetcher on Node. A caller names the URL, so its server is not trusted: names are looked up here,
 * every address found is checked, and the socket connects to those addresses alone.
 */
import { pipeline, type Readable } from 'node:stream'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { Client, type Dispatcher, Pool } from 'undici'
import { MillraceError } from '../errors.ts'
import { filenameOf } from '../formats/file-name.ts'
import type { Fetched, Fetcher, GuardedAnswer, GuardedRequest, NetworkFault, Sent } from '../ports.ts'
import { checkUrl } from './fetch-address.ts'
import { createGuard, type Guard, type NodeFetcherOptions, pinnedConnector, resolve } from './fetch-connect.ts'
import {
  type Exchange,
  limited,
  limitedBody,
  MAX_DROPPED,
  openExchange,
  readWhole,
  USER_AGENT,
} from './fetch-exchange.ts'
import { networkError } from './fetch-faults.ts'
import { followRedirects } from './fetch-redirects.ts'
import { type OutgoingRequest, outgoing, redirected } from './fetch-request.ts'
import { declaredSize, failureOf, mediaType, secondsToWait, sizeOf, tooLarge } from './fetch-response.ts'

type Answer = Dispatcher.ResponseData

const GET = {
  method: 'GET',
  // Compression gains a PDF or a video nothing and lets a small answer become a large one, so it is not asked for.
  headers: { 'user-agent': USER_AGENT, accept: '*/*', 'accept-encoding': 'identity' },
} as const

/**
 * Makes the Fetcher of a Node process. Each download and each delivery has a connection of its own, closed with it. Requests keep theirs for
 * the next of the same owner to the same origin, for {@link KEPT_MS} after the look-up that its address was checked under: nothing is shared
 * between callers. No cookies, no proxies from the environment, certificates always checked.
 * @param options `allowPrivate` (MILLRACE_ALLOW_PRIVATE_URLS) lifts the address rule alone; `clock` and `permits` are for tests
 */
export function createNodeFetcher(options: NodeFetcherOptions = {}): Fetcher {
  const guard = createGuard(options)
  const kept: KeptPools = new Map()
  return {
    fetch: (url, limits) => get(guard, url, limits),
    send: (url, message) => post(guard, url, message),
    request: (url, message) => request(guard, kept, url, message),
  }
}

/** One request as it goes over the wire. */
export interface SingleRequest {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | undefined
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
    const coding = header('content-encoding')
    const plain = decoded(answer.body, coding, limits.maxBytes)
    return {
      url: url.href,
      contentType: mediaType(header('content-type')),
      filename: filenameOf(header('content-disposition'), url),
      size: sizeOf(header('content-length'), coding),
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

/** Pooled connections, by owner and origin. */
type KeptPools = Map<string, Promise<Pool>>
/** Time that connections to an origin are pooled after its look-up, in milliseconds; then the name may resolve to other addresses. */
const KEPT_MS = 10_000
/** Time for a connection to be made, in milliseconds: requests that are called off leave it to others. */
const CONNECT_MS = 10_000

async function request(guard: Guard, kept: KeptPools, raw: string, message: GuardedRequest): Promise<GuardedAnswer> {
  const start = checkUrl(raw, guard)
  let sent = outgoing(message)
  const exchange = await openExchange(guard.slots, message)
  try {
    const { url, answer } = await followRedirects(
      guard,
      exchange,
      start,
      (at) => keptHop(guard, { kept, exchange, owner: message.owner ?? '' }, at, sent),
      ({ statusCode, headers }) => ({ status: statusCode, location: one(headers.location) }),
      (redirect) => {
        sent = redirected(sent, message, redirect)
      },
    )
    const { maxBytes } = message
    if (sent.method !== 'HEAD' && (declaredSize(one(answer.headers['content-length'])) ?? 0) > maxBytes)
      throw tooLarge(maxBytes)
    exchange.answered()
    const plain = decoded(answer.body, one(answer.headers['content-encoding']), maxBytes)
    const body = await exchange.race(readWhole(plain, maxBytes))
    const headers = firstOfEach(answer.headers)
    const retryAfterSeconds = secondsToWait(headers['retry-after'], guard.clock.now())
    return { url: url.href, status: answer.statusCode, headers, retryAfterSeconds, body }
  } catch (error) {
    throw exchange.signal.aborted ? exchange.signal.reason : explain(error)
  } finally {
    exchange.end()
  }
}

function firstOfEach(headers: Answer['headers']): Record<string, string> {
  const first: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const text = one(value)
    if (text !== undefined) first[name] = text
  }
  return first
}

/** One request on a connection that may have served others of its owner. A body that is not read to its end takes the connection with it. */
async function keptHop(
  guard: Guard,
  { kept, exchange, owner }: { kept: KeptPools; exchange: Exchange; owner: string },
  url: URL,
  { method, headers, body }: OutgoingRequest,
): Promise<Answer> {
  const pool = await exchange.race(poolOf(guard, kept, owner, url))
  const path = url.pathname + url.search
  const answer = await pool.request({ method, headers, body: body ?? null, path, signal: exchange.signal })
  // Keeps an error without a listener from ending the process; the reader gets it too.
  answer.body.on('error', () => {})
  exchange.onRelease(() => answer.body.destroy())
  return answer
}

/** Finds the connections of an owner to an origin, or looks its name up anew. */
function poolOf(guard: Guard, kept: KeptPools, owner: string, url: URL): Promise<Pool> {
  const key = `${url.origin} ${owner}`
  const known = kept.get(key)
  if (known !== undefined) return known
  const made = resolve(guard, url).then((addresses) => {
    const pool = new Pool(url.origin, {
      connect: pinnedConnector(guard, addresses, { timeout: CONNECT_MS }),
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    // Requests in flight end by themselves.
    setTimeout(() => {
      if (kept.get(key) === made) kept.delete(key)
      pool.close().catch(() => {})
    }, KEPT_MS).unref()
    return pool
  })
  kept.set(key, made)
  made.catch(() => {
    if (kept.get(key) === made) kept.delete(key)
  })
  return made
}

/** One request on one new connection, to an address that was checked. `url` has passed `checkUrl` or `checkRedirect`. */
async function hop(
  guard: Guard,
  exchange: Exchange,
  url: URL,
  init: Pick<Dispatcher.RequestOptions, 'method' | 'headers' | 'body'>,
): Promise<Answer> {
  const addresses = await exchange.race(resolve(guard, url, exchange.signal))
  const client = new Client(url.origin, {
    connect: pinnedConnector(guard, addresses, { timeout: 0, signal: exchange.signal }),
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
  // The reader gets the end of the pipeline; the callback has nothing to add.
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

/** Converts a network failure into an error for the caller who sent the link. */
function explain(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  const code = codeOf(error)
  if (code !== 'ETIMEDOUT') return networkError(faultOf(code), error)
  return new MillraceError('TIMEOUT', 'The website could not be reached. Try again later, or send the file itself.', {
    cause: error,
  })
}

/** Finds the fault that a code of Node, OpenSSL or undici stands for. */
function faultOf(code: string): NetworkFault {
  if (code === 'ENOTFOUND' || code === 'ENODATA') return 'unknown name'
  if (code === 'EAI_AGAIN') return 'name service'
  if (code === 'ECONNREFUSED') return 'refused'
  if (/CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/.test(code)) return 'certificate'
  if (/^(ECONNRESET|EPIPE|UND_ERR_SOCKET|UND_ERR_RES_CONTENT_LENGTH_MISMATCH|Z_BUF_ERROR)$/.test(code)) return 'reset'
  return /^(HPE_|Z_|UND_ERR_HEADERS|ERR_BROTLI|ERR__ERROR_FORMAT)/.test(code) ? 'garbled' : 'unreachable'
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : ''
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}
