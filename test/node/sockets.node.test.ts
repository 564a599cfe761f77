/** Connections that are reset, left half open or flooded, against a real server: it goes on, and what it did for them ends with them. */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BatchAccepted } from '../../src/features/batches/schemas.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { scaled } from '../support/time-limits.ts'

let server: TestServer
let streamPath: string
beforeAll(async () => {
  server = await startServer({ env: { LOG_LEVEL: 'warn' } })
  const made = await server.fetch('/api/batch', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ operation: 'echo', open: true }),
  })
  streamPath = `/api/batch/${BatchAccepted.parse(await made.json()).batchId}/stream`
}, 240_000)
afterAll(() => server[Symbol.asyncDispose]())

const HOST = 'Host: 127.0.0.1'
const get = (path: string, ...headers: string[]) => `GET ${path} HTTP/1.1\r\n${[HOST, ...headers].join('\r\n')}\r\n\r\n`
const post = (path: string, type: string, length: number, body: string) =>
  `POST ${path} HTTP/1.1\r\n${HOST}\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n${body}`

async function metric(name: string): Promise<number> {
  const text = await (await server.fetch('/metrics')).text()
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1])
}

/** Waits until no connection is left but those that ask. */
async function released(): Promise<void> {
  while ((await metric('millrace_connections')) > 3) await new Promise((resolve) => setTimeout(resolve, 100))
}

async function open(): Promise<Socket> {
  const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** What a client sends, and how much of an answer it waits for before it resets the connection. */
const STAGES: readonly (readonly [name: string, text: () => string, answer: 'none' | 'first'])[] = [
  ['nothing', () => '', 'none'],
  ['half a request line', () => 'GET /heal', 'none'],
  ['half a head', () => `GET /healthz HTTP/1.1\r\n${HOST}\r\nX-A: `, 'none'],
  ['CONNECT', () => 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 'none'],
  ['CONNECT, answered', () => 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 'first'],
  [
    'an upgrade',
    () => get('/healthz', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'),
    'none',
  ],
  ['an upgrade, answered', () => get('/healthz', 'Connection: Upgrade', 'Upgrade: h2c'), 'first'],
  ['an expectation', () => get('/healthz', 'Expect: a-miracle'), 'none'],
  [
    'Expect: 100-continue',
    () => `POST /api/batch HTTP/1.1\r\n${HOST}\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n`,
    'first',
  ],
  ['no host', () => 'GET /healthz HTTP/1.1\r\n\r\n', 'none'],
  ['nonsense', () => 'nonsense\r\n\r\n', 'none'],
  ['headers without end', () => `GET / HTTP/1.1\r\n${HOST}\r\nX-A: ${'a'.repeat(100_000)}`, 'none'],
  ['half a JSON body', () => post('/api/batch', 'application/json', 900, '{"operation"'), 'none'],
  [
    'half a form',
    () =>
      post(
        '/api/batch/extract',
        'multipart/form-data; boundary=b',
        9e6,
        `--b\r\nContent-Disposition: form-data; name="pdfs"; filename="a.pdf"\r\n\r\n%PDF-1.7${'x'.repeat(70_000)}`,
      ),
    'none',
  ],
  [
    'half an import',
    () =>
      post(
        '/bulk/import',
        'text/csv',
        9e6,
        `title,body,category,privacy_level\n${'a,b,IDEAS,PRIVATE\n'.repeat(5_000)}`,
      ),
    'none',
  ],
  [
    'broken chunks',
    () =>
      `POST /bulk/import HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\nContent-Type: text/csv\r\n\r\n5\r\ntitle\r\nzz`,
    'none',
  ],
  ['a refused body', () => post('/api/batch', 'text/plain', 9e6, 'x'.repeat(70_000)), 'first'],
  ['a whole request', () => get('/openapi.json'), 'none'],
  ['a request whose answer has begun', () => get('/docs/swagger-ui-bundle.js'), 'first'],
  ['a stream', () => get(streamPath), 'none'],
  ['a stream that has begun', () => get(streamPath), 'first'],
  ['pipelined requests', () => get('/openapi.json').repeat(3_000), 'none'],
  ['pipelined requests, answered', () => get('/openapi.json').repeat(3_000), 'first'],
  ['CONNECT behind a request', () => `${get('/openapi.json')}CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n`, 'none'],
  ['nonsense behind a stream', () => `${get(streamPath)}nonsense\r\n\r\n`, 'first'],
]

describe('a connection that is reset', () => {
  it.each(STAGES)(
    'after %s is forgotten, and the server goes on',
    { timeout: scaled(240_000) },
    async (_, text, answer) => {
      await Promise.all(
        Array.from({ length: 10 }, async () => {
          const socket = await open()
          const first = once(socket, 'data')
          if (text() !== '') await new Promise((resolve) => socket.write(text(), resolve))
          if (answer === 'first') await first
          else first.catch(() => {})
          socket.resetAndDestroy()
        }),
      )
      await released()
      expect((await server.fetch('/healthz')).status).toBe(200)
    },
  )

  it('is no fault of the server', async () => {
    expect(server.output).not.toContain('with an unexpected error')
    expect(server.output).not.toContain('broke off in the middle')
    expect(server.output).not.toMatch(/Uncaught|uncaught|unhandled/)
  })
})

it.runIf(process.platform === 'linux')(
  'pipelined requests that nobody reads take little memory, and end with their connections',
  { timeout: scaled(480_000) },
  async () => {
    const memory = async () =>
      Number(/^VmRSS:\s*(\d+)/m.exec(await readFile(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024
    const ticks = async () => {
      const fields = (await readFile(`/proc/${server.pid}/stat`, 'utf8')).replace(/^.*\)/s, '').split(' ')
      return Number(fields[12]) + Number(fields[13])
    }
    const flood = get('/openapi.json').repeat(8_000)
    await (await server.fetch('/openapi.json')).text()
    const before = await memory()
    let peak = before
    for (const count of [10, 50]) {
      const sockets = await Promise.all(Array.from({ length: count }, open))
      for (const socket of sockets) socket.pause().write(flood)
      // Others are served meanwhile.
      for (let i = 0; i < 30; i++) {
        await (await server.fetch('/openapi.json')).text()
        peak = Math.max(peak, await memory())
      }
      for (const socket of sockets) socket.resetAndDestroy()
      await released()
      // A request is some milliseconds of work; 400,000 of them would be minutes.
      const worked = await ticks()
      await server.fetch('/healthz')
      expect((await ticks()) - worked).toBeLessThan(100)
    }
    console.log(`pipelining: ${Math.round(before)} MB before, ${Math.round(peak)} MB at most`)
    expect(peak - before).toBeLessThan(200)
  },
)
