/** Calls to a server under test, as any owner with any scopes. */
import { setTimeout as pause } from 'node:timers/promises'
import { type JWTPayload, SignJWT } from 'jose'
import { scaled } from './limits.ts'
import { Fault } from './report.ts'
import type { Server } from './server.ts'

/** Secret of the JWTs that probes sign. */
export const JWT_SECRET = 'a-secret-that-only-this-run-of-probes-knows'
/** Environment of a server that wants keys and takes those JWTs. */
export const KEYS = { MILLRACE_AUTH: 'keys', JWT_SECRET } as const

const ANSWER_MS = 30_000
const LOOK_MS = 100

/** Signs claims as the issuer does. */
export function sign(claims: JWTPayload, secret = JWT_SECRET): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret))
}

/** A token of an owner that is good for an hour, with all scopes unless told. */
export function tokenOf(owner: string, scope?: string): Promise<string> {
  const exp = Math.floor(Date.now() / 1_000) + 3_600
  return sign({ sub: owner, exp, ...(scope === undefined ? {} : { scope }) })
}

/** A call. */
export interface Call {
  readonly method?: string
  /** Who calls, under `KEYS`; left out: nobody. */
  readonly as?: string
  readonly scope?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON unless it is text or bytes. */
  readonly body?: unknown
  readonly withinMs?: number
}

/** An answer, read to its end. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON; null where it is none. */
  readonly json: unknown
}

/** Sends a request and reads the answer. */
export async function call(server: Pick<Server, 'url'>, path: string, options: Call = {}): Promise<Answer> {
  const { as, scope, body, headers = {}, withinMs = ANSWER_MS } = options
  const sent =
    typeof body === 'string' || body instanceof FormData
      ? body
      : body instanceof Uint8Array
        ? Uint8Array.from(body)
        : JSON.stringify(body)
  const response = await fetch(new URL(path, server.url), {
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    headers: {
      ...(as === undefined ? {} : { Authorization: `Bearer ${await tokenOf(as, scope)}` }),
      ...(body === undefined || body instanceof FormData ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: sent }),
    redirect: 'manual',
    signal: AbortSignal.timeout(scaled(withinMs)),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: parse(text) }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** A member of a value, deep inside; undefined where there is none. */
export function pick(value: unknown, ...path: readonly (string | number)[]): unknown {
  let at = value
  for (const name of path) {
    if (typeof at !== 'object' || at === null) return undefined
    at = Reflect.get(at, name)
  }
  return at
}

/** Likewise, of text. @throws Fault where it is no text */
export function textAt(answer: Answer, ...path: readonly (string | number)[]): string {
  const found = pick(answer.json, ...path)
  if (typeof found === 'string') return found
  throw new Fault(`no ${path.join('.')} in ${answer.status} ${answer.text.slice(0, 120)}`)
}

/** Makes a batch of echo items. @returns its id */
export async function echo(server: Server, items: readonly unknown[], options: Call = {}): Promise<string> {
  const answer = await call(server, '/api/batch', { ...options, body: { operation: 'echo', items } })
  return textAt(answer, 'batchId')
}

/** Waits until `look` finds something, `ms` at most on a quiet machine. @throws Fault naming `what` */
export async function until<T>(what: string, ms: number, look: () => Promise<T | null>, everyMs = LOOK_MS): Promise<T> {
  const end = Date.now() + scaled(ms)
  for (;;) {
    const found = await look()
    if (found !== null) return found
    if (Date.now() > end) throw new Fault(`no ${what} within ${ms / 1_000} s`)
    await pause(everyMs)
  }
}

const ENDED = new Set(['completed', 'partial', 'failed', 'cancelled'])

/** Waits until a batch has ended. @returns its facts as `GET /api/batch/:id` has them */
export async function batchEnd(
  server: Server,
  id: string,
  options: Call & { ms?: number; everyMs?: number } = {},
): Promise<unknown> {
  const look = async () => {
    const { json } = await call(server, `/api/batch/${id}`, options)
    const batch = pick(json, 'batch')
    return ENDED.has(String(pick(batch, 'status'))) ? batch : null
  }
  return until(`end of the batch`, options.ms ?? 40_000, look, options.everyMs)
}

/** How long something takes, in ms. */
export async function timed(run: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await run()
  return performance.now() - from
}
