/** Point 3: requests sent ahead of their answers, and answers that nobody reads, cost little and end with their connection. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { call } from '../call.ts'
import type { Point } from '../points.ts'
import { raw } from '../raw.ts'
import { demand, MEMORY_MB, type Report, STALL_MS } from '../report.ts'
import type { Server } from '../server.ts'
import { MEASURED } from '../targets.ts'

const BYTES = 380 * 1024
/** CPU time that a server may use in the second after all connections closed, in ms. */
const IDLE_CPU_MS = 500
const TICKS_A_SECOND = 100

/** CPU time a process has used, in ms. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / TICKS_A_SECOND
}

const openFiles = (pid: number) => readdirSync(`/proc/${pid}/fd`).length

/** Sends requests without end on connections that nobody reads, then closes all and sees what the server goes on doing. */
async function unread(server: Server, request: string, connections: number): Promise<string> {
  const text = request.repeat(Math.ceil(BYTES / request.length))
  const opened = await Promise.all(
    Array.from({ length: connections }, async () => {
      const connection = await raw(server.port, { read: false })
      connection.socket.write(text)
      return connection
    }),
  )
  await pause(2_500)
  for (const connection of opened) connection.socket.destroy()
  await pause(1_500)
  const before = cpuMs(server.pid)
  await pause(1_000)
  const spent = Math.round(cpuMs(server.pid) - before)
  demand(spent <= IDLE_CPU_MS, `busy for ${spent} ms of the second after all had closed`)
  return `${spent} ms of CPU in the second after all had closed`
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`
const BODY = '{"operation":"echo","items":[{"value":1}]}'
const POST = `POST /api/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`

async function inOrder(server: Server): Promise<string> {
  const connection = await raw(server.port)
  connection.socket.write(`${get('/healthz')}${POST}${get('/api/batch')}${get('/nowhere')}`)
  await connection.until(() => (connection.text.match(/HTTP\/1\.1 \d/g)?.length ?? 0) >= 4 || connection.isOver, 20_000)
  const statuses = [...connection.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status).join(' ')
  connection.socket.destroy()
  demand(statuses === '200 202 200 404', `answers: ${statuses}`)
  return `answers: ${statuses}`
}

/** Answers that are large or come from files, given up after the first bytes. */
async function cancelled(server: Server): Promise<string> {
  await call(server, '/healthz')
  const before = openFiles(server.pid)
  for (const path of ['/docs/swagger-ui-bundle.js', '/openapi.json', '/docs/swagger-ui.css']) {
    const opened = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const connection = await raw(server.port, { read: false })
        connection.socket.write(get(path))
        return connection
      }),
    )
    await pause(150)
    for (const connection of opened) connection.reset()
  }
  let after = openFiles(server.pid)
  for (let i = 0; i < 100 && after - before > 5; i++) {
    await pause(100)
    after = openFiles(server.pid)
  }
  demand(after - before <= 5, `${after - before} files or sockets stayed open`)
  return `${after - before} files or sockets more than before`
}

async function run(report: Report): Promise<void> {
  const limits = { maxMb: MEMORY_MB, maxStallMs: STALL_MS }
  const expected = `≤ ${MEMORY_MB} MB, idle when they closed`
  const probes: readonly (readonly [string, string, number])[] = [
    ['10 connections with 380 KB of unread GET /openapi.json', get('/openapi.json'), 10],
    ['50 connections with 380 KB of unread GET /openapi.json', get('/openapi.json'), 50],
    ['20 connections with 380 KB of unread GETs of a script', get('/docs/swagger-ui-bundle.js'), 20],
    ['20 connections with 380 KB of unread POSTs', POST, 20],
    ['20 connections with 380 KB of unread streams', get('/api/batch/stream'), 20],
    ['20 connections with 380 KB of what is refused', get('/nowhere'), 20],
  ]
  for (const [name, request, connections] of probes) {
    await report.probe('3', MEASURED, { name, expected, ...limits }, (server) => unread(server, request, connections))
  }
  await report.probe('3', MEASURED, { name: 'four requests sent at once', expected: 'answered in order' }, inOrder)
  await report.probe('3', MEASURED, { name: '120 downloads given up', expected: 'no file stays open' }, cancelled)
}

export const pipelining: Point = { point: '3', title: 'pipelining', lane: 'measured', run }
