/** Answers that stay open: server-sent events. */
import type { Context } from 'hono'
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
  // Nothing may be awaited between the look and `hold`, or two could take the last place.
  const full = deps.hub.fullFor(owner)
  if (full !== null) {
    c.header('Retry-After', String(RETRY_AFTER_SECONDS))
    throw full === 'server' ? serverFull() : ownerFull(deps.hub.maxPerOwner)
  }
  const headers = new Headers(c.res.headers)
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value)
  const { response, sink } = deps.openSink(c.env, Object.fromEntries(headers), c.req.raw)
  deps.hub.hold(owner, sink)
  deps.credentials.watch(sink, credential)
  // Its headers are in it, or gone out: it stays the answer it is. With what middleware set before it the context would make another of it.
  c.res = undefined
  c.res = response
  follow(sink)
  return response
}

/**
 * The number of the last event a client has: the `Last-Event-ID` header, else `?lastEventId=`, else 0.
 * @returns null when it is no number of an event; such a client is brought up to date rather than refused, because
 * `EventSource` gives up for good on an error
 */
export function readCursor(c: Context<Env>): number | null {
  const text = c.req.header('Last-Event-ID') ?? c.req.query('lastEventId') ?? ''
  if (text === '') return 0
  return /^\d{1,15}$/.test(text) ? Number(text) : null
}
