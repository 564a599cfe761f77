/** Point 7: neither log nor traces hold secrets, or what a failed statement was to store. */
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { call, JWT_SECRET, KEYS, textAt, tokenOf } from '../call.ts'
import type { Point } from '../points.ts'
import { demand, type Report } from '../report.ts'
import { type Server, Target } from '../server.ts'

/** Begins everything that must never be logged, so that one search finds it. */
const MARK = 'Zq7mark'
const API_KEY = `${MARK}-api-key-of-the-environment`
/** Tables whose statements are made to fail: writes at first, then every one. */
const TABLES = [
  'results',
  'chunks',
  'activities',
  'participations',
  'coaching_notes',
  'cards',
  'batches',
  'jobs',
  'events',
]

/** The database file of a server. */
export function databaseFile({ runtime, dataDir }: Server): string {
  if (runtime === 'node') return join(dataDir, 'millrace.db')
  const folder = join(dataDir, 'd1', 'miniflare-D1DatabaseObject')
  return join(folder, readdirSync(folder).find((name) => /^[0-9a-f]+\.sqlite$/.test(name)) ?? '')
}

/** Changes a server's database from outside. */
export function alter(server: Server, sql: string): void {
  const db = new DatabaseSync(databaseFile(server), { timeout: 10_000 })
  try {
    db.exec(sql)
  } finally {
    db.close()
  }
}

const REFUSE_WRITES = TABLES.flatMap((table) =>
  ['INSERT', 'UPDATE'].map(
    (what) =>
      `CREATE TRIGGER refuse_${what}_${table} BEFORE ${what} ON ${table} BEGIN SELECT RAISE(ABORT, 'refused'); END;`,
  ),
).join('\n')
const REFUSE_ALL = TABLES.map((table) => `ALTER TABLE ${table} RENAME TO ${table}_gone;`).join('\n')

/** A collector of traces: keeps all that it is sent. */
async function collector() {
  let text = ''
  const server = createServer((request, response) => {
    request.setEncoding('latin1').on('data', (piece: string) => {
      text += piece
    })
    request.on('end', () => response.writeHead(200, { 'Content-Type': 'application/json' }).end('{}'))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}`,
    text: () => text,
    [Symbol.dispose]: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Calls whose parameters are marked, and which fail while tables refuse. */
async function failing(server: Server, owner: string): Promise<number[]> {
  const as = { as: owner }
  const secret = `whsec_${Buffer.from(`${MARK}-webhook-secret-of-a-batch`).toString('base64')}`
  const items = [{ value: `${MARK}-item`, waitMs: 50 }]
  const webhook = { url: `http://127.0.0.1:9/${MARK}-hook`, secret }
  const options = { labels: [`${MARK}-label`], webhook }
  const card = { title: `${MARK}-title`, body: `${MARK}-body`, category: 'IDEAS', privacy_level: 'IDEAS' }
  const calls: [string, unknown][] = [
    ['/api/batch', { operation: 'echo', items, options, input: { a: `${MARK}-input` } }],
    [
      '/api/batch',
      {
        operation: 'heat-sheet',
        input: { swimmer: `${MARK} Swimmer` },
        items: [{ url: `http://127.0.0.1:9/${MARK}.pdf` }],
      },
    ],
    ['/bulk/import', { cards: [card] }],
    ['/bulk/delete', { card_ids: [`${MARK}-id`] }],
    ['/bulk/export', { card_ids: [`${MARK}-id`], format: 'json' }],
    ['/api/chunks', { chunks: [{ id: `k_${MARK}`, text: `several\n    at ${MARK}-text\nparams: ${MARK}` }] }],
    [
      '/api/v1/activities',
      { activities: [{ id: `${MARK}-a`, name: `${MARK}-name`, description: `${MARK}`, activity_type: 'art' }] },
    ],
    [
      '/api/v1/coaching',
      { notes: [{ child_id: `${MARK}-child`, author: `${MARK}-author`, text: `a note\nof lines ${MARK}-note` }] },
    ],
    ['/api/v1/participations', { participations: [{ child_id: `${MARK}-child`, activity_id: `${MARK}-act` }] }],
  ]
  const statuses = []
  for (const [path, body] of calls) {
    const headers = { 'Idempotency-Key': `${MARK}-key-${path.length}` }
    statuses.push((await call(server, path, { ...as, body, headers })).status)
  }
  return statuses
}

/** Reads whose parameters are marked. */
async function reading(server: Server): Promise<number[]> {
  // Paths are logged, but for codes.
  const paths = [
    `/results/${MARK}1`,
    '/cards/some-slug',
    '/api/batch/some-key/results',
    '/bulk/status/some-key',
    '/api/chunks/k_some',
    '/api/v1/activities/some',
    `/api/batch?label=${MARK}-label`,
    `/api/webhooks/deliveries?batchId=${MARK}-key`,
  ]
  const statuses = []
  for (const path of paths) statuses.push((await call(server, path, { as: 'ann' })).status)
  const body = { resource_type: 'cards', ids: [`${MARK}-id`] }
  statuses.push((await call(server, '/api/v1/batch/get', { as: 'ann', body })).status)
  return statuses
}

/** Secrets where they go by mistake: headers, query strings, tokens of other kinds. */
async function misplaced(server: Server, stream: string): Promise<void> {
  const headers = { Cookie: `sid=${MARK}-cookie`, Authorization: `Basic ${MARK}basic` }
  await call(server, `/api/batch?token=${MARK}-token&api_key=${MARK}-query`, { headers })
  await call(server, '/api/batch', { headers: { Authorization: `Bearer ${MARK}-bearer` } })
  await call(server, '/api/batch', { headers: { Authorization: `Bearer ${API_KEY}` } })
  await call(server, `${stream.replace('/stream', '')}`, {})
  await call(server, '/api/batch', { as: 'ann', headers: { traceparent: `00-${MARK}`, tracestate: `a=${MARK}` } })
}

async function kept(server: Server, traces: (() => string) | null): Promise<string> {
  const created = await call(server, '/api/batch', { as: 'ann', body: { operation: 'echo', items: [{ value: 1 }] } })
  const stream = textAt(created, 'streamUrl')
  await misplaced(server, stream)
  // Accepted first, so that what becomes of jobs is refused as well.
  await failing(server, 'ann')
  alter(server, REFUSE_WRITES)
  const statuses = await failing(server, 'bob')
  await pause(1_000)
  alter(server, `${REFUSE_WRITES.replaceAll(/CREATE TRIGGER (\w+) .*/g, 'DROP TRIGGER $1;')}\n${REFUSE_ALL}`)
  statuses.push(...(await failing(server, 'cal')), ...(await reading(server)))
  // Spans are sent every half second, and jobs that can't be written are tried again.
  await pause(2_000)
  const failures = statuses.filter((status) => status >= 500).length
  demand(failures > 10, `too few statements failed: ${statuses.join(' ')}`)
  const secrets = [MARK, JWT_SECRET, stream.split('token=')[1] ?? MARK, await tokenOf('ann')]
  const encoded = Buffer.from(`${MARK}-web`).toString('base64').slice(0, 10)
  const leaks = [...secrets, encoded].flatMap((secret) =>
    Object.entries({ log: server.output, trace: traces?.() ?? '' }).flatMap(([where, text]) => {
      const at = text.indexOf(secret)
      return at === -1 ? [] : [`${where}: …${text.slice(Math.max(0, at - 40), at + 30)}…`.replaceAll('\n', ' ')]
    }),
  )
  demand(leaks.length === 0, leaks.join(' | '))
  const spans = traces === null ? '' : `, ${Math.round(traces().length / 1_024)} KB of traces`
  return `${failures} failed calls, ${Math.round(server.output.length / 1_024)} KB of log${spans}: nothing of it`
}

async function run(report: Report): Promise<void> {
  using traces = await collector()
  const tracing = { OTEL_EXPORTER_OTLP_ENDPOINT: traces.url, OTEL_BSP_SCHEDULE_DELAY: '500' }
  await using node = new Target({ env: { ...ENV, ...tracing } })
  const options = { name: 'log and traces of statements that fail', expected: EXPECTED }
  await report.probe('7', node, options, (server) => kept(server, traces.text))
}

async function edgeRun(report: Report): Promise<void> {
  await using edge = new Target({ runtime: 'cloudflare', env: ENV })
  await report.probe('7', edge, { name: 'log of statements that fail', expected: EXPECTED }, (server) =>
    kept(server, null),
  )
}

const ENV = { ...KEYS, MILLRACE_API_KEY: API_KEY, LOG_LEVEL: 'debug' }
const EXPECTED = 'no secret, no parameter'

export const logs: Point = { point: '7', title: 'logs', lane: 'functional', run }
export const edgeLogs: Point = { point: '7', title: 'logs on workerd', lane: 'edge', run: edgeRun }
