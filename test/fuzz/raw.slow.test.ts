/**
 * What is no HTTP, or only the beginning of it: answered or cut off, never waited for without end, and of no consequence for others. On
 * Node alone: on Cloudflare the platform reads HTTP.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ErrorBody } from '../../src/http/response/error-bodies.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { scaled } from '../support/time-limits.ts'
import { runs, SEED } from './chance.ts'
import { bytesOf, exchange, type Sent } from './exchange.ts'

const RUNS = runs(50)
const PATIENCE_MS = scaled(90_000)

let server: TestServer
beforeAll(async () => {
  console.log(`FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`)
  server = await startServer({ env: { LOG_LEVEL: 'warn' } })
})
afterAll(() => server[Symbol.asyncDispose]())

const FORM =
  '--b\r\nContent-Disposition: form-data; name="swimmer"\r\n\r\nAda Quill\r\n--b\r\nContent-Disposition: form-data; name="pdfs"; filename="a.pdf"\r\n\r\n%PDF-1.4\r\n--b--\r\n'

/** Whole requests, to be cut. */
function whole(): Sent[] {
  const host = ['Host', `127.0.0.1:${server.port}`] as const
  const json = ['Content-Type', 'application/json'] as const
  const text = (body: string) => Buffer.from(body)
  return [
    { method: 'GET', target: '/api/batch', headers: [host], body: null },
    {
      method: 'POST',
      target: '/api/batch',
      headers: [host, json],
      body: text('{"operation":"echo","items":[{"value":1}]}'),
    },
    {
      method: 'POST',
      target: '/api/batch/extract',
      headers: [host, ['Content-Type', 'multipart/form-data; boundary=b']],
      body: text(FORM),
    },
    {
      method: 'POST',
      target: '/bulk/import',
      headers: [host, ['Content-Type', 'text/csv']],
      body: text('title,body,category,privacy_level\na,b,IDEAS,PRIVATE\n'),
    },
    {
      method: 'POST',
      target: '/bulk/import',
      headers: [host, ['Content-Type', 'application/x-ndjson'], ['Content-Encoding', 'gzip']],
      body: text('{"title":"a"}\n'),
    },
    {
      method: 'POST',
      target: '/api/v1/batch/get',
      headers: [host, json],
      body: text('{"resource_type":"activities","ids":["a"]}'),
    },
    { method: 'POST', target: '/api/chunks/bulk', headers: [host, json], body: text('{"chunk_references":["k_1"]}') },
  ]
}

const alive = async () => expect((await server.fetch('/readyz')).status).toBe(200)

describe('a request that is cut off', () => {
  it('at any byte, by who will send no more, is answered or closed', { timeout: 3_600_000 }, async () => {
    const property = fc.asyncProperty(fc.nat(6), fc.double({ min: 0, max: 1, noNaN: true }), async (which, share) => {
      const sent = whole()[which]
      if (sent === undefined) throw new Error('There are seven.')
      const bytes = bytesOf(sent)
      const cut = bytes.subarray(0, Math.floor(share * bytes.length))
      const got = await exchange(server.port, cut, { patienceMs: PATIENCE_MS, end: true })
      if (got !== null) expect(got.status).toBeLessThan(500)
      if (got !== null && cut.length < bytes.length) expect(got.status).toBeGreaterThanOrEqual(400)
    })
    await fc.assert(property, { seed: SEED, numRuns: RUNS * 4 })
    await alive()
  })

  it('by who stays and says nothing holds up nobody', async () => {
    const [sent] = whole()
    if (sent === undefined) throw new Error('There are seven.')
    const silent = Array.from({ length: 200 }, (_, i) =>
      exchange(server.port, bytesOf(sent).subarray(0, i % 40), { patienceMs: 5_000 }).catch((error: unknown) => error),
    )
    for (let i = 0; i < 20; i++) await alive()
    await Promise.all(silent)
  })
})

describe('what is no HTTP', () => {
  const head = 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n'
  const post = 'POST /api/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n'
  it.each([
    ['no request line', 'nonsense\r\n\r\n'],
    ['another protocol', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a version there is not', 'GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n'],
    ['a blank in the address', 'GET /a b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['no host', 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['two hosts', `${head}Host: b\r\n\r\n`],
    ['a header without a colon', `${head}nonsense\r\n\r\n`],
    ['NUL in a header', `${head}X-A: a\0b\r\n\r\n`],
    ['a folded header', `${head}X-A: a\r\n b\r\n\r\n`],
    ['two lengths', `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
    ['a length and chunks', `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a length that is none', `${post}Content-Length: -1\r\n\r\n`],
    ['a length beyond all numbers', `${post}Content-Length: 99999999999999999999\r\n\r\n`],
    ['chunks that are none', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`],
    ['a chunk beyond all numbers', `${post}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n`],
    ['an encoding there is not', `${post}Transfer-Encoding: gzip\r\n\r\n`],
    ['headers without end', `${head}X-A: ${'a'.repeat(100_000)}\r\n\r\n`],
    ['too many headers', `${head}${'X-A: a\r\n'.repeat(20_000)}\r\n`],
    ['an address without end', `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`],
    ['a tunnel', 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n'],
    ['an absolute address elsewhere', 'GET http://evil.example/api/batch HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['an address that is none', 'GET http://[::1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['an asterisk', 'OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'],
    ['an expectation nobody can meet', `${post}Expect: a-miracle\r\nContent-Length: 2\r\n\r\n{}`],
  ])('%s is refused with an error body, or closed', async (_, text) => {
    const got = await exchange(server.port, Buffer.from(text, 'latin1'), { patienceMs: PATIENCE_MS, end: true })
    if (got === null) return alive()
    expect(got.status).toBeGreaterThanOrEqual(400)
    expect(got.status).toBeLessThan(500)
    const { message } = ErrorBody.parse(JSON.parse(got.body.toString()))
    expect(message.length).toBeGreaterThan(5)
    await alive()
  })

  it('of any bytes is refused or closed', { timeout: 3_600_000 }, async () => {
    const property = fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
      const got = await exchange(server.port, bytes, { patienceMs: PATIENCE_MS, end: true })
      if (got !== null) expect(got.status).toBeLessThan(500)
    })
    await fc.assert(property, { seed: SEED, numRuns: RUNS })
    await alive()
    expect(server.output).not.toContain('with an unexpected error')
  })
})
