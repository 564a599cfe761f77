/** Point 1: no reset, at whatever stage of whatever request, ends the process. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { batchEnd, call, textAt, tokenOf } from '../call.ts'
import type { Point } from '../points.ts'
import { raw } from '../raw.ts'
import { demand, type Report } from '../report.ts'
import { childrenOf, type Server } from '../server.ts'
import { EDGE, OPEN } from '../targets.ts'

const HOST = 'Host: 127.0.0.1\r\n'
const JSON_TYPE = 'Content-Type: application/json\r\n'
const FORM =
  '--b\r\nContent-Disposition: form-data; name="swimmer"\r\n\r\nAda Quill\r\n--b\r\nContent-Disposition: form-data; name="pdfs"; filename="a.pdf"\r\n\r\n%PDF-1.4\r\n--b--\r\n'
const ECHO = '{"operation":"echo","items":[{"value":1}]}'

/** One request of every kind there is; `auth` is a header line. */
function requests(auth: string, batchId: string): readonly string[] {
  const post = (path: string, headers: string, body: string) =>
    `POST ${path} HTTP/1.1\r\n${HOST}${auth}${headers}Content-Length: ${body.length}\r\n\r\n${body}`
  const get = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\n${HOST}${auth}${headers}\r\n`
  const chunked = `2a\r\n${ECHO}\r\n0\r\n\r\n`
  return [
    'CONNECT a:1 HTTP/1.1\r\n\r\n',
    'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nbytes of a tunnel',
    get('/healthz'),
    get('/api/batch'),
    get('/openapi.json'),
    get('/docs/swagger-ui-bundle.js'),
    get(`/api/batch/${batchId}/stream`),
    get('/api/batch/stream'),
    get(`/api/batch/${batchId}?wait=25`, 'If-None-Match: "x"\r\n'),
    get(
      '/api/batch',
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n',
    ),
    get(
      '/api/batch',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n',
    ),
    'GET /healthz HTTP/1.1\r\n\r\n',
    'nonsense\r\n\r\n',
    `GET /healthz HTTP/1.1\r\n${HOST}X-A: ${'a'.repeat(20_000)}\r\n\r\n`,
    'OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    post('/api/batch', JSON_TYPE, ECHO),
    post('/api/batch', `${JSON_TYPE}Expect: 100-continue\r\n`, ECHO),
    post('/api/batch', `${JSON_TYPE}Expect: a-miracle\r\n`, ECHO),
    `POST /api/batch HTTP/1.1\r\n${HOST}${auth}${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n${chunked}`,
    post('/api/batch/extract', 'Content-Type: multipart/form-data; boundary=b\r\n', FORM),
    post('/bulk/import', 'Content-Type: text/csv\r\n', 'title,body,category,privacy_level\na,b,IDEAS,PRIVATE\n'),
    post('/bulk/import', 'Content-Type: application/x-ndjson\r\nContent-Encoding: gzip\r\n', '{"title":"a"}\n'),
    post('/api/chunks/bulk', JSON_TYPE, '{"chunk_references":["k_1"]}'),
    post('/api/v1/batch/get', JSON_TYPE, '{"resource_type":"activities","ids":["a"]}'),
  ]
}

/** How much of a request is sent before the reset. */
const SHARES = [0.02, 0.3, 0.6, 0.95, 1]

/** Sends a part of a request and resets: at once, or when the answer begins. */
async function cut(port: number, text: string, share: number, wait: 'no' | 'answer' | 'half'): Promise<void> {
  const connection = await raw(port)
  connection.socket.write(Buffer.from(text.slice(0, Math.ceil(share * text.length)), 'latin1'))
  if (wait === 'half') connection.socket.end()
  if (wait === 'answer') await connection.until(() => connection.text.length > 0 || connection.isOver, 300)
  else await pause(5)
  connection.reset()
}

async function resets(server: Server): Promise<string> {
  const auth = server.runtime === 'node' ? '' : `Authorization: Bearer ${await tokenOf('ann')}\r\n`
  const as = server.runtime === 'node' ? {} : { as: 'ann' }
  const created = await call(server, '/api/batch', {
    ...as,
    body: { operation: 'echo', items: [{ value: 1, waitMs: 20_000 }] },
  })
  const batchId = textAt(created, 'batchId')
  const cuts = requests(auth, batchId).flatMap((text) => [
    ...SHARES.map((share) => cut(server.port, text, share, 'no')),
    cut(server.port, text, 1, 'answer'),
    cut(server.port, text, 0.9, 'half'),
  ])
  await Promise.all(cuts)
  // What a reset leads to may come a moment later.
  await pause(500)
  demand(server.exit === null, `the process ended (${server.exit}) among ${cuts.length} resets`)
  const { status } = await call(server, '/readyz')
  demand(status === 200, `/readyz answers ${status}`)
  return `alive and ready after ${cuts.length} resets`
}

async function tunnels(server: Server): Promise<string> {
  for (let i = 0; i < 50; i++) {
    const connection = await raw(server.port)
    connection.socket.write('CONNECT a:1 HTTP/1.1\r\n\r\n')
    if (i % 2 === 1) await connection.answered(500)
    connection.reset()
  }
  await pause(200)
  demand(server.exit === null, `the process ended (${server.exit})`)
  return 'alive after 50'
}

/** A receiver that resets: on connecting, after the request, within its headers, within its body. */
async function rude() {
  let hits = 0
  const beginnings = ['', '', 'HTTP/1.1 200 OK\r\nContent-', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n%PDF-']
  const server = createServer((socket: Socket) => {
    const stage = hits++ % beginnings.length
    socket.on('error', () => {})
    if (stage === 0) {
      socket.resetAndDestroy()
      return
    }
    socket.once('data', () => {
      const text = beginnings[stage] ?? ''
      if (text === '') socket.resetAndDestroy()
      else socket.write(text, () => setTimeout(() => socket.resetAndDestroy(), 5))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/x`,
    hits: () => hits,
    [Symbol.dispose]: () => void server.close(),
  }
}

async function receivers(server: Server): Promise<string> {
  using receiver = await rude()
  for (let i = 0; i < 8; i++) {
    const options = { webhook: { url: `${receiver.url}${i}` } }
    await call(server, '/api/batch', { body: { operation: 'echo', items: [{ value: i }], options } })
  }
  const links = Array.from({ length: 8 }, (_, i) => ({ url: `${receiver.url}/${i}.pdf` }))
  const body = { operation: 'heat-sheet', input: { swimmer: 'Ada Quill' }, items: links, options: { maxAttempts: 1 } }
  const batch = await batchEnd(server, textAt(await call(server, '/api/batch', { body }), 'batchId'))
  demand(server.exit === null, `the process ended (${server.exit})`)
  return `alive after ${receiver.hits()} connections; ${JSON.stringify(batch).includes('"failed"') ? 'links failed alone' : 'links ended'}`
}

async function parsers(server: Server): Promise<string> {
  const form = new FormData()
  form.set('swimmer', 'Ada Quill')
  form.set('pdfs', new Blob(['%PDF-1.4 nothing']), 'a.pdf')
  const { heatSheet } = await import('../../support/sheets.ts')
  form.append('pdfs', new Blob([Uint8Array.from(await heatSheet({ meet: 'Weir', pages: 30 }))]), 'b.pdf')
  const id = textAt(await call(server, '/api/batch/extract', { body: form }), 'batchId')
  let killed = 0
  for (let i = 0; i < 40; i++) {
    for (const pid of childrenOf(server.pid)) {
      try {
        process.kill(pid, 'SIGKILL')
        killed++
      } catch {
        // Ended meanwhile.
      }
    }
    await pause(10)
  }
  demand(server.exit === null, `the process ended (${server.exit})`)
  await batchEnd(server, id, { ms: 30_000 })
  return `alive after ${killed} parsing processes were killed; the batch came to its end`
}

async function run(report: Report): Promise<void> {
  const alive = 'the process lives'
  await report.probe('1', OPEN, { name: 'CONNECT, then a reset, 50 times', expected: alive }, tunnels)
  await report.probe('1', OPEN, { name: 'resets at every stage of every kind of request', expected: alive }, resets)
  await report.probe('1', OPEN, { name: 'webhook receivers and linked hosts that reset', expected: alive }, receivers)
  const killed = { name: 'parsing processes killed at any moment', expected: alive }
  await report.probe('1', OPEN, killed, parsers)
}

async function edgeRun(report: Report): Promise<void> {
  const options = { name: 'resets at every stage of every kind of request', expected: 'the process lives' }
  await report.probe('1', EDGE, options, resets)
}

export const edgeSockets: Point = { point: '1', title: 'sockets on workerd', lane: 'edge', run: edgeRun }
export const sockets: Point = { point: '1', title: 'sockets', lane: 'functional', run }
