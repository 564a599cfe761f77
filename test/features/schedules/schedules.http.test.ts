/** Schedules over real HTTP. */
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient, schedulesClient } from '../../../src/client/index.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { until } from '../../support/until.ts'

let server: TestServer
let client: ReturnType<typeof createClient>
let schedules: ReturnType<typeof schedulesClient>
const KEY = 'a-key-for-schedules'
beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_API_KEY: KEY, MILLRACE_AUTH: 'keys', RATE_LIMITS: 'batch.create=3' } })
  client = createClient({ baseUrl: server.url, apiKey: KEY })
  schedules = schedulesClient(client)
})
afterAll(() => server[Symbol.asyncDispose]())

const daily = {
  name: 'Daily',
  cron: '0 8 * * *',
  timezone: 'Europe/Berlin',
  operation: 'echo',
  items: [{ value: 1 }, { value: 2 }],
}

it('begins what is due once, however long it has been, and links the batch', async () => {
  const { id } = await schedules.create({ ...daily, name: 'Missed' })
  const db = new DatabaseSync(server.databaseFile, { timeout: 5_000 })
  db.prepare('UPDATE schedules SET next_at = ? WHERE id = ?').run(Date.parse('2020-01-01T07:00:00Z'), id)
  db.close()
  const run = await until(async () => (await schedules.runs(id))[0])
  expect(run).toMatchObject({ dueAt: '2020-01-01T07:00:00.000Z', outcome: 'started', byHand: false })
  expect((await client.wait(run.batchId ?? '')).batch).toMatchObject({
    status: 'completed',
    completedJobs: 2,
    scheduleId: id,
    scheduledFor: '2020-01-01T07:00:00.000Z',
  })
  expect((await client.list()).items).toHaveLength(1)
  await schedules.delete(id)
})

describe('schedules', () => {
  it('are made, read, listed, changed, paused, resumed, run and deleted by the client', async () => {
    const made = await schedules.create(daily)
    expect(made).toMatchObject({ ...daily, itemCount: 2, overlap: 'skip', paused: false, lastBatchId: null })
    expect(made.nextRuns).toHaveLength(5)
    const changed = await schedules.change(made.id, { cron: '@hourly', timezone: 'UTC' })
    expect(changed.nextRuns.every((time) => time.endsWith(':00:00.000Z'))).toBe(true)
    expect(changed.items).toEqual(daily.items)
    expect(await schedules.pause(made.id)).toMatchObject({ paused: true, nextRuns: [] })
    const { batchId } = await schedules.run(made.id)
    expect((await client.wait(batchId)).batch).toMatchObject({ status: 'completed', scheduleId: made.id })
    expect(await schedules.runs(made.id)).toMatchObject([{ outcome: 'started', byHand: true, batchId }])
    expect((await schedules.resume(made.id)).nextRuns).toHaveLength(5)
    const second = await schedules.create({ ...daily, name: 'Second' })
    const page = await schedules.list({ limit: 1 })
    expect(page.items).toMatchObject([{ id: second.id }])
    expect(page.items[0]).not.toHaveProperty('items')
    const all: string[] = []
    for await (const { id } of page) all.push(id)
    expect(all).toEqual([second.id, made.id])
    await schedules.delete(made.id)
    await expect(schedules.read(made.id)).rejects.toMatchObject({ status: 404 })
  })

  it('count against the batches that their owner may make an hour', async () => {
    const { id } = await schedules.create({ ...daily, name: 'Limited', paused: true })
    await schedules.run(id)
    await expect(schedules.run(id)).rejects.toMatchObject({ status: 429, code: 'RATE_LIMIT' })
  })

  it('are refused by the field that is wrong', async () => {
    for (const [more, status, field] of [
      [{ cron: 'every day' }, 422, 'cron'],
      [{ timezone: 'Berlin' }, 422, 'timezone'],
      [{ items: [] }, 400, 'items'],
      [{ items: [{ waitMs: 'x' }] }, 400, 'items.0.waitMs'],
      [{ options: { runAt: '2100-01-01T00:00:00Z' } }, 400, 'options.runAt'],
      [{ crom: '@daily' }, 400, 'crom'],
      [{ overlap: 'maybe' }, 400, 'overlap'],
    ] as const) {
      const response = await server.fetch('/api/schedules', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${KEY}` },
        body: JSON.stringify({ ...daily, name: 'Wrong', ...more }),
      })
      expect([response.status, (await response.json()).field]).toEqual([status, field])
    }
  })
})
