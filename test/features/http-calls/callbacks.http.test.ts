/** Calls that a receiver takes (202) and finishes later, at the signed address. */

import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { CallbackAnswer } from '../../../src/features/http-calls/schemas.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { until } from '../../support/until.ts'
import { openEndpoint } from './endpoint.ts'

/** A port that is free: the server must know its own address before it has one. */
async function freePort(): Promise<number> {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  taken.close()
  await once(taken, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

let server: TestServer
beforeAll(async () => {
  const port = await freePort()
  server = await startServer({
    port,
    env: {
      MILLRACE_ALLOW_PRIVATE_URLS: '1',
      MILLRACE_API_KEY: 'a-key-for-these-tests',
      PUBLIC_URL: `http://127.0.0.1:${port}`,
      CONCURRENCY: '2',
    },
  })
})
afterAll(() => server[Symbol.asyncDispose]())

const send = (method: string, path: string, body?: unknown) =>
  server.fetch(path, {
    method,
    headers: { 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
const callBack = (url: string, body: string, type = 'application/json') =>
  fetch(url, { method: 'POST', headers: { 'Content-Type': type }, body })
const accepted = async (answer: Promise<Response>) => CallbackAnswer.parse(await (await answer).json()).accepted

async function create(input: object, items: readonly unknown[], options: object = {}): Promise<string> {
  const answer = await send('POST', '/api/batch', { operation: 'http', input, items, options })
  if (answer.status !== 202) throw new Error(await answer.text())
  return z.object({ batchId: z.string() }).parse(await answer.json()).batchId
}
const Job = z.looseObject({ status: z.string(), attempt: z.number(), errorCode: z.string().nullable() })
const jobsOf = async (id: string) =>
  z.object({ jobs: z.array(Job) }).parse(await (await send('GET', `/api/batch/${id}/jobs`)).json()).jobs
const ended = (id: string) =>
  until(async () => {
    const jobs = await jobsOf(id)
    return jobs.every(({ status }) => /completed|failed|cancelled/.test(status)) ? jobs : null
  })
const resultsOf = async (id: string) => {
  const Results = z.object({ succeeded: z.array(z.object({ result: z.looseObject({ body: z.unknown() }) })) })
  const answer = await send('GET', `/api/batch/${id}/results`)
  return Results.parse(await answer.json()).succeeded.map(({ result }) => result.body)
}
const arrivedAt = (endpoint: Awaited<ReturnType<typeof openEndpoint>>, count: number) =>
  until(async () => (endpoint.received.length >= count ? endpoint.received : null))
const addressIn = (call: { headers: Readonly<Record<string, string>> } | undefined) =>
  call?.headers['millrace-callback'] ?? ''

it('wait without a place; what is called back with is the result, once, however often it comes', async () => {
  await using endpoint = await openEndpoint((response) => response.writeHead(202).end())
  // More than there are places: none of them is held.
  const id = await create({ url: `${endpoint.url}/{{item}}`, callback: {} }, [0, 1, 2, 3, 4])
  const calls = await arrivedAt(endpoint, 5)
  const answers = calls.map(async (call) => {
    const body = JSON.stringify({ path: call.path, n: 1 })
    return [await accepted(callBack(addressIn(call), body)), await accepted(callBack(addressIn(call), '{"n":2}'))]
  })
  expect(await Promise.all(answers)).toEqual(Array.from({ length: 5 }, () => [true, false]))
  expect((await ended(id)).map(({ status, attempt }) => [status, attempt])).toEqual(
    Array.from({ length: 5 }, () => ['completed', 1]),
  )
  expect(await resultsOf(id)).toEqual([0, 1, 2, 3, 4].map((n) => ({ path: `/${n}`, n: 1 })))
  expect(await accepted(callBack(addressIn(calls[0]), '{"n":3}'))).toBe(false)
  expect(endpoint.received).toHaveLength(5)
})

it('may be called back before they were answered; 200 in place of 202 is the result at once', async () => {
  await using endpoint = await openEndpoint(async (response, call) => {
    if (call.path === '/now') return response.end('at once')
    await callBack(addressIn(call), 'from elsewhere', 'text/plain')
    return response.writeHead(202).end()
  })
  const id = await create({ url: `${endpoint.url}/{{item}}`, callback: {} }, ['early', 'now'])
  await ended(id)
  expect(await resultsOf(id)).toEqual(['from elsewhere', 'at once'])
})

it('fail when the time is over, and a call that is too late is told so', async () => {
  await using endpoint = await openEndpoint((response) => response.writeHead(202).end())
  const input = { url: endpoint.url, callback: { withinSeconds: 1 }, timeoutMs: 500 }
  const id = await create(input, [1], { maxAttempts: 1 })
  expect(await ended(id)).toMatchObject([{ status: 'failed', errorCode: 'TIMEOUT' }])
  expect([200, 404]).toContain((await callBack(addressIn(endpoint.received[0]), '{}')).status)
})

it('are finished by nobody with another token, for another job, or with what is no text', async () => {
  await using endpoint = await openEndpoint((response) => response.writeHead(202).end())
  const id = await create({ url: `${endpoint.url}/{{item}}`, callback: {} }, [1, 2])
  const [one, two] = (await arrivedAt(endpoint, 2)).map(addressIn)
  const [first, second] = [new URL(one ?? ''), new URL(two ?? '')]
  const token = first.searchParams.get('token') ?? ''
  const wrong = [
    first.href.replace(first.search, ''),
    `${first.href}x`,
    first.href.replace(token, token.replace(/\.[^.]*$/, '.AAAA')),
    `${second.origin}${second.pathname}?token=${token}`,
  ]
  for (const url of wrong) expect([url, (await callBack(url, '{}')).status]).toEqual([url, 404])
  expect((await callBack(first.href, 'x'.repeat(1_000_001))).status).toBe(413)
  const bytes = await fetch(first, { method: 'POST', body: new Uint8Array([0xff, 0xfe, 0x00]) })
  expect(bytes.status).toBe(400)
  expect((await jobsOf(id)).map(({ status }) => status)).not.toContain('completed')
  expect((await send('POST', `/api/batch/${id}/cancel`)).status).toBe(200)
  await ended(id)
  expect(await accepted(callBack(first.href, '{}'))).toBe(false)
  expect(server.output).not.toContain(token)
})

it('report that a call failed, for good or to be made again', async () => {
  await using endpoint = await openEndpoint((response) => response.writeHead(202).end())
  const id = await create({ url: `${endpoint.url}/{{item}}`, callback: {} }, ['good', 'bad', 'again'])
  const first = await arrivedAt(endpoint, 3)
  const addressOf = (path: string) => addressIn(first.find((call) => call.path === path))
  expect(await accepted(callBack(addressOf('/good'), '"done"'))).toBe(true)
  expect(
    await accepted(callBack(`${addressOf('/bad')}&outcome=failed`, '{"message": "no such page", "code": 7}')),
  ).toBe(true)
  const retry = fetch(`${addressOf('/again')}&outcome=retry`, {
    method: 'POST',
    headers: { 'Content-Type': 'text/plain', 'Retry-After': '0' },
    body: 'out of memory',
  })
  expect(await accepted(retry)).toBe(true)
  const second = (await arrivedAt(endpoint, 4))[3]
  expect(second?.path).toBe('/again')
  // The address of the call that failed is over; the new call has its own.
  expect(await accepted(callBack(addressOf('/again'), '"late"'))).toBe(false)
  expect(await accepted(callBack(addressIn(second), '"at last"'))).toBe(true)
  const jobs = await ended(id)
  expect(jobs.map(({ status, attempt, errorCode }) => [status, attempt, errorCode])).toEqual([
    ['completed', 1, null],
    ['failed', 1, 'OPERATION_FAILED'],
    ['completed', 2, null],
  ])
  expect(jobs[1]).toMatchObject({ errorMessage: 'The receiver reported that it failed: no such page' })
  expect(await resultsOf(id)).toEqual(['done', 'at last'])
})

it('are refused where the outcome is none, by its name', async () => {
  await using endpoint = await openEndpoint((response) => response.writeHead(202).end())
  const id = await create({ url: endpoint.url, callback: {} }, [1])
  const [call] = await arrivedAt(endpoint, 1)
  const refused = await callBack(`${addressIn(call)}&outcome=broken`, '{}')
  expect([refused.status, (await refused.json()).message]).toEqual([
    400,
    expect.stringMatching(/^outcome: Expected "failed"/),
  ])
  const pause = await fetch(`${addressIn(call)}&outcome=retry`, { method: 'POST', headers: { 'Retry-After': 'soon' } })
  expect([pause.status, (await pause.json()).field]).toEqual([400, 'Retry-After'])
  await send('POST', `/api/batch/${id}/cancel`)
  await ended(id)
})
