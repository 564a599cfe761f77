/** Traces, as a collector gets them. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

const Value = z.object({ stringValue: z.string().optional(), intValue: z.union([z.int(), z.string()]).optional() })
const Attributes = z
  .array(z.object({ key: z.string(), value: Value }))
  .transform((list) =>
    Object.fromEntries(list.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)])),
  )
const Span = z.object({
  traceId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  startTimeUnixNano: z.string(),
  endTimeUnixNano: z.string(),
  attributes: Attributes,
  events: z.array(z.unknown()).default([]),
  status: z.object({ code: z.int().default(0) }),
})
/** The body of `POST /v1/traces` in OTLP's JSON encoding. */
const Traces = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: Attributes }),
      scopeSpans: z.array(z.object({ spans: z.array(Span) })),
    }),
  ),
})

const received: { path: string; headers: IncomingHttpHeaders; traces: z.infer<typeof Traces> }[] = []
const collector = createServer(async (request, response) => {
  const traces = Traces.parse(JSON.parse(await text(request)))
  received.push({ path: request.url ?? '', headers: request.headers, traces })
  response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}')
})
const spans = () =>
  received.flatMap(({ traces }) => traces.resourceSpans.flatMap((of) => of.scopeSpans.flatMap((scope) => scope.spans)))

const KEY = `mr_${'aZ0_-'.repeat(8)}`
let server: TestServer
let batchId = ''
beforeAll(async () => {
  collector.listen(0, '127.0.0.1')
  await once(collector, 'listening')
  const address = collector.address()
  if (address === null || typeof address === 'string') throw new Error('A TCP server has a port.')
  server = await startServer({
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${address.port}`,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=mill',
      OTEL_SERVICE_NAME: 'weir',
    },
  })
  const response = await server.fetch('/api/batch', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01` },
    body: JSON.stringify({ operation: 'echo', items: [{ waitMs: 100 }, { error: 'no' }] }),
  })
  ;({ batchId } = z.object({ batchId: z.string() }).parse(await response.json()))
  await server.fetch(`/api/batch/${batchId}?token=a-token-nobody-should-see`)
  await server.fetch(`/api/batch/${KEY}`)
  await server.fetch('/results/nobody7code')
  await server.fetch('/api/batch/nothing', { headers: { 'X-Request-Id': 'request-1' } })
  await until(async () => /outcome="completed"\} 1\n/.exec(await (await server.fetch('/metrics')).text()))
  // What waits to be sent is sent before the end.
  expect(await server.end('SIGTERM')).toMatchObject({ code: 0 })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  collector.close()
})

it('go where they should, as who they should', () => {
  expect(received.length).toBeGreaterThan(0)
  for (const { path, headers, traces } of received) {
    expect(path).toBe('/v1/traces')
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-tenant': 'mill' })
    for (const { resource } of traces.resourceSpans) expect(resource.attributes['service.name']).toBe('weir')
  }
})

it('have a span a request: route, status, request id; part of the trace of who asked', () => {
  expect(spans().find(({ name }) => name === 'POST /api/batch')).toMatchObject({
    traceId: 'ab'.repeat(16),
    parentSpanId: 'cd'.repeat(8),
    attributes: { 'http.request.method': 'POST', 'http.route': '/api/batch', 'http.response.status_code': 202 },
  })
  const refused = spans().find(({ attributes }) => attributes['http.response.header.x-request-id'] === 'request-1')
  expect(refused).toMatchObject({
    name: 'GET /api/batch/:id',
    attributes: { 'http.response.status_code': 404 },
    // That somebody asks for what is not there is no error of the server's.
    status: { code: 0 },
    events: [],
  })
})

it('hold no query string, and no more of a path than the log does', () => {
  expect(spans().map(({ attributes }) => attributes['url.full'])).toContain(`${server.url}/api/batch/${batchId}`)
  const all = JSON.stringify(received)
  for (const secret of ['a-token-nobody-should-see', KEY, 'nobody7code']) expect(all).not.toContain(secret)
  expect(spans().map(({ name }) => name)).toContain('GET /results/:code')
})

it('have a span an attempt', () => {
  const attempts = spans().filter(({ name }) => name === 'attempt echo')
  expect(attempts).toHaveLength(2)
  const common = { 'millrace.operation': 'echo', 'millrace.batch.id': batchId, 'millrace.attempt': 1 }
  const done = attempts.find(({ attributes }) => attributes['millrace.outcome'] === 'completed')
  expect(done).toMatchObject({ attributes: common, status: { code: 0 } })
  expect(Number(done?.endTimeUnixNano) - Number(done?.startTimeUnixNano)).toBeGreaterThanOrEqual(90 * 1e6)
  expect(attempts.find(({ attributes }) => attributes['millrace.outcome'] === 'failed')).toMatchObject({
    attributes: { ...common, 'error.type': 'UNKNOWN' },
    status: { code: 2 },
  })
})

it('are given up where nobody takes them, and the server goes on and stops', async () => {
  await using lonely = await startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' } })
  expect((await lonely.fetch('/healthz')).status).toBe(200)
  expect(await lonely.end('SIGTERM')).toMatchObject({ code: 0 })
})

it('hold no value of a statement that failed', async () => {
  const endpoint = new URL('http://127.0.0.1')
  const address = collector.address()
  if (address !== null && typeof address !== 'string') endpoint.port = String(address.port)
  await using failing = await startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint.origin } })
  const db = createClient({ url: pathToFileURL(failing.databaseFile).href, timeout: 5_000 })
  await db.execute('ALTER TABLE activities RENAME TO activities_gone')
  db.close()
  const before = received.length
  const response = await failing.fetch('/api/v1/activities', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      activities: [
        { name: 'value-not-to-be-traced\n    at value-not-to-be-traced', activity_type: 'value-not-to-be-traced' },
      ],
    }),
  })
  expect(response.status).toBe(500)
  expect(await failing.end('SIGTERM')).toMatchObject({ code: 0 })
  const told = JSON.stringify(received.slice(before))
  expect(told).toContain('Failed query')
  expect(told).not.toContain('value-not-to-be-traced')
})
