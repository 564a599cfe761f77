/** Liveness (`/healthz`) and readiness (`/readyz`) of the server. */
import { sql } from 'drizzle-orm'
import type { Hono } from 'hono'
import type { AppDeps, Env } from '../../http/context.ts'
import { type Endpoint, json } from '../../http/openapi/endpoint.ts'
import { CODED_ERRORS } from '../../http/response/error-formats.ts'
import { Routes } from '../../http/routes.ts'
import { findStorageFault } from '../../storage-errors.ts'
import * as liveness from './liveness-routes.ts'
import { NotReady, Ready } from './schemas.ts'

/** Time limit of a check: a server whose database needs longer for one row is not ready. */
const PATIENCE_MS = 2_000
/** Checks a second; requests beyond them get the last result, so that anonymous callers cannot wear out the disk. */
const MAX_CHECKS_A_SECOND = 10
const RETRY_AFTER_SECONDS = 5

type Deps = Pick<AppDeps, 'db' | 'log' | 'disk'>
type Trouble = Omit<NotReady, 'status'>

const isReady = {
  route: 'GET /readyz',
  id: 'isReady',
  summary: 'Whether the database answers too',
  access: 'public',
  query: 'any',
  answers: { 200: json('It does.', Ready), 503: json('It does not.', NotReady) },
} satisfies Endpoint

export const endpoints: readonly Endpoint[] = [...liveness.endpoints, isReady]

/**
 * `GET /healthz` (the process answers), `GET /readyz` (the database and the folder of files take writes, the queue of jobs being a table of
 * the database). Neither needs a key.
 *
 * Readiness is probed by writing: one row is committed, one small file written and removed. One check runs at a time for all callers, and at most {@link MAX_CHECKS_A_SECOND} a second.
 */
export function healthRoutes(deps: Deps): Hono<Env> {
  let checking: Promise<Trouble | null> | null = null
  let last: Trouble | null = null
  let second = { since: 0, checks: 0 }
  const check = (): Promise<Trouble | null> => {
    if (checking !== null) return checking
    if (performance.now() - second.since > 1_000) second = { since: performance.now(), checks: 0 }
    if (++second.checks > MAX_CHECKS_A_SECOND) return Promise.resolve(last)
    checking = findTrouble(deps)
      .then((trouble) => {
        last = trouble
        return trouble
      })
      .finally(() => {
        checking = null
      })
    return checking
  }
  const routes = new Routes('/', CODED_ERRORS).add(isReady, async (c) => {
    const trouble = await check()
    if (trouble === null) return c.json({ status: 'ready' } satisfies Ready)
    const answer: NotReady = { status: 'unavailable', ...trouble }
    return c.json(answer, 503, { 'Retry-After': String(RETRY_AFTER_SECONDS) })
  })
  return liveness.livenessRoutes().route('/', routes.hono)
}

/** Writes to the database, then to the disk. @returns what is wrong; null when nothing is */
async function findTrouble(deps: Deps): Promise<Trouble | null> {
  const database = await attempt(deps, 'the database does not answer', () =>
    deps.db.run(sql`
      INSERT INTO server_state (name, value) VALUES ('readiness', unixepoch()) ON CONFLICT (name) DO UPDATE SET value = excluded.value`),
  )
  if (database !== null) return { database }
  const files = await attempt(deps, 'the folder of files takes nothing', async () => deps.disk?.check())
  return files === null ? null : { database: 'answers', files }
}

/** Runs a check. @returns the error's text for the operator; null on success */
async function attempt(deps: Deps, message: string, run: () => PromiseLike<unknown>): Promise<string | null> {
  try {
    await inTime(run())
    return null
  } catch (error) {
    deps.log.error({ event: 'readiness.failed', err: error }, message)
    return error instanceof Late ? `did not answer within ${PATIENCE_MS / 1_000} seconds` : describe(error)
  }
}

function describe(error: unknown): string {
  if (isMoved(error)) return 'was removed or replaced while the server runs; put it back, or start the server anew'
  const fault = findStorageFault(error)
  if (fault === 'full') return 'has no space left'
  if (fault === 'locked') return 'does not answer: another process holds its lock'
  return 'does not answer'
}

/** SQLite's own code for a database file that is no longer the one that was opened. */
function isMoved(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  return ('code' in thrown && thrown.code === 'SQLITE_READONLY_DBMOVED') || isMoved(thrown.cause)
}

class Late extends Error {}

async function inTime<T>(work: PromiseLike<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Late('Nothing came back.')), PATIENCE_MS)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}
