/** What is told of tasks without asking: webhooks when they end; and the health of a server whose workers are silent. */
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Health } from '../../../src/features/cards/schemas.ts'
import { VERSION } from '../../../src/version.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { until } from '../../support/until.ts'
import { opened, openReceiver } from '../webhooks/receiver.ts'
import { CardClient, KEYED, keyOf, someCards } from './client.ts'

let server: TestServer
let client: CardClient

beforeAll(async () => {
  server = await startServer({ env: { ...KEYED, MILLRACE_ALLOW_PRIVATE_URLS: '1' } })
  client = new CardClient(server, await keyOf('teller'))
})
afterAll(() => server[Symbol.asyncDispose]())

describe('a webhook', () => {
  it('is told, signed, that an import has ended, with the secret that the answer gave', async () => {
    await using receiver = await openReceiver()
    const accepted = await client.accepted(
      client.post('/bulk/import', { cards: someCards(3), webhook: { url: receiver.url } }),
    )
    const message = await until(async () => receiver.received[0] ?? null)
    const payload = opened(message, accepted.webhook_secret ?? '')
    expect(payload).toMatchObject({ type: 'batch_completed', data: { batchId: accepted.task_id, status: 'completed' } })
    expect(await client.status(accepted.task_id)).toMatchObject({ status: 'SUCCESS', result: { cards_imported: 3 } })
    expect(receiver.received).toHaveLength(1)
  })

  it('may be named in the query of a streamed import, and by exports and deletes', async () => {
    await using receiver = await openReceiver()
    const url = encodeURIComponent(receiver.url)
    const lines = JSON.stringify(someCards(1)[0])
    const tasks = [
      await client.accepted(client.send(`/bulk/import?webhook=${url}`, 'application/x-ndjson', lines)),
      await client.accepted(client.post('/bulk/export', { webhook: { url: receiver.url } })),
      await client.accepted(client.post('/bulk/delete', { card_ids: ['none'], webhook: { url: receiver.url } })),
    ]
    await until(async () => (receiver.received.length >= tasks.length ? true : null))
    for (const { task_id, webhook_secret } of tasks) {
      const message = receiver.received.find(({ body }) => body.includes(task_id))
      expect(opened(message, webhook_secret ?? '')).toMatchObject({ type: 'batch_completed' })
    }
  })
})

describe('health', () => {
  it('is degraded, with no worker, while none has signed in for a while', async () => {
    const db = new DatabaseSync(join(server.dataDir, 'millrace.db'), { timeout: 5_000 })
    const seen = await until(async () => {
      // A worker signs in every second, so that one look may come too late.
      db.exec('UPDATE workers SET seen_at = 0')
      const health = Health.parse(await (await server.fetch('/bulk/health')).json())
      return health.status === 'degraded' ? health : null
    })
    db.close()
    expect(seen).toEqual({
      status: 'degraded',
      service: 'bulk-operations',
      version: VERSION,
      celery_workers: 'unavailable',
      worker_count: 0,
    })
    await until(async () => {
      const health = Health.parse(await (await server.fetch('/bulk/health')).json())
      return health.status === 'healthy' ? health : null
    })
  })
})
