/** The native surface over real HTTP, against a server process. */
import { sign } from 'hono/jwt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ItemResult } from '../../../src/features/batches/schemas.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { scaled } from '../../support/time-limits.ts'
import { NativeClient, Refusal, type Sets } from './native-client.ts'

let server: TestServer
const JWT_SECRET = 'a secret that is long enough for HS256'
const KEY = 'a key for these tests'.replaceAll(' ', '-')

beforeAll(async () => {
  server = await startServer({ env: { CONCURRENCY: '4', MILLRACE_API_KEY: KEY, JWT_SECRET } })
})
afterAll(() => server[Symbol.asyncDispose]())

const { post, create, statusOf, setsOf, followed } = new NativeClient(() => server)

describe('creating', () => {
  it('runs any registered operation and lists what came of each item, in three sets', async () => {
    const { status, batchId, totalJobs } = await create({
      operation: 'echo',
      items: [{ value: { a: 1 } }, { error: 'no good' }, { value: 'x', waitMs: 50, steps: 2 }],
    })
    expect([status, totalJobs]).toEqual([202, 3])
    await followed(batchId)
    const sets = await setsOf(batchId)
    expect(sets.succeeded.map(({ index, result }) => [index, result])).toEqual([
      [0, { a: 1 }],
      [2, 'x'],
    ])
    expect(sets.failed).toMatchObject([{ index: 1, errorMessage: 'no good', item: { error: 'no good' } }])
    expect(sets.untouched).toEqual([])
    const lines = await (await server.fetch(`/api/batch/${batchId}/results?set=failed&as=items`)).text()
    expect(lines.split('\n')).toHaveLength(2)
    const again = await create({
      operation: 'echo',
      items: lines
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    })
    await followed(again.batchId)
    expect(await statusOf(again.batchId)).toMatchObject({ status: 'failed', failedJobs: 1 })
  })

  it('gives NDJSON of all sets, whole, to those who ask for it', async () => {
    const { batchId } = await create({
      operation: 'echo',
      items: Array.from({ length: 2_500 }, (_, value) => ({ value })),
    })
    await followed(batchId)
    const response = await server.fetch(`/api/batch/${batchId}/results`, {
      headers: { Accept: 'application/x-ndjson' },
    })
    expect(response.headers.get('Content-Type')).toContain('application/x-ndjson')
    const rows = (await response.text())
      .trim()
      .split('\n')
      .map((line) => ItemResult.parse(JSON.parse(line)))
    expect(rows.map(({ result }) => result)).toEqual(Array.from({ length: 2_500 }, (_, value) => value))
    const pages: number[] = []
    for (let cursor: number | null = 0; cursor !== null; ) {
      const page: z.infer<typeof Sets> = await setsOf(batchId, `?limit=1000&cursor=${cursor}`)
      pages.push(page.succeeded.length)
      cursor = page.next
    }
    expect(pages.reduce((a, b) => a + b)).toBe(2_500)
  })

  it('under an Idempotency-Key is done once, whoever wins', async () => {
    const body = { operation: 'echo', items: [{ value: 1 }] }
    const made = await Promise.all(Array.from({ length: 10 }, () => create(body, { 'Idempotency-Key': 'same' })))
    expect(new Set(made.map(({ batchId }) => batchId)).size).toBe(1)
    expect(made.map(({ status }) => status).sort()).toEqual([...Array(9).fill(200), 202])
    expect((await statusOf('same')).id).toBe(made[0]?.batchId)
    const other = await post('/api/batch', { ...body, items: [{ value: 2 }] }, { 'Idempotency-Key': 'same' })
    expect([other.status, Refusal.parse(await other.json()).error]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED'])
  })

  it('under an Idempotency-Key is done once, also when it is asked again after its deadline', async () => {
    const deadline = new Date(Date.now() + 1_500).toISOString()
    const body = { operation: 'echo', items: [{}], options: { deadline } }
    const key = { 'Idempotency-Key': 'before-the-deadline' }
    const first = await create(body, key)
    await new Promise((resolve) => setTimeout(resolve, Date.parse(deadline) + 100 - Date.now()))
    expect(await create(body, key)).toMatchObject({ status: 200, batchId: first.batchId, created: false })
    const other = await post('/api/batch', body)
    expect([other.status, Refusal.parse(await other.json()).field]).toEqual([400, 'options.deadline'])
  })

  it.each([
    ['an unknown operation', { operation: 'dig', items: [] }, 400, 'operation'],
    ['a prototype name', { operation: '__proto__', items: [] }, 400, 'operation'],
    ['no items', { operation: 'echo' }, 400, 'items'],
    ['an item that is wrong', { operation: 'echo', items: [{}, { waitMs: 'long' }] }, 400, 'items.1.waitMs'],
    ['an option that is wrong', { operation: 'echo', items: [{}], options: { runAt: 'soon' } }, 400, 'options.runAt'],
    ['an option nobody knows', { operation: 'echo', items: [{}], options: { speed: 9 } }, 400, 'options.speed'],
    [
      'a deadline in the past',
      { operation: 'echo', items: [{}], options: { deadline: '2020-01-01T00:00:00Z' } },
      400,
      'options.deadline',
    ],
    [
      'a deadline before its beginning',
      {
        operation: 'echo',
        items: [{}],
        options: { runAt: '2100-01-02T00:00:00Z', deadline: '2100-01-01T00:00:00Z' },
      },
      400,
      'options.deadline',
    ],
    ['an item of more than 1 MB', { operation: 'echo', items: [{}, { value: '€'.repeat(340_000) }] }, 400, 'items.1'],
    ['an input of more than 1 MB', { operation: 'echo', input: 'x'.repeat(1_000_001), items: [{}] }, 400, 'input'],
    ['a label with NUL', { operation: 'echo', items: [{}], options: { labels: ['a\0b'] } }, 400, 'options.labels.0'],
    ['a misspelt field of an item', { operation: 'echo', items: [{}, { valeu: 1 }] }, 400, 'items.1.valeu'],
    [
      'a misspelt field of a document',
      { operation: 'heat-sheet', input: { swimmer: 'Ada Quill' }, items: [{ uri: 'https://example.com/a.pdf' }] },
      400,
      'items.0.url',
    ],
    ['an error with NUL', { operation: 'echo', items: [{ error: 'a\0b' }] }, 400, 'items.0.error'],
    [
      'an amount whose sums JSON cannot hold',
      { operation: 'echo', items: [{ amount: 1.7e308 }] },
      400,
      'items.0.amount',
    ],
    ['items of an open batch', { operation: 'echo', open: true, items: [{}] }, 400, 'items'],
  ])('refuses %s, naming the field', async (_, body, status, field) => {
    const response = await post('/api/batch', body)
    expect([response.status, Refusal.parse(await response.json()).field]).toEqual([status, field])
  })

  it('takes an item of just 1 MB, and gives it back whole', async () => {
    const value = 'x'.repeat(1_000_000 - '{"value":""}'.length)
    const { batchId } = await create({ operation: 'echo', items: [{ value }] })
    await followed(batchId)
    const { succeeded } = await setsOf(batchId)
    expect(succeeded.map(({ result }) => result === value)).toEqual([true])
  })

  it.each(['stream', 'stream-token', 'extract', '.', '..'])(
    'refuses the Idempotency-Key %s, which could not stand in a path',
    async (key) => {
      const response = await post('/api/batch', { operation: 'echo', items: [{}] }, { 'Idempotency-Key': key })
      const { field, message } = Refusal.parse(await response.json())
      expect([response.status, field]).toEqual([400, 'Idempotency-Key'])
      expect(message).toContain(`"${key}"`)
    },
  )

  it('says what would be right', async () => {
    const said = async (answer: Promise<Response>) => Refusal.parse(await (await answer).json()).message
    const sent = (text: string) =>
      server.fetch('/api/batch', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: text })
    expect(await said(server.fetch('/api/batch?limit=many'))).toBe('limit: Expected a whole number from 1 to 1000.')
    expect(await said(post('/api/batch', { operation: 'echo', items: [{}], options: { runAt: 'soon' } }))).toContain(
      'such as 2030-01-01T08:00:00Z',
    )
    expect(await said(sent('{"operation":"echo","items":[{}],"options":{"priority":1e30}}'))).toMatch(
      /^options\.priority: /,
    )
  })

  it('refuses what is not JSON', async () => {
    const text = await server.fetch('/api/batch', {
      method: 'POST',
      body: '{',
      headers: { 'Content-Type': 'application/json' },
    })
    expect([text.status, Refusal.parse(await text.json()).error]).toEqual([400, 'INVALID_REQUEST'])
    const form = await server.fetch('/api/batch', {
      method: 'POST',
      body: 'a=1',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    })
    expect([form.status, Refusal.parse(await form.json()).error]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE'])
  })
})

describe('listing', () => {
  it('shows my batches newest first, by label, operation and status, page by page', async () => {
    const ids: string[] = []
    for (let i = 0; i < 5; i++)
      ids.unshift((await create({ operation: 'echo', items: [{}], options: { labels: ['listed'] } })).batchId)
    for (const id of ids) await followed(id)
    const List = z.object({ batches: z.array(z.looseObject({ id: z.string() })), next: z.string().nullable() })
    const seen: string[] = []
    for (let cursor: string | null = ''; cursor !== null; ) {
      const query: string = cursor === '' ? '' : `&cursor=${cursor}`
      const page: z.infer<typeof List> = List.parse(
        await (await server.fetch(`/api/batch?label=listed&operation=echo&status=completed&limit=2${query}`)).json(),
      )
      seen.push(...page.batches.map(({ id }) => id))
      cursor = page.next
    }
    expect(seen).toEqual(ids)
  })
})

describe('transition', () => {
  it('cancels, retries and deletes', async () => {
    const { batchId } = await create({ operation: 'echo', items: Array.from({ length: 20 }, () => ({ waitMs: 300 })) })
    expect((await server.fetch(`/api/batch/${batchId}`, { method: 'DELETE' })).status).toBe(409)
    const stopped = await post(`/api/batch/${batchId}/cancel`)
    expect(stopped.status).toBe(200)
    const { total } = z.object({ total: z.int() }).parse(await stopped.json())
    await followed(batchId)
    const cancelled = await statusOf(batchId)
    expect(cancelled.status).toBe('cancelled')
    expect(cancelled.completedJobs + cancelled.cancelledJobs).toBe(20)
    // Some may have ended between the look at the batch and its end.
    expect(total).toBeGreaterThanOrEqual(cancelled.cancelledJobs)
    expect(total).toBeLessThanOrEqual(20)
    const again = await post(`/api/batch/${batchId}/cancel`)
    expect(await again.json()).toEqual({ success: true, batchId, total: 0 })
    expect((await setsOf(batchId)).untouched).toHaveLength(cancelled.cancelledJobs)
    expect(await (await post(`/api/batch/${batchId}/retry`)).json()).toMatchObject({
      retriedJobs: cancelled.cancelledJobs,
    })
    await followed(batchId)
    expect(await statusOf(batchId)).toMatchObject({ status: 'completed', completedJobs: 20 })
    expect((await post(`/api/batch/${batchId}/retry`)).status).toBe(409)
    const deleted = await server.fetch(`/api/batch/${batchId}`, { method: 'DELETE' })
    expect([deleted.status, await deleted.json()]).toEqual([200, { success: true, batchId, total: 20 }])
    expect((await server.fetch(`/api/batch/${batchId}`)).status).toBe(404)
  })

  it('pauses and resumes', async () => {
    const items = [{ waitMs: 500 }, ...Array.from({ length: 11 }, () => ({}))]
    const { batchId } = await create({ operation: 'echo', items, options: { concurrency: 1 } })
    await post(`/api/batch/${batchId}/pause`)
    expect(await statusOf(batchId)).toMatchObject({ paused: true, open: false })
    // What was running comes to its end, and nothing begins after it.
    const Running = z.object({ jobs: z.array(z.object({ status: z.literal('processing') })) })
    const running = async () =>
      Running.parse(await (await server.fetch(`/api/batch/${batchId}/jobs?status=processing`)).json()).jobs
    await expect.poll(running, { timeout: scaled(30_000) }).toEqual([])
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect((await statusOf(batchId)).completedJobs).toBeLessThanOrEqual(1)
    await post(`/api/batch/${batchId}/resume`)
    await followed(batchId)
    expect(await statusOf(batchId)).toMatchObject({ status: 'completed', completedJobs: 12, paused: false })
  })

  it('by a deadline leaves untouched what never began', async () => {
    const items = [{}, { waitMs: 60_000 }, { value: 1 }, {}]
    const deadline = new Date(Date.now() + 2_000).toISOString()
    const { batchId } = await create({ operation: 'echo', items, options: { concurrency: 1, deadline } })
    await followed(batchId)
    const { succeeded, failed, untouched } = await setsOf(batchId)
    expect([succeeded, failed].map((set) => set.map(({ index }) => index))).toEqual([[0], [1]])
    expect(failed[0]).toMatchObject({ errorCode: 'DEADLINE_EXCEEDED' })
    expect(untouched.map(({ index, item }) => [index, item])).toEqual([
      [2, { value: 1 }],
      [3, {}],
    ])
    expect(await setsOf(batchId, '?set=untouched')).toMatchObject({ untouched, next: null })
  })

  it('is for the owner alone', async () => {
    const token = await sign({ sub: 'another', exp: Math.floor(Date.now() / 1_000) + 600 }, JWT_SECRET, 'HS256')
    const others = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/x-ndjson' }
    const ended = await create({ operation: 'echo', items: [{ error: 'to be retried' }] })
    await followed(ended.batchId)
    const running = await create({ operation: 'echo', items: [{ waitMs: 60_000 }, { waitMs: 60_000 }] })
    const open = await create({ operation: 'echo', open: true })
    const calls = [
      ...['cancel', 'pause', 'resume'].map((verb) => ['POST', `/${running.batchId}/${verb}`]),
      ['POST', `/${ended.batchId}/retry`],
      ['POST', `/${open.batchId}/items?from=0`, '{}\n'],
      ['POST', `/${open.batchId}/seal`],
      ...[ended, running, open].flatMap(({ batchId }) => [
        ...['', '/jobs', '/results', '/stream'].map((path) => ['GET', `/${batchId}${path}`]),
        ['DELETE', `/${batchId}`],
      ]),
    ] as const
    for (const [method = '', path, body = null] of calls) {
      const response = await server.fetch(`/api/batch${path}`, { method, headers: others, body })
      expect([method, path, response.status]).toEqual([method, path, 404])
    }
    expect(await (await server.fetch('/api/batch', { headers: others })).json()).toMatchObject({ batches: [] })
    expect(await statusOf(running.batchId)).toMatchObject({ cancelledJobs: 0, paused: false })
    // The owner may do all of it, to what is as it was.
    for (const [method = '', path, body = null] of calls) {
      if (method !== 'POST') continue
      const headers = { 'Content-Type': 'application/x-ndjson' }
      const response = await server.fetch(`/api/batch${path}`, { method, headers, body })
      // What was cancelled takes no more.
      const status = /pause|resume/.test(path ?? '') ? 409 : 200
      expect([path, response.status, await response.text()]).toEqual([path, status, expect.any(String)])
    }
  })

  it('is refused where it is too late, and says why', async () => {
    const { batchId } = await create({ operation: 'echo', items: [{}] })
    await followed(batchId)
    for (const verb of ['pause', 'resume']) {
      const response = await post(`/api/batch/${batchId}/${verb}`)
      const refusal = Refusal.parse(await response.json())
      expect([response.status, refusal.error]).toEqual([409, 'CONFLICT'])
      expect(refusal.message).toContain('has ended (completed)')
    }
    const open = await create({ operation: 'echo', open: true })
    await post(`/api/batch/${open.batchId}/pause`)
    await post(`/api/batch/${open.batchId}/cancel`)
    await followed(open.batchId)
    expect(await statusOf(open.batchId)).toMatchObject({ status: 'cancelled', totalJobs: 0, paused: false })
    const sealed = await post(`/api/batch/${open.batchId}/seal`)
    expect([sealed.status, Refusal.parse(await sealed.json()).message]).toEqual([
      409,
      expect.stringContaining('was stopped'),
    ])
  })
})
