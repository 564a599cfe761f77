/** Refusals of requests whose body is still being sent: they arrive at every client, whatever it does first. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { curl, freshFolder, startServer, type TestServer } from '../support/server.ts'
import { scaled } from '../support/time-limits.ts'

const MB = 1024 * 1024
const KEY = 'secret-key-of-this-test'
const AUTH = { Authorization: `Bearer ${KEY}` }
const JSON_TYPE = { 'Content-Type': 'application/json' }
const TRIES = 2

/** Each is refused before its body is read, or in the middle of it. */
const CASES: readonly (readonly [status: number, method: string, path: string, headers: Record<string, string>])[] = [
  [401, 'POST', '/api/batch', { ...JSON_TYPE, Authorization: 'Bearer wrong' }],
  [401, 'POST', '/bulk/import', JSON_TYPE],
  [404, 'POST', '/api/nothing', { ...JSON_TYPE, ...AUTH }],
  [405, 'PUT', '/api/batch', { ...JSON_TYPE, ...AUTH }],
  [413, 'POST', '/api/batch', { ...JSON_TYPE, ...AUTH }],
  [413, 'POST', '/api/v1/batch/get', { ...JSON_TYPE, ...AUTH }],
  [413, 'POST', '/bulk/delete', { ...JSON_TYPE, ...AUTH }],
  [415, 'POST', '/api/batch', { 'Content-Type': 'text/plain', ...AUTH }],
  [415, 'POST', '/api/batch/extract', { ...JSON_TYPE, ...AUTH }],
  [422, 'POST', '/api/v1/batch/get?limti=1', { ...JSON_TYPE, ...AUTH }],
  [400, 'POST', '/api/batch?limti=1', { ...JSON_TYPE, ...AUTH }],
  [400, 'POST', '/api/batch/extract', { 'Content-Type': 'multipart/form-data; boundary=other', ...AUTH }],
  [429, 'POST', '/api/batch', { ...JSON_TYPE, ...AUTH }],
]
/** Sends everything before it reads, as urllib, requests and httpx do. */
const PYTHON = `
import http.client, json, sys, urllib.error, urllib.request
kind, url, method, headers, size = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4]), int(sys.argv[5])
host, path = url.split('/', 3)[2], '/' + url.split('/', 3)[3]
def once():
    if kind == 'urllib':
        try: return urllib.request.urlopen(urllib.request.Request(url, b'x' * size, headers, method=method), timeout=60).status
        except urllib.error.HTTPError as e: json.loads(e.read()); return e.code
    c = http.client.HTTPConnection(host, timeout=60)
    body = b'x' * size if kind == 'http.client' else (b'x' * 65536 for _ in range(size // 65536))
    c.request(method, path, body, headers, encode_chunked=kind == 'chunked')
    a = c.getresponse(); json.loads(a.read()); c.close()
    return a.status
for _ in range(${TRIES}):
    try: print(once())
    except Exception as e: print(type(e).__name__)
`

let server: TestServer
let limited: TestServer
let folder: string
beforeAll(async () => {
  const env = { MILLRACE_AUTH: 'keys', MILLRACE_API_KEY: KEY }
  server = await startServer({ env })
  limited = await startServer({ env: { ...env, RATE_LIMITS: 'batch.create=1' } })
  const made = await limited.fetch('/api/batch', {
    method: 'POST',
    headers: { ...JSON_TYPE, ...AUTH },
    body: '{"operation":"echo","items":[{}]}',
  })
  expect(made.status).toBe(202)
  folder = await freshFolder()
}, 240_000)
afterAll(async () => {
  await rm(folder, { recursive: true })
  await server[Symbol.asyncDispose]()
  await limited[Symbol.asyncDispose]()
})

/** What 413 is for is larger than its route takes. */
const sizeOf = (status: number) => (status === 413 ? 40 : 6) * MB
const urlOf = (status: number, path: string) => `${(status === 429 ? limited : server).url}${path}`

describe.each(CASES)('%d to %s %s', (status, method, path, headers) => {
  it.each(['urllib', 'http.client', 'chunked'])('arrives at Python, %s', { timeout: scaled(240_000) }, async (kind) => {
    const args = ['-c', PYTHON, kind, urlOf(status, path), method, JSON.stringify(headers), String(sizeOf(status))]
    const { stdout } = await promisify(execFile)('python3', args)
    expect(stdout.trim().split('\n')).toEqual(Array(TRIES).fill(String(status)))
  })

  it.each(['counted', 'chunked'])("arrives at Node's fetch, %s", { timeout: scaled(240_000) }, async (kind) => {
    for (let i = 0; i < TRIES; i++) {
      const bytes = new Uint8Array(sizeOf(status)).fill(120)
      const body = kind === 'counted' ? bytes : new Blob([bytes]).stream()
      const init: RequestInit & { duplex: 'half' } = { method, headers, body, duplex: 'half' }
      const response = await fetch(urlOf(status, path), init)
      expect(response.status).toBe(status)
      expect(await response.json()).toBeTypeOf('object')
    }
  })

  it('arrives at curl', { timeout: scaled(240_000) }, async () => {
    const file = join(folder, 'body')
    await writeFile(file, Buffer.alloc(sizeOf(status), 'x'))
    const given = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
    const args = ['-X', method, ...given, '-H', 'Expect:', '--data-binary', `@${file}`, '-w', '\n%{http_code}']
    const answer = await curl([...args, urlOf(status, path)])
    expect(answer.split('\n').at(-1)).toBe(String(status))
  })
})

it.each([1, 100_000, 3_000_000])('a body of %i bytes with a GET changes nothing of its answer', async (bytes) => {
  const { hostname, port } = new URL(server.url)
  const sent = request({ hostname, port, method: 'GET', path: '/healthz', headers: { 'Content-Length': bytes } })
  sent.end(Buffer.alloc(bytes, 'x'))
  const [answer] = await once(sent, 'response')
  expect([answer.statusCode, JSON.parse(await text(answer))]).toEqual([200, { status: 'ok' }])
})

/** A body that comes after its refusal, on a connection that goes on. */
it.each<[string, number, Record<string, string>, string]>([
  ['JSON', 401, { ...JSON_TYPE, Authorization: 'Bearer wrong' }, '{"operation":"echo","items":[{}]}'],
  ['JSON of which nothing is said', 401, {}, '{"operation":"echo","items":[{}]}'],
  ['a form', 401, { 'Content-Type': 'multipart/form-data; boundary=X' }, '--X--\r\n'],
  ['a form that is none', 400, { 'Content-Type': 'multipart/form-data; boundary=X', ...AUTH }, 'x'.repeat(50_000)],
])('a small body, %s, may arrive late', async (_, status, headers, body) => {
  const { hostname, port } = new URL(server.url)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const path = status === 400 ? '/api/batch/extract' : '/api/batch'
  const length = { 'Content-Length': Buffer.byteLength(body) }
  const sent = request({ agent, hostname, port, method: 'POST', path, headers: { ...headers, ...length } })
  const answered = once(sent, 'response')
  sent.write(body.slice(0, 5))
  // Whoever was to refuse what has arrived did so before the others were answered.
  for (let i = 0; i < 3; i++) await (await server.fetch('/healthz')).text()
  sent.end(body.slice(5))
  const [answer] = await answered
  expect([answer.statusCode, JSON.parse(await text(answer))]).toEqual([status, expect.any(Object)])
  const next = request({ agent, hostname, port, path: '/healthz' }).end()
  const [health] = await once(next, 'response')
  expect([health.statusCode, next.reusedSocket]).toEqual([200, true])
  agent.destroy()
})
