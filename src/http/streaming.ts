/** Answers that stay open: server-sent events. */
import type { Context } from 'hono'
import type { Sink } from '../ports.ts'
import type { Env, OpenSink } from './context.ts'

/** Nothing between server and client may hold back, change or keep a stream. */
const HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
}

/** Begins a stream of server-sent events, with the headers that middleware has set so far. */
export function openEventStream(c: Context<Env>, openSink: OpenSink): { response: Response; sink: Sink } {
  return openSink(c.env, { ...Object.fromEntries(c.res.headers), ...HEADERS })
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
