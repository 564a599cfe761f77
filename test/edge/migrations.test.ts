import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, it } from 'vitest'

it('brings the schema of every migration to D1', async () => {
  await applyD1Migrations(env.DB, env.MIGRATIONS)
  const tables = await env.DB.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all<{ name: string }>()
  expect(tables.results.map(({ name }) => name)).toEqual(expect.arrayContaining(['jobs', 'batches', 'events']))
})
