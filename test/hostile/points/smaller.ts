/** Point 11, the rest: spreadsheets, shutdown, text that is none, and the Worker on this machine. */
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { batchEnd, call, echo, KEYS, pick, textAt, until } from '../call.ts'
import type { Point } from '../points.ts'
import { type Raw, raw } from '../raw.ts'
import { demand, Fault, type Report } from '../report.ts'
import { freshFolder, launch, type Server, startServer, type Target } from '../server.ts'
import { EDGE, GUARDED } from '../targets.ts'
import { task } from './access.ts'
import { alter } from './logs.ts'

/** Texts of which a spreadsheet makes a formula, by the separator it may be opened with. */
const FORMULAS = [
  '=1+1',
  '+1',
  '-1',
  '@SUM(1)',
  '\t=1',
  'a|=HYPERLINK(1)',
  'a;=HYPERLINK(1)',
  'a\t=HYPERLINK(1)',
  'a|+1+1',
  'a|@SUM(1)',
  '|=1+1',
  'a\n=1',
  '＝1',
  'a|＝1',
]

async function spreadsheet(server: Server): Promise<string> {
  const cards = FORMULAS.map((text, i) => ({
    title: `${i} ${text}`,
    body: text,
    category: 'IDEAS',
    privacy_level: 'PRIVATE',
    tags: [text.trim()],
  }))
  await task(server, 'eve', '/bulk/import', { cards })
  const exported = await task(server, 'eve', '/bulk/export', { format: 'csv' })
  const csv = textAt(exported, 'result', 'export_data')
  const live = [...csv.matchAll(/(?:^|[|;\t\n"])[=+@＝][A-Z0-9]/gm)].map(([found]) => JSON.stringify(found))
  demand(live.length === 0, `formulas after ${[...new Set(live)].join(', ')}`)
  // And what was exported is what was imported.
  const json = await task(server, 'eve', '/bulk/export', { format: 'json' })
  const before = textAt(json, 'result', 'export_data')
  const back = await call(server, '/bulk/import?validate_only=true', {
    as: 'eve',
    body: csv,
    headers: { 'Content-Type': 'text/csv' },
  })
  demand(
    back.status === 200 && FORMULAS.every((text) => before.includes(JSON.stringify(text).slice(1, -1))),
    'not the same when read back',
  )
  return `${FORMULAS.length} texts, none live`
}

/** Connections at every stage while the server is told to stop. */
async function shutdown(): Promise<string> {
  const server = await startServer()
  try {
    const get = 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
    const open = async (text: string): Promise<Raw> => {
      const connection = await raw(server.port)
      connection.socket.write(text)
      return connection
    }
    const id = await echo(server, [{ value: 1, waitMs: 1_500 }])
    const wait = `GET /api/batch/${id}?wait=25 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`
    const body = '{"operation":"echo","items":[{"value":1}]}'
    const post = `POST /api/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
    const idle = await open(get)
    await idle.answered()
    const stream = await open(`GET /api/batch/${id}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
    await stream.answered()
    const waiting = await open(wait.replace('HTTP/1.1\r\n', 'HTTP/1.1\r\nIf-None-Match: "x"\r\n'))
    const half = await open(post)
    const busy = await Promise.all(Array.from({ length: 20 }, () => open(get)))
    await Promise.all(busy.map((one) => one.answered()))
    await pause(200)
    server.signal('SIGTERM')
    await pause(100)
    // Under way when it was told: the answer is whole, and says that it is the last.
    half.socket.write(body)
    for (const one of busy) if (!one.isOver) one.socket.write(get)
    const all = [idle, stream, waiting, half, ...busy]
    await Promise.all(all.map((one) => one.until(() => one.isOver, 8_000)))
    const resets = all.filter(({ error }) => error === 'ECONNRESET').length
    const answered = /^HTTP\/1\.1 202[\s\S]*?\r\nconnection: close\r\n/im.test(half.text)
    for (const one of all) one.socket.destroy()
    const isGone = await server.ended(12_000)
    const told = `${resets} of ${all.length} connections reset; the request under way ${answered ? '202 with Connection: close' : half.text.slice(0, 120).replaceAll('\r\n', ' ')}; ${isGone ? server.exit : 'still running'}`
    demand(resets === 0 && answered && isGone && server.exit === 'exit 0', told)
    return told
  } finally {
    await server.kill()
  }
}

const INVALID = "CAST(x'61ff62c3' AS TEXT)"
/** JSON around a byte that is no UTF-8: a text, and an echo item. */
const INVALID_JSON = "CAST(x'22ff22' AS TEXT)"
const INVALID_ITEM = "CAST(x'7b2276616c7565223a22ff227d' AS TEXT)"

/** Rows with text that is no UTF-8, put there from outside, are named and end nothing. */
async function invalidRows(server: Server): Promise<string> {
  const as = { as: 'eve' }
  await task(server, 'eve', '/bulk/import', {
    cards: [1, 2, 3].map((i) => ({ title: `c${i}`, body: 'b', category: 'IDEAS', privacy_level: 'IDEAS' })),
  })
  await call(server, '/api/chunks', {
    ...as,
    body: {
      chunks: [
        { id: 'k_a', text: 'a' },
        { id: 'k_b', text: 'b' },
      ],
    },
  })
  const done = await echo(server, [{ value: 'x' }, { value: 'y' }], as)
  await batchEnd(server, done, as)
  const waiting = textAt(
    await call(server, '/api/batch', {
      ...as,
      body: {
        operation: 'echo',
        items: [{ value: 1 }, { value: 2 }],
        options: { runAt: new Date(Date.now() + 3_000).toISOString() },
      },
    }),
    'batchId',
  )
  alter(server, `UPDATE cards SET body = ${INVALID} WHERE title = 'c2'`)
  alter(server, `UPDATE jobs SET result = ${INVALID_JSON} WHERE batch_id = '${done}'`)
  alter(server, `UPDATE jobs SET input = ${INVALID_ITEM} WHERE batch_id = '${waiting}' AND sequence = 1`)
  const statuses: number[] = []
  for (const path of [
    `/api/batch/${done}`,
    `/api/batch/${done}/jobs`,
    `/api/batch/${done}/results`,
    '/api/batch',
    '/bulk/tokens',
    `/api/batch/${done}/results?format=ndjson`,
  ]) {
    statuses.push(
      await call(server, path, as).then(
        ({ status }) => status,
        () => 0,
      ),
    )
    if (server.exit !== null) throw new Fault(`the process ended (${server.exit}) at ${path}`)
  }
  const exported = await call(server, '/bulk/export', { ...as, body: { format: 'json' } })
  await batchEnd(server, textAt(exported, 'task_id'), as).catch(() => null)
  const other = await echo(server, [{ value: 1 }], { as: 'bob' })
  const batch = await batchEnd(server, other, { as: 'bob' })
  demand(pick(batch, 'status') === 'completed', 'another owner is served no more')
  await batchEnd(server, waiting, as)
  return `alive; answers ${statuses.join(' ')}; others are served`
}

/** Ways in for text that is no UTF-8. */
async function invalidCalls(server: Server): Promise<string> {
  const bad = Buffer.from([0x61, 0xff, 0xc3, 0x28, 0xed, 0xa0, 0x80])
  const around = (before: string, after: string) => Buffer.concat([Buffer.from(before), bad, Buffer.from(after)])
  const calls: [string, Uint8Array | string | undefined, string?][] = [
    ['/api/batch', around('{"operation":"echo","items":[{"value":"', '"}]}')],
    ['/api/batch', '{"operation":"echo","items":[{"value":"\\ud800"}]}'],
    ['/api/batch', '{"operation":"echo","items":[{"value":"\\u0000"}],"options":{"labels":["\\ud800"]}}'],
    ['/api/chunks', around('{"chunks":[{"id":"k_x","text":"', '"}]}')],
    ['/api/chunks', '{"chunks":[{"id":"k_x","text":"\\udfff","\\ud800":1}]}'],
    ['/api/v1/coaching', '{"notes":[{"child_id":"\\ud800","author":"a","text":"\\ud83d"}]}'],
    ['/bulk/import', around('title,body,category,privacy_level\n', ',b,IDEAS,PRIVATE\n'), 'text/csv'],
    [
      '/bulk/import',
      around('{"title":"', '","body":"b","category":"c","privacy_level":"p"}\n'),
      'application/x-ndjson',
    ],
    ['/bulk/import', '{"cards":[{"title":"\\ud800","body":"b","category":"c","privacy_level":"p"}]}'],
    ['/bulk/delete', '{"card_ids":["\\ud800"]}'],
    ['/api/batch/%FF%C3', undefined],
    ['/cards/%ED%A0%80', undefined],
    ['/results/%00', undefined],
    ['/api/batch?label=%FF', undefined],
    ['/api/chunks?cursor=%ED%A0%80', undefined],
    ['/api/v1/activities/%FF', undefined],
  ]
  const statuses: number[] = []
  for (const [path, body, type] of calls) {
    const headers: Record<string, string> = {
      'Idempotency-Key': `k${statuses.length}`,
      ...(type === undefined ? {} : { 'Content-Type': type }),
    }
    const { status } = await call(server, path, { as: 'eve', headers, ...(body === undefined ? {} : { body }) })
    statuses.push(status)
  }
  await pause(500)
  for (const path of ['/api/batch', '/api/chunks', '/api/v1/coaching']) {
    const { status } = await call(server, path, { as: 'eve' })
    demand(status === 200, `afterwards ${path} is answered ${status}`)
  }
  demand(
    statuses.every((status) => status < 500),
    statuses.join(' '),
  )
  return `answers ${statuses.join(' ')}`
}

const DEV = join(import.meta.dirname, '..', '..', '..', 'scripts', 'dev-edge.ts')

/** The Worker as `npm run dev:edge` runs it, under keys. */
async function onThisMachine(): Promise<string> {
  const env = { ...KEYS, DATA_DIR: freshFolder(), PORT: '0' }
  const { child, output } = launch(process.execPath, [DEV], env)
  try {
    const url = await until('Worker', 60_000, async () => {
      if (child.exitCode !== null) throw new Fault(output.text.slice(0, 200))
      return /Millrace listens on (http:\S+)/.exec(output.text)?.[1] ?? null
    })
    const open: string[] = []
    for (const path of [
      '/cdn-cgi/explorer',
      '/cdn-cgi/explorer/',
      '/cdn-cgi/explorer/api',
      '/cdn-cgi/explorer/api/d1/database',
    ]) {
      const { status } = await call({ url }, path)
      if (status < 400) open.push(`${path} ${status}`)
    }
    const links = [
      'http://localhost:1/a.pdf',
      'http://127.0.0.1.nip.io:1/a.pdf',
      'http://localhost.:1/a.pdf',
      'http://a.localhost:1/a.pdf',
      'http://ip6-localhost:1/a.pdf',
    ]
    const body = {
      operation: 'heat-sheet',
      input: { swimmer: 'A B' },
      items: links.map((link) => ({ url: link })),
      options: { maxAttempts: 1 },
    }
    const made = await call({ url }, '/api/batch', { as: 'eve', body })
    const id = textAt(made, 'batchId')
    const jobs = await until('end of the links', 40_000, async () => {
      const { json } = await call({ url }, `/api/batch/${id}/jobs`, { as: 'eve' })
      const list = pick(json, 'jobs')
      return Array.isArray(list) && list.every((job) => ['failed', 'completed'].includes(String(pick(job, 'status'))))
        ? list
        : null
    })
    const codes = jobs.map((job) => String(pick(job, 'errorCode')))
    demand(open.length === 0, `open to anyone: ${open.join(', ')}; links ${codes.join(' ')}`)
    demand(codes[0] === 'URL_NOT_ALLOWED', `links end with ${codes.join(' ')}`)
    return `no explorer; links ${codes.join(' ')}`
  } finally {
    const closed = once(child, 'close')
    child.kill('SIGTERM')
    await closed
  }
}

async function on(report: Report, target: Target): Promise<void> {
  await report.probe(
    '11',
    target,
    { name: 'formulas behind every separator', expected: 'none is live in a CSV' },
    spreadsheet,
  )
  await report.probe(
    '11',
    target,
    { name: 'text that is no UTF-8, sent', expected: 'no 5xx, all served afterwards' },
    invalidCalls,
  )
  const rows = { name: 'text that is no UTF-8, in rows', expected: 'the process lives, others are served' }
  await report.probe('11', target, rows, invalidRows)
}

async function run(report: Report): Promise<void> {
  await on(report, GUARDED)
  const told = {
    name: 'connections when the server is told to stop',
    expected: 'whole answers, Connection: close, no reset',
  }
  await report.alone('11', told, shutdown)
}

async function edgeRun(report: Report): Promise<void> {
  await on(report, EDGE)
  const dev = { name: 'npm run dev:edge under keys', expected: 'no explorer, no name of loopback', withinMs: 150_000 }
  await report.alone('11', dev, onThisMachine)
}

export const smaller: Point = { point: '11', title: 'smaller', lane: 'functional', run }
export const edgeSmaller: Point = { point: '11', title: 'smaller on workerd', lane: 'edge', run: edgeRun }
