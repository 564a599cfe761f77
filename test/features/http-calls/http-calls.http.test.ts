/** The operation `http` on a real server, against a service on this machine. */
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { startServer, type TestServer } from '../../support/server.ts'
import { until } from '../../support/until.ts'
import { openEndpoint } from './endpoint.ts'

const SECRET = 'sk-live-never-to-be-seen'
const SIGNING = `whsec_${btoa('0123456789abcdefghijklmnopqrstuv')}`

let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_ALLOW_PRIVATE_URLS: '1', MILLRACE_API_KEY: 'a-key-for-these-tests' } })
  await send('PUT', '/api/secrets/KEY', { value: SECRET })
  await send('PUT', '/api/secrets/SIGNING', { value: SIGNING })
})
afterAll(() => server[Symbol.asyncDispose]())

const send = (method: string, path: string, body?: unknown) =>
  server.fetch(path, {
    method,
    headers: { 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

const Jobs = z.object({
  jobs: z.array(
    z.looseObject({
      id: z.string(),
      status: z.string(),
      attempt: z.number(),
      errorCode: z.string().nullable(),
      errorMessage: z.string().nullable(),
    }),
  ),
})
const Results = z.object({ succeeded: z.array(z.looseObject({ result: z.unknown() })) })
const Batch = z.object({ batch: z.looseObject({ finishedAt: z.string().nullable(), status: z.string() }) })

async function create(input: object, items: readonly unknown[], options: object = {}): Promise<string> {
  const answer = await send('POST', '/api/batch', { operation: 'http', input, items, options })
  const text = await answer.text()
  if (answer.status !== 202) throw new Error(text)
  return z.object({ batchId: z.string() }).parse(JSON.parse(text)).batchId
}

const ended = (batchId: string) =>
  until(async () => {
    const { batch } = Batch.parse(await (await send('GET', `/api/batch/${batchId}`)).json())
    return batch.finishedAt === null ? null : batch.status
  })
const jobsOf = async (batchId: string) =>
  Jobs.parse(await (await send('GET', `/api/batch/${batchId}/jobs`)).json()).jobs

async function outcomeOf(input: object, items: readonly unknown[], options: object = {}) {
  const batchId = await create(input, items, options)
  const status = await ended(batchId)
  const text = await (await send('GET', `/api/batch/${batchId}/results`)).text()
  return { batchId, status, text, jobs: await jobsOf(batchId) }
}

const resultsOf = (text: string) => Results.parse(JSON.parse(text)).succeeded.map(({ result }) => result)

describe('a call', () => {
  it('is made as the item fills it, and gives JSON without loss, text as text and bytes in base64', async () => {
    const answers: Record<string, [type: string, body: string | Uint8Array]> = {
      json: ['application/json; charset=utf-8', '{"n":12345678901234567890,"t":"ü"}'],
      text: ['text/plain', 'ünï'],
      latin: ['text/plain; charset=iso-8859-1', Buffer.from('ü', 'latin1')],
      bytes: ['image/png', Buffer.from([0x89, 0x50, 0xff])],
      broken: ['application/json', '{"n":'],
      empty: ['application/json', ''],
    }
    await using endpoint = await openEndpoint((response, { path }) => {
      const [type, body] = answers[path.split('/').at(-1) ?? ''] ?? ['', '']
      response.writeHead(200, { 'content-type': type, 'x-told': 'yes', 'x-other': 'no' }).end(body)
    })
    const input = {
      url: `${endpoint.url}/a b/{{name}}`,
      method: 'POST',
      headers: { 'X-Name': '{{name}}' },
      bodyTemplate: { prompt: 'Say {{name}}', n: '{{n}}' },
      responseHeaders: ['X-Told', 'x-missing'],
    }
    const { status, text, jobs } = await outcomeOf(
      input,
      Object.keys(answers).map((name, n) => ({ name, n })),
    )
    expect(status).toBe('completed')
    expect(text).toContain('{"n":12345678901234567890,"t":"ü"}')
    expect(resultsOf(text).slice(1)).toEqual(
      [['ünï'], ['ü'], ['iVD/', 'base64'], ['{"n":'], [null]].map(([body, encoding]) => ({
        status: 200,
        headers: { 'x-told': 'yes' },
        body,
        ...(encoding === undefined ? {} : { encoding }),
      })),
    )
    const first = endpoint.received.find(({ path }) => path === '/a%20b/json')
    expect(first).toMatchObject({ method: 'POST', body: '{"prompt":"Say json","n":0}' })
    expect(first?.headers).toMatchObject({
      'x-name': 'json',
      'content-type': 'application/json',
      'idempotency-key': jobs[0]?.id,
    })
  })

  it('refuses an answer of more than 1 MB, and says so', async () => {
    await using endpoint = await openEndpoint((response) => response.end('x'.repeat(1_000_001)))
    const { jobs } = await outcomeOf({ url: endpoint.url }, [1])
    expect(jobs[0]).toMatchObject({
      status: 'failed',
      attempt: 1,
      errorCode: 'TOO_LARGE',
      errorMessage: expect.stringContaining('1 MB'),
    })
  })
})

describe('secrets', () => {
  it('go to the service alone: what it echoes holds none, nor does anything that is shown', async () => {
    await using endpoint = await openEndpoint((response, { headers, body, path }) => {
      const echo = JSON.stringify({ auth: headers.authorization, body })
      response
        .writeHead(path === '/bad' ? 400 : 200, { 'content-type': 'application/json', 'x-echo': headers.authorization })
        .end(echo)
    })
    const input = {
      url: `${endpoint.url}/{{path}}`,
      method: 'POST',
      headers: { Authorization: 'Bearer {{secrets.KEY}}' },
      bodyTemplate: { key: '{{secrets.KEY}}' },
      responseHeaders: ['x-echo'],
    }
    const { batchId, text, jobs } = await outcomeOf(input, [{ path: 'good' }, { path: 'bad' }])
    expect(endpoint.received.map(({ headers, body }) => [headers.authorization, body])).toEqual(
      Array.from({ length: 2 }, () => [`Bearer ${SECRET}`, JSON.stringify({ key: SECRET })]),
    )
    expect(text).toContain('Bearer [secret KEY]')
    expect(jobs[1]).toMatchObject({
      status: 'failed',
      attempt: 1,
      errorMessage: expect.stringContaining('[secret KEY]'),
    })
    const shown = await Promise.all(
      ['', '/jobs', '/results', '/stream?lastEventId=0'].map(async (path) =>
        (await send('GET', `/api/batch/${batchId}${path}`)).text(),
      ),
    )
    for (const one of [text, ...shown, server.output]) expect(one).not.toContain('never-to-be-seen')
  })

  it('are refused when the batch is made where there is none of the name, in a dry run too', async () => {
    const input = { url: 'https://a.example/', headers: { Authorization: '{{secrets.NONE}}' } }
    for (const more of [{}, { dryRun: true }]) {
      const answer = await send('POST', '/api/batch', { operation: 'http', input, items: [1], ...more })
      expect([answer.status, await answer.json()]).toEqual([
        400,
        expect.objectContaining({ field: 'input.headers.authorization', message: expect.stringContaining('"NONE"') }),
      ])
    }
    const later = await send('POST', '/api/batch', {
      operation: 'http',
      input: { url: 'https://a.example/', callback: {} },
      items: [1],
    })
    expect([later.status, await later.json()]).toEqual([400, expect.objectContaining({ field: 'input.callback' })])
    const unsuited = { url: 'https://a.example/', signWith: 'KEY' }
    const answer = await send('POST', '/api/batch', { operation: 'http', input: unsuited, items: [1] })
    expect([answer.status, await answer.json()]).toEqual([400, expect.objectContaining({ field: 'input.signWith' })])
  })

  it('sign calls so that receivers can trust them', async () => {
    await using endpoint = await openEndpoint((response) => response.end())
    const input = { url: endpoint.url, method: 'POST', bodyTemplate: { n: '{{item}}' }, signWith: 'SIGNING' }
    const { jobs } = await outcomeOf(input, [7])
    const [call] = endpoint.received
    expect(new Webhook(SIGNING).verify(call?.body ?? '', call?.headers ?? {})).toEqual({ n: 7 })
    expect(call?.headers['webhook-id']).toBe(jobs[0]?.id)
  })
})

describe('a failure', () => {
  it('is tried again as `retryOn` says, after the time that the service asks for', async () => {
    await using endpoint = await openEndpoint((response, { path }, count) => {
      if (path === '/gone') response.writeHead(404).end('no such thing')
      else if (count > 1) response.end('at last')
      else response.writeHead(path === '/busy' ? 503 : 418, { 'retry-after': '1' }).end()
    })
    const input = { url: `${endpoint.url}/{{item}}`, retryOn: [418, 503] }
    const { status, jobs } = await outcomeOf(input, ['busy', 'teapot', 'gone'])
    expect([status, ...jobs.map((job) => [job.status, job.attempt])]).toEqual([
      'partial',
      ['completed', 2],
      ['completed', 2],
      ['failed', 1],
    ])
    expect(jobs[2]).toMatchObject({ errorCode: 'NOT_FOUND', errorMessage: 'The receiver answered 404: no such thing' })
    const [first, second] = endpoint.received.filter(({ path }) => path === '/busy')
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(950)
    const keys = new Set(endpoint.received.map(({ headers }) => headers['idempotency-key']))
    expect(keys.size).toBe(3)
  })

  it('for good is retried by hand, those jobs alone', async () => {
    let mended = false
    await using endpoint = await openEndpoint((response, { path }) => {
      response.writeHead(mended || path === '/1' ? 200 : 400).end()
    })
    const { batchId, status } = await outcomeOf({ url: `${endpoint.url}/{{item}}` }, [1, 2, 3])
    expect(status).toBe('partial')
    mended = true
    expect((await send('POST', `/api/batch/${batchId}/retry`)).status).toBe(200)
    expect(await ended(batchId)).toBe('completed')
    expect(endpoint.received.map(({ path }) => path).sort()).toEqual(['/1', '/2', '/2', '/3', '/3'])
  })
})

it('calls a host no more often than the rate says', async () => {
  await using endpoint = await openEndpoint((response) => response.end())
  const { status } = await outcomeOf(
    { url: `${endpoint.url}/{{item}}`, ratePerSecond: 10 },
    Array.from({ length: 25 }, (_, at) => at),
  )
  expect([status, endpoint.received.length]).toEqual(['completed', 25])
  const times = endpoint.received.map(({ at }) => at).sort((a, b) => a - b)
  const most = Math.max(...times.map((from) => times.filter((at) => at >= from && at < from + 1_000).length))
  expect(most).toBeLessThanOrEqual(20)
  expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(1_300)
})
