/**
 * The guarded Fetcher with a Worker's own fetch. The rules for URLs are applied to the URL and to each redirect; the name look-up and the
 * connection are the platform's, so no address can be pinned here. The platform guards the addresses behind a public name: a deployed Worker
 * reaches the public internet alone, and with the flag `global_fetch_strictly_public` its own zone only as the public does. `npm run dev:edge`
 * has no such platform, so requests go through a service that checks and pins addresses: see `fetch-outbound.ts`.
 */
import { MillraceError } from '../errors.ts'
import type { FairSemaphore } from '../fair-semaphore.ts'
import { filenameOf } from '../formats/file-name.ts'
import type { Clock, Fetched, Fetcher, GuardedAnswer, GuardedRequest, Sent } from '../ports.ts'
import { checkUrl, type UrlPolicy } from './fetch-address.ts'
import {
  createFetchSlots,
  type Exchange,
  limitedBody,
  MAX_DROPPED,
  openExchange,
  readWhole,
  USER_AGENT,
} from './fetch-exchange.ts'
import { networkError } from './fetch-faults.ts'
import { OUTCOME_HEADER, type OutboundMessage, sendThroughOutbound } from './fetch-outbound.ts'
import { followRedirects } from './fetch-redirects.ts'
import { outgoing, redirected } from './fetch-request.ts'
import { declaredSize, failureOf, mediaType, secondsToWait, sizeOf, tooLarge } from './fetch-response.ts'

/** Options of a Workers Fetcher. */
export interface WorkersFetcherOptions extends UrlPolicy {
  /** Clock by which a Retry-After date becomes a delay. */
  readonly clock?: Clock
  /** Requests of an owner in flight at once, among those of this Fetcher. @default 16 */
  readonly perOwner?: number
  /** Address of the outbound service that sends all requests, see `fetch-outbound.ts`. @default none: the platform's fetch sends them */
  readonly outbound?: string | undefined
}

type Guard = UrlPolicy & {
  readonly clock: Clock
  readonly slots: FairSemaphore
  readonly outbound: string | undefined
}
type Limits = Parameters<Fetcher['fetch']>[1]

/** Compression gains a PDF or a video nothing and lets a small answer become a large one, so it is not asked for. */
const GET: OutboundMessage = {
  method: 'GET',
  headers: { 'user-agent': USER_AGENT, accept: '*/*', 'accept-encoding': 'identity' },
}

/** Content codings that the runtime decodes by itself. */
const UNDONE = new Set(['', 'identity', 'gzip', 'br'])

/** Makes the Fetcher of a Worker. `allowPrivate` (MILLRACE_ALLOW_PRIVATE_URLS) lifts the address rule alone; for tests. */
export function createWorkersFetcher(options: WorkersFetcherOptions = {}): Fetcher {
  const guard: Guard = {
    allowPrivate: options.allowPrivate,
    clock: options.clock ?? Date,
    slots: createFetchSlots(options.perOwner),
    outbound: options.outbound,
  }
  return {
    fetch: (url, limits) => get(guard, url, limits),
    send: (url, message) => post(guard, url, message),
    request: (url, message) => request(guard, url, message),
  }
}

async function get(guard: Guard, raw: string, limits: Limits): Promise<Fetched> {
  const start = checkUrl(raw, guard)
  const exchange = await openExchange(guard.slots, limits)
  try {
    const { url, answer } = await followRedirects(
      guard,
      exchange,
      start,
      (at) => hop(guard, exchange, at, GET),
      ({ status, headers }) => ({ status, location: headers.get('location') ?? undefined }),
    )
    const header = (name: string) => answer.headers.get(name) ?? undefined
    const failure = failureOf(answer.status, header('retry-after'), guard.clock.now())
    if (failure !== null) throw failure
    if ((declaredSize(header('content-length')) ?? 0) > limits.maxBytes) throw tooLarge(limits.maxBytes)
    exchange.answered()
    return {
      url: url.href,
      contentType: mediaType(header('content-type')),
      filename: filenameOf(header('content-disposition'), url),
      size: sizeOf(header('content-length'), header('content-encoding')),
      body: limitedBody(decoded(answer), exchange, limits.maxBytes, brokenOff),
    }
  } catch (error) {
    exchange.end()
    throw exchange.signal.aborted ? exchange.signal.reason : unreachable(error)
  }
}

async function post(guard: Guard, raw: string, message: Parameters<Fetcher['send']>[1]): Promise<Sent> {
  const url = checkUrl(raw, guard)
  const exchange = await openExchange(guard.slots, message)
  try {
    const headers = { 'user-agent': USER_AGENT, ...message.headers }
    const answer = await hop(guard, exchange, url, { method: 'POST', headers, body: message.body })
    // The status is the answer: an error in what follows it changes nothing.
    await exchange.race(drop(answer)).catch(() => {})
    const retryAfterSeconds = secondsToWait(answer.headers.get('retry-after') ?? undefined, guard.clock.now())
    return { status: answer.status, retryAfterSeconds }
  } catch (error) {
    throw exchange.signal.aborted ? exchange.signal.reason : unreachable(error)
  } finally {
    exchange.end()
  }
}

async function request(guard: Guard, raw: string, message: GuardedRequest): Promise<GuardedAnswer> {
  const start = checkUrl(raw, guard)
  let sent = outgoing(message)
  const exchange = await openExchange(guard.slots, message)
  try {
    const { url, answer } = await followRedirects(
      guard,
      exchange,
      start,
      (at) => hop(guard, exchange, at, sent),
      ({ status, headers }) => ({ status, location: headers.get('location') ?? undefined }),
      (redirect) => {
        sent = redirected(sent, message, redirect)
      },
    )
    const { maxBytes } = message
    const declared = declaredSize(answer.headers.get('content-length') ?? undefined) ?? 0
    if (sent.method !== 'HEAD' && declared > maxBytes) throw tooLarge(maxBytes)
    exchange.answered()
    const body = await exchange.race(readWhole(decoded(answer), maxBytes))
    const { [OUTCOME_HEADER]: _, ...headers } = Object.fromEntries(answer.headers)
    const retryAfterSeconds = secondsToWait(headers['retry-after'], guard.clock.now())
    return { url: url.href, status: answer.status, headers, retryAfterSeconds, body }
  } catch (error) {
    throw exchange.signal.aborted ? exchange.signal.reason : exchange.hasAnswer ? brokenOff(error) : unreachable(error)
  } finally {
    exchange.end()
  }
}

/** One request. `url` has passed `checkUrl` or `checkRedirect`. What one caller fetched is never another's answer: nothing is cached. */
async function hop(guard: Guard, exchange: Exchange, url: URL, message: OutboundMessage): Promise<Response> {
  const hangUp = new AbortController()
  exchange.onRelease(() => hangUp.abort())
  const init: RequestInit = { redirect: 'manual', cache: 'no-store', signal: hangUp.signal }
  return exchange.race(
    guard.outbound === undefined
      ? fetch(url, { ...init, ...message, body: message.body ?? null })
      : sendThroughOutbound(guard.outbound, url, message, init),
  )
}

/**
 * The body without its content coding. The runtime undoes the codings of the web by itself; what came over the wire can't be counted then,
 * so a coding of nothing but empty pieces ends by the time limit.
 */
function decoded(answer: Response): ReadableStream<Uint8Array> {
  const coding = (answer.headers.get('content-encoding') ?? '').trim().toLowerCase()
  const body = answer.body ?? new Blob([]).stream()
  if (UNDONE.has(coding)) return body
  if (coding === 'x-gzip') return body.pipeThrough(new DecompressionStream('gzip'))
  if (coding === 'deflate') return body.pipeThrough(new DecompressionStream('deflate'))
  throw new MillraceError('NETWORK_ERROR', 'The website sent the file packed in a way that cannot be read.')
}

async function drop(answer: Response): Promise<void> {
  let bytes = 0
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_DROPPED) return
  }
}

/** Message of workerd's errors for a connection that was refused, and for one that was broken off. */
const CONNECTION_LOST = 'Network connection lost.'

/** Converts a failure before the response into an error for the caller who sent the link. The runtime's own message stays in `cause`. */
function unreachable(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  return networkError(error instanceof Error && error.message === CONNECTION_LOST ? 'lost' : 'unreachable', error)
}

/** The same of a failure after it. */
function brokenOff(error: unknown): MillraceError {
  return error instanceof MillraceError ? error : networkError('reset', error)
}
