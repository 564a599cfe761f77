/** Whether the server is alive, and whether it can work. */
import { sql } from 'drizzle-orm'
import { Hono } from 'hono'
import type { AppDeps, Env } from '../../http/context.ts'
import { livenessRoutes } from './liveness-routes.ts'

/** A server whose database needs longer than this for nothing is of no use to anybody. */
const PATIENCE_MS = 2_000

/**
 * `GET /healthz` (the process answers), `GET /readyz` (the database takes writes, the queue of jobs being one of its tables). Neither needs
 * a key.
 */
export function healthRoutes(deps: Pick<AppDeps, 'db' | 'log'>): Hono<Env> {
  return new Hono<Env>().route('/', livenessRoutes()).get('/readyz', async (c) => {
    try {
      // Changes nothing, but waits for its turn to write as everything else has to.
      await inTime(deps.db.run(sql`UPDATE workers SET seen_at = seen_at WHERE false`))
      return c.json({ status: 'ready' })
    } catch (error) {
      deps.log.error({ err: error }, 'the database does not answer')
      const database =
        error instanceof Late ? `did not answer within ${PATIENCE_MS / 1_000} seconds` : 'does not answer'
      return c.json({ status: 'unavailable', database }, 503)
    }
  })
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
