/** Point 4: connections that were refused, or say nothing, are given up; how many there may be is bounded. */
import { setTimeout as pause } from 'node:timers/promises'
import { call } from '../call.ts'
import type { Point } from '../points.ts'
import { type Raw, raw } from '../raw.ts'
import { demand, type Report } from '../report.ts'
import { type Server, startServer, Target } from '../server.ts'
import { OPEN } from '../targets.ts'

/** What a socket that was refused may stay, in ms, when its client never closes it. */
const GRACE_MS = 12_000
const EACH = 10

const POST = 'POST /api/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n'

/** What is refused with the connection left open on the client's side. */
const REFUSED: readonly (readonly [name: string, text: string])[] = [
  ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'],
  ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n'],
  ['no HTTP', 'nonsense\r\n\r\n'],
  ['an unknown expectation', `${POST}Expect: a-miracle\r\nContent-Length: 2\r\n\r\n{}`],
  ['headers too long', `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ${'a'.repeat(40_000)}\r\n\r\n`],
  ['two lengths', `${POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
  ['a length too large, never sent', `${POST}Content-Length: 99999999999\r\n\r\n{`],
]

async function several(port: number, text: string): Promise<Raw[]> {
  return Promise.all(
    Array.from({ length: EACH }, async () => {
      const connection = await raw(port)
      if (text !== '') connection.socket.write(Buffer.from(text, 'latin1'))
      return connection
    }),
  )
}

/** Whether the server still holds a connection: what is written to one it gave up is answered by a reset. */
async function isHeld(connection: Raw): Promise<boolean> {
  if (connection.isClosed) return false
  // The first write is answered by a reset where nobody holds the connection, the next fails because of it.
  for (let i = 0; i < 10 && !connection.isClosed; i++) {
    connection.socket.write('x')
    await connection.until(() => connection.isClosed, 200)
  }
  return !connection.isClosed
}

async function refused(server: Server): Promise<string> {
  const opened = await Promise.all(
    REFUSED.map(async ([name, text]) => ({ name, connections: await several(server.port, text) })),
  )
  const silent = (
    await Promise.all(opened.flatMap(({ connections }) => connections.map((one) => one.answered(8_000))))
  ).filter((answered) => !answered).length
  await pause(GRACE_MS)
  const held: string[] = []
  for (const { name, connections } of opened) {
    const still = (await Promise.all(connections.map(isHeld))).filter(Boolean).length
    if (still > 0) held.push(`${still} of ${EACH} after ${name}`)
    for (const one of connections) one.socket.destroy()
  }
  demand(held.length === 0, `still held after ${GRACE_MS / 1_000} s: ${held.join(', ')}`)
  return `all ${EACH * REFUSED.length} released (${silent} without an answer)`
}

/** Time that a kept connection has, and what is waited beyond it: Node looks for late ones from time to time. */
const KEEP_ALIVE_SECONDS = 5
const LATE_MS = 45_000

async function idle(server: Server): Promise<string> {
  const quiet = await several(server.port, '')
  const slow = await several(server.port, 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n')
  const kept = await several(server.port, 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
  await pause(LATE_MS)
  const held: string[] = []
  for (const [name, connections] of Object.entries({
    'that said nothing': quiet,
    'with half a header': slow,
    'kept alive': kept,
  })) {
    const still = (await Promise.all(connections.map(isHeld))).filter(Boolean).length
    if (still > 0) held.push(`${still} of ${EACH} ${name}`)
    for (const one of connections) one.socket.destroy()
  }
  demand(held.length === 0, `still held after ${LATE_MS / 1_000} s: ${held.join(', ')}`)
  return `all ${3 * EACH} released`
}

async function idleRun(report: Report): Promise<void> {
  await using node = new Target({ env: { KEEP_ALIVE_SECONDS: String(KEEP_ALIVE_SECONDS) } })
  const options = {
    name: 'silent, slow and idle connections',
    expected: `released within ${LATE_MS / 1_000} s`,
    withinMs: 90_000,
  }
  await report.probe('4', node, options, idle)
}

async function bounded(): Promise<string> {
  const server = await startServer({ env: { MAX_CONNECTIONS: '20' } })
  try {
    const connections = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const connection = await raw(server.port)
        connection.socket.write('GET /api/batch HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
        return connection
      }),
    )
    await Promise.all(connections.map((one) => one.answered(3_000)))
    const statuses = connections.map(({ text }) => /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 'none')
    for (const one of connections) one.socket.destroy()
    const answered = statuses.filter((status) => status === '200').length
    const refusals = statuses.filter((status) => status === '503').length
    demand(answered <= 20 && refusals > 0, `${answered} answered, ${refusals} refused with 503, of 40`)
    await pause(300)
    const { text } = await call(server, '/metrics')
    const figures = text.split('\n').filter((line) => /^millrace\w*connection/.test(line))
    demand(figures.length > 0, `${answered} answered, ${refusals} refused; /metrics says nothing of connections`)
    return `${answered} answered, ${refusals} refused with 503; ${figures[0]}`
  } finally {
    await server.kill()
  }
}

async function run(report: Report): Promise<void> {
  const freed = { name: 'refused connections that never close', expected: `released within ${GRACE_MS / 1_000} s` }
  await report.probe('4', OPEN, freed, refused)
  await report.alone(
    '4',
    { name: '40 connections where 20 may be', expected: '503 for the rest, figures in /metrics' },
    bounded,
  )
}

export const halfClosed: Point = { point: '4', title: 'half-closed sockets', lane: 'functional', run }
export const idleSockets: Point = { point: '4', title: 'idle sockets', lane: 'waiting', run: idleRun }
