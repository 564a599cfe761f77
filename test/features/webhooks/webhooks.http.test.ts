/** Webhooks over real HTTP, against a server process, which is killed. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { BatchAccepted } from '../../../src/features/batches/schemas.ts'
import { Delivery } from '../../../src/features/webhooks/schemas.ts'
import { freshFolder, ON_CLOUDFLARE, runKeys, startServer, type TestServer } from '../../support/server.ts'
import { scaled } from '../../support/time-limits.ts'
import { until } from '../../support/until.ts'
import { opened, openReceiver } from './receiver.ts'

const KEY = 'a-key-for-these-tests'
const SECRET = `whsec_${btoa('0123456789abcdefghijklmnopqrstuv')}`
const env = { MILLRACE_ALLOW_PRIVATE_URLS: '1', MILLRACE_API_KEY: KEY, CONCURRENCY: '4' }

const Page = z.object({ success: z.literal(true), deliveries: z.array(Delivery), next: z.string().nullable() })
const One = z.object({ success: z.literal(true), delivery: Delivery })
const Refusal = z.object({
  success: z.literal(false),
  error: z.string(),
  message: z.string(),
  field: z.string().optional(),
})

let server: TestServer
beforeAll(async () => {
  server = await startServer({ env })
})
afterAll(() => server[Symbol.asyncDispose]())

const post = (path: string, body?: unknown, headers: Record<string, string> = {}, on = server) =>
  on.fetch(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
const batchWith = (webhook: unknown, items: readonly unknown[] = [{}]) => ({
  operation: 'echo',
  items,
  options: { webhook },
})
async function create(body: unknown, headers: Record<string, string> = {}, on = server) {
  const response = await post('/api/batch', body, headers, on)
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  return BatchAccepted.parse(JSON.parse(text))
}
async function log(query = '', on = server) {
  return Page.parse(await (await on.fetch(`/api/webhooks/deliveries${query}`)).json())
}
const arrived = (batchId: string) =>
  until(async () => {
    const { deliveries } = await log(`?batchId=${batchId}`)
    return deliveries[0]?.status === 'completed' ? deliveries[0] : null
  })

describe('asking for a webhook', () => {
  it('gives the secret in the answer to the create, again when it is sent again, and nowhere else', async () => {
    await using receiver = await openReceiver()
    const body = batchWith({ url: receiver.url })
    const key = { 'Idempotency-Key': 'told-once' }
    const first = await create(body, key)
    const again = await create(body, key)
    expect(again).toEqual({ ...first, created: false })
    const secret = first.webhookSecret ?? ''
    expect(secret).toMatch(/^whsec_/)
    const delivery = await arrived(first.batchId)
    expect(opened(receiver.received[0], secret).data.batchId).toBe(first.batchId)
    const shown = await Promise.all(
      [
        '/api/batch',
        `/api/batch/${first.batchId}`,
        `/api/batch/${first.batchId}/jobs`,
        `/api/batch/${first.batchId}/results`,
        `/api/batch/${first.batchId}/stream?lastEventId=0`,
        '/api/webhooks/deliveries',
        `/api/webhooks/deliveries/${delivery.id}`,
      ].map(async (path) => (await server.fetch(path)).text()),
    )
    for (const text of [...shown, server.output]) {
      expect(text).not.toContain(secret)
      expect(text).not.toContain(secret.slice(6))
    }
    expect(shown[0]).not.toContain('"webhook"')
  })

  it('does not give back a secret that the caller brought', async () => {
    await using receiver = await openReceiver()
    const { batchId, webhookSecret } = await create(batchWith({ url: receiver.url, secret: SECRET }))
    expect(webhookSecret).toBeUndefined()
    await arrived(batchId)
    expect(opened(receiver.received[0], SECRET).data.batchId).toBe(batchId)
  })

  it.each([
    [{}, 'options.webhook.url'],
    [{ url: 'ftp://example.org/' }, 'options.webhook.url'],
    [{ url: 'http://user:pass@example.org/' }, 'options.webhook.url'],
    [{ url: `http://example.org/${'x'.repeat(2048)}` }, 'options.webhook.url'],
    [{ url: 'http://example.org/', secret: 'abc' }, 'options.webhook.secret'],
    [{ url: 'http://example.org/', secret: `whsec_${btoa('x'.repeat(23))}` }, 'options.webhook.secret'],
    [{ url: 'http://example.org/', secret: `whsec_${btoa('x'.repeat(65))}` }, 'options.webhook.secret'],
    [{ url: 'http://example.org/', secret: 'whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY' }, 'options.webhook.secret'],
    [{ url: 'http://example.org/', events: [] }, 'options.webhook.events'],
    [{ url: 'http://example.org/', events: ['job_progress'] }, 'options.webhook.events.0'],
    ['http://example.org/', 'options.webhook'],
  ])('refuses %j, naming the field', async (webhook, field) => {
    const response = await post('/api/batch', batchWith(webhook))
    expect(response.status).toBe(400)
    expect(Refusal.parse(await response.json())).toMatchObject({ error: 'INVALID_REQUEST', field })
  })

  it('cannot be done by making a batch of deliveries', async () => {
    const response = await post('/api/batch', { operation: 'webhook', items: [{}] })
    expect(response.status).toBe(400)
    const { message } = Refusal.parse(await response.json())
    expect(message.split('There are: ')[1]).toMatch(/\becho\b/)
    expect(message.split('There are: ')[1]).not.toMatch(/\bwebhook\b/)
  })
})

describe('the log over HTTP', () => {
  it('is paged, filtered, and sends again what is asked for', async () => {
    await using receiver = await openReceiver()
    const { batchId } = await create(
      batchWith({ url: receiver.url, events: ['job_failed', 'batch_completed'] }, [{ error: 'a' }, { error: 'b' }]),
      { 'Idempotency-Key': 'mine' },
    )
    await until(async () => (receiver.received.length === 3 ? true : null))
    await until(async () => ((await log(`?batchId=${batchId}&status=completed`)).deliveries.length === 3 ? true : null))
    const whole = await log('?batchId=mine')
    expect(whole.deliveries.map(({ event }) => event)).toEqual(['batch_completed', 'job_failed', 'job_failed'])
    const first = await log(`?batchId=${batchId}&limit=2`)
    const second = await log(`?batchId=${batchId}&limit=2&cursor=${first.next}`)
    expect([...first.deliveries, ...second.deliveries]).toEqual(whole.deliveries)
    expect(second.next).toBeNull()
    const id = whole.deliveries[0]?.id ?? ''
    const again = await post(`/api/webhooks/deliveries/${id}/redeliver`)
    expect(again.status).toBe(202)
    expect(One.parse(await again.json()).delivery).toMatchObject({ id })
    await until(async () => (receiver.received.length === 4 ? true : null))
    expect(receiver.received[3]?.id).toBe(id)
  })

  it('shows another owner nothing', async () => {
    await using receiver = await openReceiver()
    const { batchId } = await create(batchWith({ url: receiver.url }))
    const { id } = await arrived(batchId)
    const made = await runKeys(server, ['create', 'ada'])
    const headers = { Authorization: `Bearer ${/mr_\S+/.exec(made.output)?.[0]}` }
    const get = (path: string) => server.fetch(`/api/webhooks/deliveries${path}`, { headers })
    expect(Page.parse(await (await get('')).json()).deliveries).toEqual([])
    const hidden = id.slice(0, id.lastIndexOf('-'))
    const refused = await Promise.all([
      get(`/${id}`),
      get(`?batchId=${batchId}`),
      post(`/api/webhooks/deliveries/${id}/redeliver`, undefined, headers),
      // The batch that holds the deliveries is nobody's, not even the owner's of what they tell.
      server.fetch(`/api/batch/${hidden}`),
      post(`/api/batch/${hidden}/cancel`),
      server.fetch(`/api/batch/${hidden}`, { headers }),
      get('/no-such-delivery'),
    ])
    for (const response of refused) {
      expect(response.status).toBe(404)
      expect(Refusal.parse(await response.json()).error).toBe('NOT_FOUND')
    }
    expect(receiver.received).toHaveLength(1)
  })

  it.each([
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['status=gone', 'status'],
    ['cursor=x', 'cursor'],
  ])('refuses ?%s, naming it', async (query, field) => {
    const response = await server.fetch(`/api/webhooks/deliveries?${query}`)
    expect(response.status).toBe(400)
    expect(Refusal.parse(await response.json())).toMatchObject({ field })
  })
})

// On Cloudflare a killed worker's lease runs out first: see test/live/durable-objects.cloudflare.test.ts.
describe.skipIf(ON_CLOUDFLARE)('a server that is killed', () => {
  it('while a receiver has a message but has not answered sends it again, under the same id', async () => {
    const dataDir = await freshFolder()
    let victim = await startServer({ dataDir, env })
    await using receiver = await openReceiver(() => void victim.end('SIGKILL'), 204)
    const { batchId } = await create(batchWith({ url: receiver.url, secret: SECRET }), {}, victim)
    await until(async () => (receiver.received.length === 1 ? true : null))
    await victim.end('SIGKILL')
    victim = await startServer({ dataDir, env })
    await until(async () => (receiver.received.length === 2 ? true : null))
    const [first, second] = receiver.received
    expect(second?.id).toBe(first?.id)
    expect(second?.body).toBe(first?.body)
    expect(opened(second, SECRET).data.batchId).toBe(batchId)
    await victim[Symbol.asyncDispose]()
    await rm(dataDir, { recursive: true })
  })

  it('at random instants loses no event', { timeout: scaled(120_000) }, async () => {
    const dataDir = await freshFolder()
    await using receiver = await openReceiver()
    const items = [{}, { error: 'a' }, { waitMs: 20 }, { waitMs: 40, error: 'b' }, { waitMs: 5 }]
    const webhook = { url: receiver.url, secret: SECRET, events: ['job_failed', 'batch_completed'] }
    const accepted: string[] = []
    const waits: number[] = []
    for (let kill = 0; kill < 10; kill++) {
      await using victim = await startServer({ dataDir, env })
      for (let i = 0; i < 3; i++) accepted.push((await create(batchWith(webhook, items), {}, victim)).batchId)
      const wait = Math.random() * 120
      waits.push(Math.round(wait))
      await new Promise((resolve) => setTimeout(resolve, wait))
      await victim.end('SIGKILL')
    }
    console.log(`killed after ${waits.join(', ')} ms; ${receiver.received.length} messages had come by then`)
    const last = await startServer({ dataDir, env })
    await until(async () => {
      const { deliveries } = await log('?limit=1000', last)
      return deliveries.length === 90 && deliveries.every(({ status }) => status === 'completed') ? true : null
    }, 60_000)
    const told = new Map(receiver.received.map((message) => [message.id, opened(message, SECRET)]))
    const seen = [...told.values()].map(({ type, data }) => `${data.batchId} ${type} ${data.sequence ?? data.status}`)
    expect(seen.sort()).toEqual(
      accepted.flatMap((id) => [`${id} batch_completed partial`, `${id} job_failed 2`, `${id} job_failed 4`]).sort(),
    )
    await last[Symbol.asyncDispose]()
    await rm(dataDir, { recursive: true })
  })
})
