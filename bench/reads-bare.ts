/** The least that a Hono server can do to answer 100 ids: read the body, run the one query, send the rows. What batch reads are measured against. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { serve } from '@hono/node-server'
import { sql } from 'drizzle-orm'
import { Hono } from 'hono'
import { openLibsql } from '../src/drivers/db-libsql.ts'
import { activities } from '../src/features/resources/activity-tables.ts'

const { db } = await openLibsql(pathToFileURL(join(process.env.DATA_DIR ?? '.', 'millrace.db')).href, {
  migrations: join(import.meta.dirname, '..', 'drizzle'),
})

const app = new Hono().post('/api/v1/batch/get', async (c) => {
  const { ids } = await c.req.json<{ ids: string[] }>()
  const results = await db
    .select()
    .from(activities)
    .where(sql`owner IN ('bench', 'shared') AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`)
  return c.json({ results, total_succeeded: results.length })
})

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
  console.log(`The bare handler listens on http://127.0.0.1:${port}`),
)
