/** Rate limits: the class of each request, the headers that report it, and the refusal once an hour's quota is used up. */
import { sql } from 'drizzle-orm'
import type { Context, MiddlewareHandler } from 'hono'
import { MillraceError } from '../../errors.ts'
import type { Clock, Database } from '../../ports.ts'
import type { RateClass } from '../../rate-classes.ts'
import { batches } from '../../schema/batches.ts'
import type { Env } from '../context.ts'
import type { Surfaces } from '../surface.ts'
import type { MethodsOf } from './methods.ts'
import type { QuotaStatus, Quotas } from './quotas.ts'

/**
 * Refuses requests whose class is used up for this hour, with 429, and reports the state of the limit in every answer. Requests that match no
 * route are not counted.
 */
export function limitRequests(
  deps: { db: Database; clock: Clock },
  quotas: Quotas,
  methods: MethodsOf,
  surfaces: Surfaces,
): MiddlewareHandler<Env> {
  return async (c, next) => {
    const owner = c.get('caller')?.owner
    const { method, path } = c.req
    if (owner === undefined || methods(path) === undefined) return next()
    const created = surfaces.creationClass(method, path)
    if (created !== null && quotas.limits(created)) {
      await limitCreation(c, { ...deps, keysInBodies: surfaces.find(path)?.keysInBodies }, quotas, created, owner)
    }
    const counted = created === null ? surfaces.rateClass(method, path) : null
    if (counted !== null) enforceLimit(c, deps.clock, await quotas.consume(counted, owner))
    return next()
  }
}

/** Checks the limit before the body is read; the unit is consumed only once the request creates something. */
async function limitCreation(
  c: Context<Env>,
  deps: { db: Database; clock: Clock; keysInBodies: boolean | undefined },
  quotas: Quotas,
  name: RateClass,
  owner: string,
): Promise<void> {
  const before = await quotas.peek(name, owner)
  const full = before !== null && !before.allowed
  if (full && deps.keysInBodies !== true && !(await isSentAgain(c, deps.db, owner))) enforceLimit(c, deps.clock, before)
  setRateLimitHeaders(c, deps.clock, before)
  c.set('admit', async () => {
    const taken = await quotas.consume(name, owner)
    enforceLimit(c, deps.clock, taken)
    return async () => {
      await quotas.refund(name, owner, taken)
      setRateLimitHeaders(c, deps.clock, await quotas.peek(name, owner))
    }
  })
}

/** Checks if the idempotency key of a creation is known, so that the request may repeat one that was answered before. */
async function isSentAgain(c: Context<Env>, db: Database, owner: string): Promise<boolean> {
  const key = c.req.header('Idempotency-Key')?.replace(/^"(.*)"$/, '$1')
  if (key === undefined) return false
  const found = await db
    .select({ id: batches.id })
    .from(batches)
    .where(sql`owner = ${owner} AND idempotency_key = ${key} AND idempotency_key IS NOT NULL`)
    .limit(1)
  return found.length > 0
}

/**
 * Lets a request pass that is allowed.
 * @throws MillraceError RATE_LIMIT, with `Retry-After`
 */
export function enforceLimit(c: Context<Env>, clock: Clock, standing: QuotaStatus | null): void {
  setRateLimitHeaders(c, clock, standing)
  if (standing === null || standing.allowed) return
  const retryAfter = secondsLeft(standing, clock)
  const what = `${standing.limit} an hour for "${standing.class}"`
  throw new MillraceError('RATE_LIMIT', `The limit of ${what} is used up. Try again in ${retryAfter} seconds.`, {
    details: { retryAfter },
  })
}

/**
 * Sets the headers of a quota: `X-RateLimit-*` (`Reset` in seconds since the epoch), and `RateLimit` and `RateLimit-Policy` as
 * draft-ietf-httpapi-ratelimit-headers-10 has them (`q` a window of `w` seconds; `r` left, `t` seconds until more).
 */
function setRateLimitHeaders(c: Context<Env>, clock: Clock, standing: QuotaStatus | null): void {
  if (standing === null) return
  const { class: name, limit, remaining, resetAt } = standing
  c.header('X-RateLimit-Limit', String(limit))
  c.header('X-RateLimit-Remaining', String(remaining))
  c.header('X-RateLimit-Reset', String(Math.floor(resetAt / 1_000)))
  c.header('RateLimit-Policy', `"${name}";q=${limit};w=3600`)
  c.header('RateLimit', `"${name}";r=${remaining};t=${secondsLeft(standing, clock)}`)
}

const secondsLeft = ({ resetAt }: QuotaStatus, clock: Clock) => Math.max(1, Math.ceil((resetAt - clock.now()) / 1_000))
