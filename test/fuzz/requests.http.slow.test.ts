/**
 * Every route of a real server, called with what its description says and with what it does not: never a 500, never a hang, always the
 * error shape of its surface, and a server that goes on as before. FUZZ_RUNS is the number of requests a route, FUZZ_SEED repeats a run.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  CardErrorBody,
  ChunkErrorBody,
  DetailBody,
  ErrorBody,
  ProcessingErrorBody,
} from '../../src/http/response/error-bodies.ts'
import { openLive } from '../support/live-app.ts'
import { ON_CLOUDFLARE, startServer, type TestServer } from '../support/server.ts'
import { scaled } from '../support/time-limits.ts'
import { runs, SEED } from './chance.ts'
import { bytesOf, exchange, type Got, type Sent } from './exchange.ts'
import {
  brokenJson,
  garbage,
  mutated,
  ODD_TEXTS,
  oddEncoded,
  oddForm,
  oddHeaders,
  oddHost,
  oddQuery,
} from './hostile.ts'
import { SchemaArbitraries } from './schemas.ts'

/** The code that reads requests is the same on both runtimes; on Cloudflare a third looks for what differs there. */
const RUNS = runs(ON_CLOUDFLARE ? 17 : 50)
/** Whatever takes longer hangs: the longest that a route may hold a request is 25 s. */
const PATIENCE_MS = scaled(90_000)
/**
 * Where workerd itself is the server, it hangs up on a body of more than this that a refusal left unread, and TCP may take back what it had
 * answered.
 */
const UNREAD_BYTES = 10_000
const KEY = 'a-key-for-the-fuzzed-server'
/** The file itself has no bound in time: how long it takes is a matter of FUZZ_RUNS. */
const FOREVER = { timeout: 3_600_000 }

const Parameter = z.looseObject({ name: z.string(), in: z.string(), schema: z.unknown() })
const Content = z.looseObject({
  schema: z.unknown(),
  examples: z.record(z.string(), z.looseObject({ value: z.unknown() })).default({}),
})
const Operation = z.looseObject({
  parameters: z.array(z.union([Parameter, z.looseObject({ $ref: z.string() })])).default([]),
  requestBody: z.looseObject({ content: z.record(z.string(), Content) }).optional(),
})
const Document = z.looseObject({ paths: z.record(z.string(), z.record(z.string(), Operation)) })
type Operation = z.infer<typeof Operation>

interface Route {
  readonly method: string
  readonly path: string
}

async function routesOfApp(): Promise<Route[]> {
  const live = await openLive()
  await live.close()
  const all = live.app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`)
  return [...new Set(all)].map((route) => ({ method: route.split(' ')[0] ?? '', path: route.split(' ')[1] ?? '' }))
}

const ROUTES = await routesOfApp()

let server: TestServer
let document: z.infer<typeof Document>
let arbitraries: SchemaArbitraries
/** Ids that are, or were, those of something. */
let ids: readonly string[] = []

const json = { 'Content-Type': 'application/json', Authorization: `Bearer ${KEY}` }

async function made(path: string, body: unknown, field: string): Promise<string[]> {
  const response = await server.fetch(path, { method: 'POST', headers: json, body: JSON.stringify(body) })
  const answer = z.record(z.string(), z.unknown()).parse(await response.json())
  const found = answer[field]
  if (typeof found !== 'string') throw new Error(`${path} made nothing: ${JSON.stringify(answer)}`)
  return [found]
}

/** One of each kind, new before each route since routes may delete them. */
async function makeSome(): Promise<string[]> {
  const card = { title: 'A', body: 'b', category: 'IDEAS', privacy_level: 'PRIVATE', tags: [] }
  const all = await Promise.all([
    made('/api/batch', { operation: 'echo', items: [{ value: 1 }, { error: 'no' }] }, 'batchId'),
    made('/api/batch', { operation: 'echo', items: [{ waitMs: 60_000 }] }, 'batchId'),
    made('/api/batch', { operation: 'echo', open: true }, 'batchId'),
    made('/bulk/import', { cards: [card] }, 'task_id'),
    made('/bulk/export', { format: 'json' }, 'task_id'),
  ])
  return all.flat()
}

/** Resident memory, in MB, of the server alone. */
async function residentMb(): Promise<number> {
  const status = readFileSync(`/proc/${await server.processId()}/status`, 'utf8')
  return Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1]) / 1024
}

beforeAll(async () => {
  console.log(`FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`)
  server = await startServer({ env: { MILLRACE_API_KEY: KEY, LOG_LEVEL: 'warn' } })
  document = Document.parse(await (await server.fetch('/openapi.json')).json())
  arbitraries = new SchemaArbitraries(document, {
    operation: ['echo', 'heat-sheet', 'cards.import', 'nothing'],
    items: [[{ value: 'x' }], [{ error: 'no' }, { failures: 1 }], [{ url: 'https://sheets.invalid/a.pdf' }]],
    url: ['https://hooks.invalid/', 'http://127.0.0.1/', 'ftp://x'],
    resource_type: ['activities', 'participations', 'coaching', 'analytics', 'cards', 'chunks', 'batches'],
    format: ['json', 'csv', 'markdown', 'ndjson'],
    cursor: ['', '0', '1'],
    limit: ['1', '1000', '0', '-1', '1e2', '10'],
    from: ['0', '1', '-1'],
    wait: ['0', 'x'],
    child_ids: [['child-1']],
    swimmer: ['Ada Quill'],
  })
})
afterAll(() => server[Symbol.asyncDispose]())

/** A request as the description of a route has it, and its like. */
function requestsTo(route: Route): fc.Arbitrary<Sent> {
  const operation = document.paths[route.path.replace(/:(\w+)/g, '{$1}')]?.[route.method.toLowerCase()]
  const id = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...ids, 'shared-sock-pairs', 'k_1') }, oddEncoded)
  const segments = route.path.split('/').map((part) => (part.startsWith(':') ? id : fc.constant(part)))
  const path = fc.tuple(...segments).map((parts) => parts.join('/'))
  const query = (operation?.parameters ?? []).flatMap((one) => {
    const parameter = Parameter.safeParse(one).data
    return parameter?.in === 'query' ? [parameter] : []
  })
  const schemaOf = (name: string) => query.find((one) => one.name === name)?.schema
  const queries = oddQuery(
    query.map(({ name }) => name),
    (name) => arbitraries.field(name, schemaOf(name)),
  )
  const method = fc.oneof(
    { weight: 12, arbitrary: fc.constant(route.method) },
    fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'QUERY'),
  )
  // On Cloudflare a host leads to us, or to somebody else.
  const ours = fc.constant(`127.0.0.1:${server.port}`)
  return fc
    .record({
      method,
      path,
      query: queries,
      content: bodies(route.method, operation),
      odd: fc.oneof({ weight: 2, arbitrary: fc.constant<Header[]>([]) }, oddHeaders),
      host: fc.oneof({ weight: 15, arbitrary: ours }, ON_CLOUDFLARE ? ours : oddHost),
    })
    .map(({ method, path, query, content, odd, host }) => ({
      method,
      target: `${path}${query}`,
      // Of two headers of a name Node takes the first, or both: an odd one stands in the place of ours.
      headers: [
        ['Host', host] as const,
        ...content.headers.filter(([name]) => odd.every(([other]) => other !== name)),
        ...odd,
      ],
      body: content.body,
    }))
}

type Body = Pick<Sent, 'headers' | 'body'>
type Header = readonly [name: string, value: string]

function bodies(method: string, operation: Operation | undefined): fc.Arbitrary<Body> {
  const none = fc.constant<Body>({ headers: [], body: null })
  const kinds = Object.entries(operation?.requestBody?.content ?? {}).map(([type, content]) => bodiesOf(type, content))
  if (kinds.length > 0) return fc.oneof({ weight: 12, arbitrary: fc.oneof(...kinds) }, none)
  const odd = fc.oneof(
    brokenJson(fc.jsonValue()).map((text) => Buffer.from(text)),
    garbage,
  )
  // Not large: who closes a connection while bytes come that no GET has takes back what it answered, as TCP has it.
  const unwanted = odd
    .map((bytes) => bytes.subarray(0, UNREAD_BYTES))
    .map((body): Body => ({ headers: [['Content-Type', 'application/json']], body }))
  return method === 'GET' ? fc.oneof({ weight: 5, arbitrary: none }, unwanted) : fc.oneof(none, unwanted)
}

function bodiesOf(type: string, { schema, examples }: z.infer<typeof Content>): fc.Arbitrary<Body> {
  const given = Object.values(examples).map(({ value }) => value)
  if (type === 'multipart/form-data') {
    const headers = [['Content-Type', `${type}; boundary=edge`]] as const
    return fc
      .oneof(
        oddForm.map((text) => Buffer.from(text)),
        garbage,
      )
      .map((body): Body => ({ headers, body }))
  }
  const fitting = arbitraries.of(schema)
  const valid = given.length === 0 ? fitting : fc.oneof(fitting, fc.constantFrom(...given))
  const written = (value: unknown) =>
    typeof value === 'string' && !/json$/.test(type) ? value : (JSON.stringify(value) ?? '')
  const text = fc.oneof(
    { weight: 3, arbitrary: valid.map(written) },
    { weight: 6, arbitrary: mutated(valid).map(written) },
    { weight: 2, arbitrary: brokenJson(valid) },
    { weight: 1, arbitrary: fc.constantFrom(...ODD_TEXTS) },
  )
  const bytes = fc.oneof({ weight: 12, arbitrary: text.map((one) => Buffer.from(one)) }, garbage)
  return bytes.map((body): Body => ({ headers: [['Content-Type', type]], body }))
}

const detail = (body: z.infer<typeof DetailBody>) => body.detail
/** Shapes of errors by the paths that have them, and where their message is; everything else has `ErrorBody`. */
const SHAPES: readonly (readonly [prefix: string, message: z.ZodType])[] = [
  ['/api/chunks', z.strictObject(ChunkErrorBody.shape).transform(({ error }) => error)],
  ['/api/v1', z.strictObject(DetailBody.shape).transform(detail)],
  ['/bulk', z.strictObject(CardErrorBody.shape).transform(detail)],
  ['/api/public/bulk', z.strictObject(ProcessingErrorBody.shape).transform(({ message }) => message)],
]

/** What nobody outside should read: where the code is, what it asks of the database. */
const INTERNAL =
  /node_modules|\.ts:\d|\bat \S+ \(|SQLITE_|LibsqlError|SELECT .* FROM|INSERT INTO|UPDATE .* SET|ZodError|TypeError/

/** Fails unless an answer is one that a caller may get. */
function check(path: string, { method }: Sent, got: Got): void {
  if (got.status === 503 && path === '/api/public/bulk/content') {
    // An address on another machine, which nobody serves here.
    expect(ProcessingErrorBody.parse(JSON.parse(got.body.toString())).details).toMatchObject({ field: 'channel_url' })
  } else expect(got.status, 'no answer may say that the server failed').toBeLessThan(500)
  if (method === 'HEAD' || got.status === 304) expect(got.body.length).toBe(0)
  else if (got.status >= 400 && !/^\/(cards|results)\//.test(path)) checkError(path, got)
  else if (/^application\/json/.test(got.headers.get('content-type') ?? '')) JSON.parse(got.body.toString())
}

function checkError(path: string, { status, headers, body }: Got): void {
  // A part that is not there has no body (RFC 9110, section 15.5.17).
  if (status === 416) return
  expect(headers.get('content-type')).toMatch(/^application\/json/)
  const text = body.toString()
  expect(text).not.toMatch(INTERNAL)
  // What no route was asked, for it could not be told which, has no id; and it is not the server's fault.
  const routed = (headers.get('x-request-id') ?? '') !== ''
  if (!routed) expect([400, 431]).toContain(status)
  const surface = SHAPES.find(([prefix]) => routed && (path === prefix || path.startsWith(`${prefix}/`)))
  const parsed: unknown = JSON.parse(text)
  const message =
    surface === undefined ? z.strictObject(ErrorBody.shape).parse(parsed).message : surface[1].parse(parsed)
  expect(JSON.stringify(message).length).toBeGreaterThan(5)
}

describe('a route', () => {
  it.each(ROUTES)('$method $path', FOREVER, async (route) => {
    ids = await makeSome()
    await fc.assert(
      fc.asyncProperty(requestsTo(route), async (sent) => {
        const got = await exchange(server.port, bytesOf(sent), { patienceMs: PATIENCE_MS })
        if (got !== null) return check(new URL(sent.target, server.url).pathname, sent, got)
        const refusedMidway = ON_CLOUDFLARE && (sent.body?.byteLength ?? 0) > UNREAD_BYTES
        if (!refusedMidway) throw new Error('The connection was closed without an answer.')
        expect((await server.fetch('/healthz')).status).toBe(200)
      }),
      { seed: SEED, numRuns: RUNS },
    )
  })
})

describe('the server', () => {
  it('goes on as before: it answers, its memory is bounded, nothing was left that only a programmer understands', async () => {
    const before = await residentMb()
    const { path } = ROUTES.find(({ method }) => method === 'POST') ?? { path: '/' }
    const again = {
      method: 'POST',
      target: path,
      headers: [['Host', `127.0.0.1:${server.port}`]] as const,
      body: new Uint8Array(5_000_000),
    }
    for (let i = 0; i < 40; i++) await exchange(server.port, bytesOf(again), { patienceMs: PATIENCE_MS })
    expect((await server.fetch('/readyz')).status).toBe(200)
    expect(await made('/api/batch', { operation: 'echo', items: [{}] }, 'batchId')).toHaveLength(1)
    // Node and the database are some 130 MB; garbage comes and goes. The process on Cloudflare plays D1, R2 and the queue as well.
    const after = await residentMb()
    console.log(`resident: ${Math.round(before)} MB, then ${Math.round(after)} MB`)
    expect(after).toBeLessThan(before + 150)
    expect(after).toBeLessThan(ON_CLOUDFLARE ? 1_200 : 600)
    expect(server.output).not.toContain('with an unexpected error')
  })
})
