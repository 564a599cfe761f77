/** Whether the server is alive, and whether it can work. */
import { sql } from 'drizzle-orm'
import { Hono } from 'hono'
import type { AppDeps, Env } from '../http/context.ts'

/** `GET /healthz` (the process answers), `GET /readyz` (the database answers too). Neither needs a key. */
export function healthRoutes(deps: Pick<AppDeps, 'db' | 'log'>): Hono<Env> {
  return new Hono<Env>()
    .get('/healthz', (c) => c.json({ status: 'ok' }))
    .get('/readyz', async (c) => {
      try {
        await deps.db.run(sql`SELECT 1`)
        return c.json({ status: 'ready' })
      } catch (error) {
        deps.log.error({ err: error }, 'the database does not answer')
        return c.json({ status: 'unavailable', database: 'does not answer' }, 503)
      }
    })
}
