/** Limits: what is counted, what an answer says of it, two processes on one file, what is counted by address. */
import { request } from 'node:http'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ON_CLOUDFLARE, startServer, type TestServer } from '../support/server.ts'

const JWT_SECRET = 'a secret that is long enough for HS256'
const HOUR_MS = 60 * 60 * 1_000

const RATE_LIMITS = [
  'batch.create=6',
  'batch.read=30',
  'bulk.import=2',
  'bulk.delete=1',
  'bulk.read=1',
  'chunks.read=1',
  'exports.read=1',
  'resources.read=2',
  'resources.write=2',
  'webhooks.read=1',
  'pages.miss=3',
].join(',')
const KEYED = { MILLRACE_AUTH: 'keys', JWT_SECRET, RATE_LIMITS }

let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: KEYED })
})
afterAll(() => server[Symbol.asyncDispose]())

let owners = 0
/** Someone who has used nothing up. */
async function newcomer() {
  const token = await new SignJWT({ sub: `owner-${++owners}` })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(JWT_SECRET))
  return async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}, at = server) => {
    const response = await at.fetch(path, {
      method,
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) }
  }
}

const BATCH = { operation: 'echo', items: [{}] }
const remaining = ({ headers }: { headers: Headers }) => headers.get('X-RateLimit-Remaining')

/** Tests are not run across the turn of an hour, when all counts begin anew. */
beforeAll(async () => {
  const left = HOUR_MS - (Date.now() % HOUR_MS)
  if (left < 120_000) await new Promise((resolve) => setTimeout(resolve, left))
}, 150_000)

describe('an answer', () => {
  it('says how the caller stands', async () => {
    const call = await newcomer()
    const { status, headers } = await call('POST', '/api/batch', BATCH)
    expect(status).toBe(202)
    const reset = Number(headers.get('X-RateLimit-Reset'))
    expect(reset * 1_000).toBe(Math.ceil(Date.now() / HOUR_MS) * HOUR_MS)
    expect([headers.get('X-RateLimit-Limit'), headers.get('X-RateLimit-Remaining')]).toEqual(['6', '5'])
    expect(headers.get('RateLimit-Policy')).toBe('"batch.create";q=6;w=3600')
    expect(headers.get('RateLimit')).toMatch(/^"batch\.create";r=5;t=\d{1,4}$/)
    expect(headers.get('Access-Control-Expose-Headers')).toMatch(
      /X-RateLimit-Remaining.*RateLimit-Policy.*Content-Range/,
    )
  })

  it('says nothing where there is no limit', async () => {
    const call = await newcomer()
    const { headers } = await call('GET', '/api/v1/activities/none')
    expect(headers.get('X-RateLimit-Limit')).toBe('2')
    for (const path of ['/api/v1/none', '/bulk/none', '/nothing']) {
      const none = await call('POST', path)
      expect([none.status, none.headers.get('X-RateLimit-Limit')]).toEqual([404, null])
    }
    const cancelled = await call('POST', '/api/batch/x/cancel')
    expect([cancelled.status, cancelled.headers.get('X-RateLimit-Limit')]).toEqual([404, null])
  })

  it('says 429 in the words of its surface once it is used up, and when to come again', async () => {
    const call = await newcomer()
    const sentence = expect.stringMatching(
      /^The limit of \d an hour for "[\w.]+" is used up\. Try again in \d+ seconds\.$/,
    )
    const cases: readonly (readonly [method: string, path: string, limit: number, body: object])[] = [
      ['GET', '/api/chunks/k_1', 1, { error: sentence }],
      ['POST', '/api/v1/batch/get', 2, { detail: sentence }],
      ['POST', '/api/v1/activities', 2, { detail: sentence }],
      ['GET', '/bulk/tokens', 1, { detail: sentence }],
      ['GET', '/exports/x', 1, { success: false, error: 'RATE_LIMIT', message: sentence }],
      ['GET', '/api/webhooks/deliveries', 1, { success: false, error: 'RATE_LIMIT', message: sentence }],
    ]
    for (const [method, path, limit, body] of cases) {
      const sent = method === 'POST' ? {} : undefined
      for (let time = 0; time < limit; time++) expect((await call(method, path, sent)).status).not.toBe(429)
      const refused = await call(method, path, sent)
      expect([path, refused.status, refused.body]).toMatchObject([path, 429, body])
      expect(refused.headers.get('X-RateLimit-Remaining')).toBe('0')
      const wait = Number(refused.headers.get('Retry-After'))
      expect(Math.abs(Date.now() / 1_000 + wait - Number(refused.headers.get('X-RateLimit-Reset')))).toBeLessThan(30)
    }
  })

  it('that is a stream says it too', async () => {
    const call = await newcomer()
    const { body } = await call('POST', '/api/batch', BATCH)
    const stream = await server.fetch(body.streamUrl)
    await stream.body?.cancel()
    expect([stream.status, stream.headers.get('X-RateLimit-Limit'), remaining(stream)]).toEqual([200, '30', '29'])
  })

  it('is of one owner', async () => {
    const [one, other] = [await newcomer(), await newcomer()]
    await one('GET', '/bulk/tokens')
    expect((await one('GET', '/bulk/tokens')).status).toBe(429)
    expect((await other('GET', '/bulk/tokens')).status).toBe(200)
  })
})

describe('creations', () => {
  it('are counted when something is made, not when they are refused', async () => {
    const call = await newcomer()
    for (let time = 0; time < 9; time++) {
      const refused = await call('POST', '/api/batch', { operation: 'echo' })
      expect([refused.status, remaining(refused)]).toEqual([400, '6'])
    }
    for (let time = 0; time < 6; time++) expect((await call('POST', '/api/batch', BATCH)).status).toBe(202)
    expect((await call('POST', '/api/batch', BATCH)).status).toBe(429)
    // Before anything is read, so that what is wrong with it is not told.
    expect((await call('POST', '/api/batch', { operation: 'echo' })).status).toBe(429)
  })

  it('sent again are not counted, and are answered when nothing is left', async () => {
    const call = await newcomer()
    const first = await call('POST', '/api/batch', BATCH, { 'Idempotency-Key': 'one' })
    expect([first.status, remaining(first)]).toEqual([202, '5'])
    for (let time = 0; time < 9; time++) {
      const again = await call('POST', '/api/batch', BATCH, { 'Idempotency-Key': 'one' })
      expect([again.status, again.body.batchId, remaining(again)]).toEqual([200, first.body.batchId, '5'])
    }
    for (let time = 0; time < 5; time++) expect((await call('POST', '/api/batch', BATCH)).status).toBe(202)
    const again = await call('POST', '/api/batch', BATCH, { 'Idempotency-Key': '"one"' })
    expect([again.status, again.body.batchId]).toEqual([200, first.body.batchId])
    expect((await call('POST', '/api/batch', BATCH, { 'Idempotency-Key': 'two' })).status).toBe(429)
    const other = await call('POST', '/api/batch', { ...BATCH, items: [{ value: 2 }] }, { 'Idempotency-Key': 'one' })
    expect(other.status).toBe(422)
  })

  it('that race under one key are counted once', async () => {
    const call = await newcomer()
    const all = await Promise.all(
      Array.from({ length: 5 }, () => call('POST', '/api/batch', BATCH, { 'Idempotency-Key': 'race' })),
    )
    expect(new Set(all.map(({ body }) => body.batchId)).size).toBe(1)
    expect(remaining(await call('POST', '/api/batch', BATCH))).toBe('4')
  })

  it('of heat sheets count with the others, and keep no file when they are refused', async () => {
    const call = await newcomer()
    for (let time = 0; time < 6; time++) await call('POST', '/api/batch', BATCH)
    const refused = await call('POST', '/api/batch/extract', undefined, {
      'Content-Type': 'multipart/form-data; boundary=x',
    })
    expect([refused.status, refused.body]).toMatchObject([429, { error: 'RATE_LIMIT' }])
  })

  it('of cards have classes of their own', async () => {
    const call = await newcomer()
    const cards = { cards: [{ title: 'a', body: 'b', category: 'C', privacy_level: 'PERSONAL' }] }
    for (const left of ['1', '0']) expect(remaining(await call('POST', '/bulk/import', cards))).toBe(left)
    const refused = await call('POST', '/bulk/import', cards)
    expect([refused.status, refused.body]).toMatchObject([429, { detail: expect.stringContaining('"bulk.import"') }])
    expect((await call('POST', '/bulk/delete', { card_ids: ['x'] })).status).toBe(200)
    expect((await call('POST', '/bulk/restore', { card_ids: ['x'] })).status).toBe(429)
    expect((await call('POST', '/bulk/export', { format: 'json' })).status).toBe(200)
  })

  it('of many resources at once count too, now or as a batch', async () => {
    const call = await newcomer()
    const items = (count: number) => Array.from({ length: count }, (_, at) => ({ id: `r${at}`, data: { name: 'x' } }))
    const update = (count: number) =>
      call('POST', '/api/v1/batch/update', { resource_type: 'activities', items: items(count) })
    expect([(await update(1)).status, (await update(101)).status, (await update(1)).status]).toEqual([200, 202, 429])
  })

  it('cannot be had twice by another spelling of the path', async () => {
    const call = await newcomer()
    for (let time = 0; time < 6; time++) await call('POST', '/api/batch', BATCH)
    for (const path of ['/api/batch/', '/api//batch', '/api/%62atch', '/api/batch?x=1', '/api/Batch']) {
      expect([path, (await call('POST', path, BATCH)).status]).toEqual([
        path,
        expect.toSatisfy((status) => status === 429 || status === 404 || status === 405),
      ])
    }
  })
})

// Of a local D1, one workerd has the file to itself.
describe.skipIf(ON_CLOUDFLARE)('two processes on one file', () => {
  it('let through together what one may, and no more', async () => {
    const env = { ...KEYED, RATE_LIMITS: 'batch.create=60,bulk.read=7' }
    await using one = await startServer({ env })
    await using other = await startServer({ env, dataDir: one.dataDir })
    const call = await newcomer()
    const ask = (method: string, path: string, body?: unknown) =>
      Promise.all(Array.from({ length: 100 }, (_, at) => call(method, path, body, {}, at % 2 === 0 ? one : other)))
    const made = await ask('POST', '/api/batch', BATCH)
    expect(made.filter(({ status }) => status === 202)).toHaveLength(60)
    expect(made.filter(({ status }) => status === 429)).toHaveLength(40)
    const read = await ask('GET', '/bulk/tokens')
    expect(read.filter(({ status }) => status === 200)).toHaveLength(7)
    // A process that comes new knows it too.
    await using third = await startServer({ env, dataDir: one.dataDir })
    expect((await call('POST', '/api/batch', BATCH, {}, third)).status).toBe(429)
  })
})

/** A page that is not there, asked for with these headers; the status. */
function miss(at: TestServer, headers: Record<string, string> = {}): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port: at.port, path: `/cards/none-${Math.random()}`, headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
      .on('error', reject)
      .end()
  })
}

describe('public pages', () => {
  it('that are not there are limited by address, whatever a client says of itself', async () => {
    const statuses: (number | undefined)[] = []
    for (let time = 0; time < 6; time++) statuses.push(await miss(server, { 'X-Forwarded-For': `198.51.100.${time}` }))
    expect(statuses).toEqual([404, 404, 404, 429, 429, 429])
    const page = await server.fetch('/cards/none')
    expect([page.status, page.headers.get('X-Robots-Tag')]).toEqual([429, 'noindex'])
    expect(Number(page.headers.get('Retry-After'))).toBeGreaterThan(0)
    expect(await page.text()).toContain('<meta name="robots" content="noindex">')
    // Cards and results are counted together.
    expect((await server.fetch('/results/abcd1234')).status).toBe(429)
  })

  it('are limited by the address that a trusted proxy saw', async () => {
    await using proxied = await startServer({ env: { ...KEYED, TRUST_PROXY: '1' } })
    for (let time = 0; time < 3; time++) expect(await miss(proxied, { 'X-Forwarded-For': '203.0.113.1' })).toBe(404)
    expect(await miss(proxied, { 'X-Forwarded-For': '203.0.113.1' })).toBe(429)
    // What is made up stands before what the proxy writes.
    expect(await miss(proxied, { 'X-Forwarded-For': '192.0.2.7, 203.0.113.1' })).toBe(429)
    expect(await miss(proxied, { 'X-Forwarded-For': '203.0.113.2' })).toBe(404)
  })
})
