import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { createD1Disk, openD1 } from '../../src/drivers/db-d1.ts'
import { describeNewerSchema } from '../../src/drivers/db-d1-schema.ts'
import { healthRoutes } from '../../src/features/server/health-routes.ts'
import { NEWEST_MIGRATION } from '../../src/schema/version.ts'
import { quietLog } from '../support/fixture.ts'

it('brings the schema of every migration to D1', async () => {
  await applyD1Migrations(env.DB, env.MIGRATIONS)
  const tables = await env.DB.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all<{ name: string }>()
  expect(tables.results.map(({ name }) => name)).toEqual(expect.arrayContaining(['jobs', 'batches', 'events']))
})

it('tells of a schema of a newer release, and of no other', async () => {
  await env.DB.prepare('CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY, name TEXT)').run()
  const last = env.MIGRATIONS.at(-1)?.name ?? ''
  expect(last).toBe(`${NEWEST_MIGRATION}.sql`)
  expect(await describeNewerSchema(env.DB)).toBeNull()
  await env.DB.prepare("INSERT INTO d1_migrations (name) VALUES ('9999_later.sql')").run()
  expect(await describeNewerSchema(env.DB)).toMatch(/newer release \(9999_later; this one knows it up to \d{4}_/)
  await env.DB.prepare("DELETE FROM d1_migrations WHERE name = '9999_later.sql'").run()
})

it('says how much of D1 is left', async () => {
  const { freeBytes, totalBytes } = await createD1Disk(env.DB, 1_000).space()
  expect(totalBytes).toBe(10_000_000_000)
  expect(freeBytes).toBeLessThan(totalBytes)
  expect(freeBytes).toBeGreaterThan(totalBytes / 2)
})

it('is ready when a row can be written', async () => {
  const { db } = openD1(env.DB)
  const app = healthRoutes({ db, log: quietLog() })
  expect((await app.request('/readyz')).status).toBe(200)
  // Other suites of this worker write rows of their own.
  expect(await db.all(sql`SELECT name FROM server_state WHERE name = 'readiness'`)).toEqual([{ name: 'readiness' }])
})
