/** The client against a real server: everything but following. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ApiError, type Client, createClient } from '../../src/client/index.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { heatSheet, SWIMMER } from '../support/sheets.ts'
import { TestProxy } from './proxy.ts'

let server: TestServer
let client: Client
beforeAll(async () => {
  server = await startServer()
  client = createClient({ baseUrl: server.url })
})
afterAll(() => server[Symbol.asyncDispose]())

const QUICK = { retryMs: 10 }
const values = (count: number, more: object = {}) => Array.from({ length: count }, (_, value) => ({ value, ...more }))
async function everything<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const value of iterable) list.push(value)
  return list
}

async function errorOf(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  )
  if (error instanceof ApiError) return error
  throw new Error(`No ApiError, but ${error}.`)
}

describe('a batch', () => {
  it('is created, waited for and read', async () => {
    const accepted = await client.create({ operation: 'echo', items: values(5), options: { labels: ['read'] } })
    expect(accepted).toMatchObject({ success: true, totalJobs: 5, created: true })
    const { batch, jobs } = await client.wait(accepted)
    expect(batch).toMatchObject({ id: accepted.batchId, status: 'completed', completedJobs: 5 })
    expect(jobs).toHaveLength(5)
    const succeeded = await client.items(accepted.batchId, { set: 'succeeded' })
    expect(succeeded.items.map(({ result }) => result)).toEqual([0, 1, 2, 3, 4])
    expect((await client.list({ label: 'read' })).items).toMatchObject([{ id: accepted.batchId, operation: 'echo' }])
  })

  it('is listed page by page without a look at the cursor', async () => {
    const accepted = await client.create({
      operation: 'echo',
      items: [...values(5), { error: 'No.' }, { error: 'Never.' }],
      options: { labels: ['pages'] },
    })
    await client.wait(accepted)
    const page = await client.jobs(accepted, { limit: 2 })
    expect(page.items).toHaveLength(2)
    expect((await everything(page)).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7])
    const failed = await everything(await client.items(accepted, { set: 'failed', limit: 1 }))
    expect(failed.map(({ index, errorMessage }) => [index, errorMessage])).toEqual([
      [5, 'No.'],
      [6, 'Never.'],
    ])
    await client.create({ operation: 'echo', items: values(1), options: { labels: ['pages'] } })
    expect(await everything(await client.list({ label: 'pages', limit: 1 }))).toHaveLength(2)
  })

  it('is cancelled, retried and deleted', async () => {
    // Longer than it takes a running job to hear of it.
    const items = values(3, { waitMs: 5_000 })
    const accepted = await client.create({ operation: 'echo', items })
    await client.cancel(accepted)
    expect((await client.wait(accepted)).batch).toMatchObject({ status: 'cancelled', cancelledJobs: 3 })
    expect(await client.retry(accepted)).toBe(3)
    expect(await errorOf(client.delete(accepted))).toMatchObject({ code: 'CONFLICT', status: 409 })
    expect((await client.wait(accepted)).batch).toMatchObject({ status: 'completed', completedJobs: 3 })
    expect(await errorOf(client.retry(accepted))).toMatchObject({ code: 'CONFLICT', status: 409 })
    await client.delete(accepted)
    expect(await errorOf(client.status(accepted))).toMatchObject({ code: 'NOT_FOUND', status: 404 })
  })

  it('is paused and resumed', async () => {
    const accepted = await client.create({ operation: 'echo', items: values(1), options: { runAt: inSeconds(1) } })
    await client.pause(accepted)
    expect((await client.list({ limit: 1 })).items[0]).toMatchObject({ id: accepted.batchId, paused: true })
    await client.resume(accepted)
    expect((await client.wait(accepted)).batch.status).toBe('completed')
  })

  it('of heat sheets gives the merged schedule', async () => {
    const bytes = await heatSheet({ meet: 'Client Open' })
    const accepted = await client.extract({
      swimmer: SWIMMER,
      pdfs: [
        { name: 'one.pdf', bytes },
        new File([bytes.slice()], 'one.pdf'),
        { name: 'two.pdf', bytes: await heatSheet({ meet: 'Client Final' }) },
      ],
    })
    expect(accepted.totalJobs).toBe(2)
    await client.wait(accepted)
    const results = await client.results(accepted)
    expect(results).toMatchObject({ swimmerName: SWIMMER, totalEvents: 2 })
    expect(results.sources.map(({ filename }) => filename).sort()).toEqual(['one.pdf', 'two.pdf'])
  })
})

describe('errors', () => {
  it('carry what the server says', async () => {
    expect(await errorOf(client.create({ operation: 'no-such', items: [] }))).toMatchObject({
      code: 'INVALID_REQUEST',
      status: 400,
      field: 'operation',
      message: expect.stringContaining('no-such'),
      requestId: expect.any(String),
    })
    expect(await errorOf(client.extract({ swimmer: '' }))).toMatchObject({ code: 'MISSING_SWIMMER', field: 'swimmer' })
    const stranger = createClient({ baseUrl: server.url, apiKey: 'mr_wrong' })
    expect(await errorOf(stranger.list())).toMatchObject({ code: 'UNAUTHORIZED', status: 401 })
  })

  it('say when nobody answers, after trying again', async () => {
    await using proxy = await TestProxy.start('http://127.0.0.1:1')
    const far = createClient({ baseUrl: proxy.url, timing: QUICK })
    expect(await errorOf(far.status('x'))).toMatchObject({ code: 'NETWORK_ERROR', status: 0 })
    expect(proxy.seen).toHaveLength(5)
  })

  it('that may pass are waited out, as long as the server asks', async () => {
    await using proxy = await TestProxy.start(server.url)
    const refusals = [
      [429, '1'],
      [503, null],
    ] as const
    const at: number[] = []
    proxy.meddle = (_, response) => {
      at.push(Date.now())
      const refusal = refusals[at.length - 1]
      if (refusal === undefined) return false
      response.writeHead(refusal[0], refusal[1] === null ? {} : { 'Retry-After': refusal[1] }).end('busy')
      return true
    }
    const patient = createClient({ baseUrl: proxy.url, timing: QUICK })
    expect((await patient.list({ limit: 1 })).items).toHaveLength(1)
    expect(at).toHaveLength(3)
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(1_000)
  })

  it('that ask for more patience than a minute are given at once', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.meddle = (_, response) => {
      response.writeHead(429, { 'Retry-After': '3600' }).end('{"error":"RATE_LIMIT","message":"Enough for now."}')
      return true
    }
    const error = await errorOf(createClient({ baseUrl: proxy.url }).list())
    expect(error).toMatchObject({ code: 'RATE_LIMIT', message: 'Enough for now.', status: 429, retryAfter: 3_600 })
    expect(proxy.seen).toHaveLength(1)
  })

  it('give way to the reason of a signal', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.meddle = () => true
    const stop = new AbortController()
    const waiting = createClient({ baseUrl: proxy.url }).list({}, { signal: stop.signal })
    const reason = new Error('Enough.')
    stop.abort(reason)
    await expect(waiting).rejects.toBe(reason)
  })

  it('come when an answer stays out too long', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.meddle = () => proxy.seen.length < 2
    const slow = createClient({ baseUrl: proxy.url, timing: { ...QUICK, answerMs: 2_000 } })
    expect((await slow.list({ limit: 1 })).items).toHaveLength(1)
    expect(proxy.seen).toHaveLength(2)
  })
})

describe('what is sent twice', () => {
  it('makes one batch when the first answer is lost', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.swallows = 2
    const cut = createClient({ baseUrl: proxy.url, timing: QUICK })
    const label = `lost-${Date.now()}`
    const accepted = await cut.create({ operation: 'echo', items: values(2), options: { labels: [label] } })
    expect(accepted).toMatchObject({ totalJobs: 2, created: false })
    expect(proxy.seen).toHaveLength(3)
    expect((await client.list({ label })).items).toHaveLength(1)
  })

  it('makes one batch of documents', async () => {
    await using proxy = await TestProxy.start(server.url)
    proxy.swallows = 1
    const cut = createClient({ baseUrl: proxy.url, timing: QUICK })
    const pdfs = [{ name: 'twice.pdf', bytes: await heatSheet({ meet: 'Twice' }) }]
    const before = (await everything(await client.list({ operation: 'heat-sheet' }))).length
    await cut.extract({ swimmer: SWIMMER, pdfs })
    expect(await everything(await client.list({ operation: 'heat-sheet' }))).toHaveLength(before + 1)
  })

  it('is refused under the same key with other content', async () => {
    const idempotencyKey = `mine-${Date.now()}`
    const first = await client.create({ operation: 'echo', items: values(1), idempotencyKey })
    const again = await client.create({ operation: 'echo', items: values(1), idempotencyKey })
    expect(again).toMatchObject({ batchId: first.batchId, created: false })
    expect(await errorOf(client.create({ operation: 'echo', items: values(2), idempotencyKey }))).toMatchObject({
      code: 'IDEMPOTENCY_KEY_REUSED',
    })
    expect((await client.status(idempotencyKey)).batch.id).toBe(first.batchId)
  })
})

describe('an open batch', () => {
  it('takes slices in their order, whatever becomes of the answers', async () => {
    await using proxy = await TestProxy.start(server.url)
    const batch = await createClient({ baseUrl: proxy.url, timing: QUICK }).open({ operation: 'echo' })
    proxy.swallows = 3
    const adding = [batch.add(values(1_200)), batch.add(generated(200))]
    expect(await Promise.all(adding)).toEqual([1_200, 1_400])
    await batch.seal()
    expect((await client.wait(batch)).batch).toMatchObject({ status: 'completed', totalJobs: 1_400 })
    const items = await everything(await client.items(batch, { set: 'succeeded' }))
    expect(items.map(({ result }) => result)).toEqual([...values(1_200), ...values(200)].map(({ value }) => value))
  })

  it('keeps a slice that may have arrived for the next call', async () => {
    await using proxy = await TestProxy.start(server.url)
    const batch = await createClient({ baseUrl: proxy.url, timing: QUICK }).open({ operation: 'echo' })
    proxy.swallows = 5
    expect(await errorOf(batch.add(values(3)))).toMatchObject({ code: 'NETWORK_ERROR' })
    expect(batch.size).toBe(3)
    expect(await batch.add([{ value: 'after' }])).toBe(4)
    await batch.seal()
    await client.wait(batch)
    const items = await everything(await client.items(batch, { set: 'succeeded' }))
    expect(items.map(({ result }) => result)).toEqual([0, 1, 2, 'after'])
  })

  it('refuses what is no item, and goes on', async () => {
    const batch = await client.open({ operation: 'echo' })
    expect(await errorOf(batch.add([{ waitMs: -1 }]))).toMatchObject({ code: 'INVALID_REQUEST' })
    await expect(batch.add([undefined])).rejects.toThrow(TypeError)
    expect(await batch.add([{ value: 1 }])).toBe(1)
    await batch.seal()
    expect((await client.wait(batch)).batch.totalJobs).toBe(1)
  })

  it('is found again under its key', async () => {
    const idempotencyKey = `open-${Date.now()}`
    await (await client.open({ operation: 'echo', idempotencyKey })).add(values(4))
    const again = await client.open({ operation: 'echo', idempotencyKey })
    expect(again.size).toBe(4)
    expect(await again.add(values(1))).toBe(5)
    await again.seal()
    expect((await client.wait(again)).batch.completedJobs).toBe(5)
  })
})

async function* generated(count: number) {
  for (const item of values(count)) yield item
}

const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString()
