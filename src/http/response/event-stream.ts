/** Answers that stay open: server-sent events. */
import type { Context, HonoRequest } from 'hono'
import { MillraceError } from '../../errors.ts'
import type { StreamHub } from '../../live/stream-hub.ts'
import type { Sink } from '../../ports.ts'
import type { StreamAuthMonitor } from '../auth/stream-auth-monitor.ts'
import type { Env, OpenSink } from '../context.ts'

/** Nothing between server and client may hold back, change or keep a stream. */
const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
  'X-Content-Type-Options': 'nosniff',
}
/** Long enough for a client's next try to find another process, or this one with room. */
export const RETRY_AFTER_SECONDS = 5

const serverFull = () =>
  new MillraceError(
    'SERVICE_UNAVAILABLE',
    `This server holds as many streams as it may. Try again in ${RETRY_AFTER_SECONDS} seconds, or poll without /stream.`,
  )

const ownerFull = (max: number) =>
  new MillraceError(
    'RATE_LIMIT',
    `You hold ${max} streams and waiting requests, as many as one owner may. Close some and try again in ${RETRY_AFTER_SECONDS} seconds, follow all of your batches on one stream (GET /api/batch/stream), or poll without /stream and ?wait.`,
  )

function refusal(c: Context<Env>, hub: StreamHub, full: 'server' | 'owner'): MillraceError {
  c.header('Retry-After', String(RETRY_AFTER_SECONDS))
  return full === 'server' ? serverFull() : ownerFull(hub.maxPerOwner)
}

/**
 * Counts a request that is about to wait as one of its caller.
 * @returns a function that ends the count
 * @throws MillraceError as {@link openEventStream} does
 */
export function holdWait(c: Context<Env>, { hub }: { readonly hub: StreamHub }): () => void {
  const { owner } = c.get('caller')
  const release = hub.holdWait(owner)
  if (release === null) throw refusal(c, hub, hub.fullFor(owner) ?? 'server')
  return release
}

/**
 * Begins a stream of server-sent events, with the headers that middleware has set so far, and hands its sink to `follow`.
 * A `HEAD` gets the headers alone.
 * @throws MillraceError with `Retry-After`: SERVICE_UNAVAILABLE when this process holds as many streams as it may, RATE_LIMIT when the caller
 * holds as many as one owner may
 */
export function openEventStream(
  c: Context<Env>,
  deps: { readonly hub: StreamHub; readonly openSink: OpenSink; readonly credentials: StreamAuthMonitor },
  follow: (sink: Sink) => void,
): Response {
  if (c.req.method === 'HEAD') return c.body(null, 200, HEADERS)
  const { owner, credential } = c.get('caller')
  // Nothing may be awaited between this check and `hold`, or two streams could take the last slot.
  const full = deps.hub.fullFor(owner)
  if (full !== null) throw refusal(c, deps.hub, full)
  const headers = new Headers(c.res.headers)
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value)
  const { response, sink } = deps.openSink(c.env, Object.fromEntries(headers), c.req.raw)
  deps.hub.hold(owner, sink)
  deps.credentials.watch(sink, credential)
  // The response carries its headers, or has sent them. Merging the headers that middleware set before would make the context replace it.
  c.res = undefined
  c.res = response
  follow(sink)
  return response
}

/**
 * The number of the last event a client has: the `Last-Event-ID` header, else `?lastEventId=`, else 0.
 * @param inQuery the parameter
 * @returns null when it is no number of an event; such a client is brought up to date rather than refused, because
 * `EventSource` gives up for good on an error
 */
export function readCursor(request: Pick<HonoRequest, 'header'>, inQuery = ''): number | null {
  const text = request.header('Last-Event-ID') ?? inQuery
  if (text === '') return 0
  return /^\d{1,15}$/.test(text) ? Number(text) : null
}
