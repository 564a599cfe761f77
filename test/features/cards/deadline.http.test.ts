/** The hour that a task has, over HTTP: every kind of it, and again when it is resumed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startServer, type TestServer } from '../../support/server.ts'
import { CardClient, KEYED, keyOf, query, someCards } from './client.ts'

const HOUR_MS = 3_600_000

let server: TestServer
let client: CardClient

beforeAll(async () => {
  server = await startServer({ env: KEYED })
  client = new CardClient(server, await keyOf('hourly'))
})
afterAll(() => server[Symbol.asyncDispose]())

const timesOf = (id: string) => {
  const [row] = query(
    server,
    'SELECT created_at, run_at, deadline_at, finished_at, idle_ms FROM batches WHERE id = ?',
    id,
  )
  const number = (name: string) => (row?.[name] === null ? null : Number(row?.[name]))
  const [createdAt, runAt, deadlineAt] = [number('created_at'), number('run_at'), number('deadline_at')]
  return { createdAt, runAt, deadlineAt, finishedAt: number('finished_at'), idleMs: number('idle_ms') }
}
const inHours = (hours: number) => new Date(Date.now() + hours * HOUR_MS).toISOString()

describe('a task', () => {
  it.each([
    ['import', { cards: someCards(2) }],
    ['export', {}],
    ['delete', { card_ids: ['none'] }],
    ['restore', { card_ids: ['none'] }],
  ])('of the kind %s ends an hour after it may begin', async (kind, body) => {
    const now = timesOf((await client.accepted(client.post(`/bulk/${kind}`, body))).task_id)
    expect(now.deadlineAt).toBe((now.createdAt ?? 0) + HOUR_MS)
    const run_at = inHours(48)
    const later = timesOf((await client.accepted(client.post(`/bulk/${kind}`, { ...body, run_at }))).task_id)
    expect(later.runAt).toBe(Date.parse(run_at))
    expect(later.deadlineAt).toBe(Date.parse(run_at) + HOUR_MS)
  })

  it.each([
    ['resumed', (id: string) => `/bulk/import/${id}/resume`],
    ['retried as a batch', (id: string) => `/api/batch/${id}/retry`],
  ])('that is %s has an hour again', async (_, path) => {
    const { task_id } = await client.accepted(client.post('/bulk/import', { cards: someCards(2), run_at: inHours(1) }))
    await client.post(`/api/batch/${task_id}/cancel`, {})
    await client.ended(task_id)
    const before = Date.now()
    expect((await client.post(path(task_id), {})).status).toBe(200)
    const { deadlineAt } = timesOf(task_id)
    expect(deadlineAt).toBeGreaterThanOrEqual(before + HOUR_MS)
    expect(deadlineAt).toBeLessThanOrEqual(Date.now() + HOUR_MS)
  })
})
