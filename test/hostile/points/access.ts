/** Point 11, who may do what: scopes on every way in, odd JWTs, the `Host` of published addresses, misses of public codes. */
import type { JWTPayload } from 'jose'
import { heatSheet } from '../../support/sheets.ts'
import { type Answer, batchEnd, call, echo, pick, sign, textAt, tokenOf, until } from '../call.ts'
import type { Point } from '../points.ts'
import { sendRaw } from '../raw.ts'
import { demand, type Report } from '../report.ts'
import type { Server, Target } from '../server.ts'
import { EDGE, GUARDED } from '../targets.ts'

const card = (title: string, privacy = 'PRIVATE') => ({
  title,
  body: 'body',
  category: 'IDEAS',
  privacy_level: privacy,
})

/** Runs a task of the card surface to its end. @returns the answer of its status */
export async function task(server: Server, owner: string, path: string, body: unknown, headers = {}): Promise<Answer> {
  const id = textAt(await call(server, path, { as: owner, body, headers }), 'task_id')
  return until(`end of ${path}`, 20_000, async () => {
    const answer = await call(server, `/bulk/status/${id}`, { as: owner, headers })
    return ['SUCCESS', 'FAILURE'].includes(String(pick(answer.json, 'status'))) ? answer : null
  })
}

async function scopes(server: Server): Promise<string> {
  const secret = `Secret of ${server.runtime}`
  await task(server, 'ann', '/bulk/import', { cards: [card(secret)] })
  const exported = await task(server, 'ann', '/bulk/export', { format: 'json' })
  const taskId = textAt(exported, 'task_id')
  const cardId = String(pick(JSON.parse(textAt(exported, 'result', 'export_data')), 0, 'id'))
  await call(server, '/api/chunks', { as: 'ann', body: { chunks: [{ id: 'k_s', text: secret }] } })
  const batchId = await echo(server, [{ value: secret }], { as: 'ann' })
  await batchEnd(server, batchId, { as: 'ann' })
  const leaks: string[] = []
  let tried = 0
  const look = async (scope: string, path: string, body?: unknown) => {
    const { text, status } = await call(server, path, { as: 'ann', scope, ...(body === undefined ? {} : { body }) })
    tried++
    const link = /\/exports\/[^"]*token=/.test(text)
    if (text.includes(secret) || link)
      leaks.push(`${scope} reads ${path} (${status}${link ? ', a download link' : ''})`)
  }
  const get = (resource_type: string, id: string) => ({ resource_type, ids: [id] })
  await look('cards:read', `/bulk/status/${taskId}`)
  await look('cards:read cards:write', `/bulk/status/${taskId}`)
  await look('batch:read', `/api/batch/${taskId}`)
  await look('batch:read', `/api/batch/${taskId}/results`)
  await look('batch:read', `/api/batch/${taskId}/jobs`)
  await look('batch:read', `/bulk/status/${taskId}`)
  await look('cards:read', `/api/batch/${batchId}/results`)
  for (const [type, id] of [
    ['cards', cardId],
    ['chunks', 'k_s'],
    ['batches', batchId],
    ['batches', taskId],
  ] as const) {
    await look('resources:read', '/api/v1/batch/get', get(type, id))
  }
  await look('chunks:read', '/api/v1/batch/get', get('chunks', 'k_s'))
  await look('resources:read', '/api/chunks/bulk', { chunk_references: ['k_s'] })
  await look('exports:write', `/bulk/status/${taskId}`)
  await look('write', `/api/batch/${batchId}/results`)
  demand(leaks.length === 0, leaks.join('; '))
  const both = await call(server, `/bulk/status/${taskId}`, { as: 'ann', scope: 'cards:read exports:read' })
  demand(/token=/.test(both.text), 'cards:read with exports:read gets no link')
  return `${tried} ways without the scope gave nothing away`
}

const HOUR = 3_600
/** Claims that make no token; times are seconds from now. */
const ODD: Readonly<Record<string, (now: number) => JWTPayload>> = {
  'no exp': () => ({ sub: 'ann' }),
  'exp null': () => ({ sub: 'ann', ...odd({ exp: null }) }),
  'exp as text': (now) => ({ sub: 'ann', ...odd({ exp: String(now + HOUR) }) }),
  'scope null': (now) => ({ sub: 'ann', exp: now + HOUR, scope: null }),
  'scope a number': (now) => ({ sub: 'ann', exp: now + HOUR, scope: 7 }),
  'scope an object': (now) => ({ sub: 'ann', exp: now + HOUR, scope: { read: true } }),
  'scopes null': (now) => ({ sub: 'ann', exp: now + HOUR, scopes: null }),
  'scp null': (now) => ({ sub: 'ann', exp: now + HOUR, scp: null }),
  'scope empty': (now) => ({ sub: 'ann', exp: now + HOUR, scope: '' }),
  'scope of another service': (now) => ({ sub: 'ann', exp: now + HOUR, scope: 'openid profile' }),
  'scopes empty': (now) => ({ sub: 'ann', exp: now + HOUR, scopes: [] }),
  'out of time': (now) => ({ sub: 'ann', exp: now - HOUR }),
  'not yet': (now) => ({ sub: 'ann', exp: now + 2 * HOUR, nbf: now + HOUR }),
  'no sub': (now) => ({ exp: now + HOUR }),
  'sub empty': (now) => ({ sub: '', exp: now + HOUR }),
  'sub local': (now) => ({ sub: 'local', exp: now + HOUR }),
  'sub shared': (now) => ({ sub: 'shared', exp: now + HOUR }),
  'sub with NUL': (now) => ({ sub: 'ann\0', exp: now + HOUR }),
  'sub a number': (now) => ({ exp: now + HOUR, ...odd({ sub: 7 }) }),
}

/** Claims that no type allows. */
function odd(claims: Readonly<Record<string, unknown>>): JWTPayload {
  const made: JWTPayload = {}
  return Object.assign(made, claims)
}

async function tokens(server: Server): Promise<string> {
  const now = Math.floor(Date.now() / 1_000)
  const taken: string[] = []
  for (const [name, claims] of Object.entries(ODD)) {
    const headers = { Authorization: `Bearer ${await sign(claims(now))}` }
    const { status } = await call(server, '/api/batch', { headers })
    if (status !== 401 && status !== 403) taken.push(`${name}: ${status}`)
  }
  demand(taken.length === 0, taken.join(', '))
  const { status } = await call(server, '/api/batch', {
    headers: { Authorization: `Bearer ${await sign({ sub: 'ann', exp: now + HOUR })}` },
  })
  demand(status === 200, `a sound token is answered ${status}`)
  return `${Object.keys(ODD).length} refused`
}

const EVIL = 'evil.example'

/** What is said under a `Host` that a stranger chose. */
async function hosts(server: Server): Promise<string> {
  const found: string[] = []
  for (const header of ['Host', 'X-Forwarded-Host', 'Forwarded']) {
    const headers = { [header]: header === 'Forwarded' ? `host=${EVIL}` : EVIL }
    // Only by hand: `fetch` sets the Host by itself.
    await task(server, 'bob', '/bulk/import', { cards: [card(`Published under ${header}`, 'IDEAS')] })
    const body = JSON.stringify({ format: 'json' })
    const made = await byHand(server, 'POST', '/bulk/export', headers, body)
    const id = /"task_id":\s*"([^"]+)"/.exec(made)?.[1]
    if (id === undefined) {
      if (!/^HTTP\/1\.1 4/.test(made)) found.push(`${header}: ${made.slice(0, 60)}`)
      continue
    }
    await batchEnd(server, id, { as: 'bob' })
    const status = await byHand(server, 'GET', `/bulk/status/${id}`, headers)
    const read = await byHand(server, 'GET', '/api/batch', headers)
    if (`${made}${status}${read}`.includes(EVIL)) found.push(`${header} ends up in an answer`)
  }
  demand(found.length === 0, found.join('; '))
  return 'in no address'
}

async function byHand(
  server: Server,
  method: string,
  path: string,
  headers: Record<string, string>,
  body = '',
): Promise<string> {
  const all = {
    Host: new URL(server.url).host,
    Authorization: `Bearer ${await tokenOf('bob')}`,
    'Content-Type': 'application/json',
    'Content-Length': String(body.length),
    Connection: 'close',
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return (await sendRaw(server.port, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)).text
}

/** More than twice the limit of an hour. */
const MISSES = 240

async function misses(server: Server): Promise<string> {
  const form = new FormData()
  form.set('swimmer', 'Ada Quill')
  form.set('pdfs', new Blob([Uint8Array.from(await heatSheet({ meet: 'Misses' }))]), 'a.pdf')
  const id = textAt(await call(server, '/api/batch/extract', { as: 'cal', body: form }), 'batchId')
  await batchEnd(server, id, { as: 'cal' })
  const results = await call(server, `/api/batch/${id}/results`, { as: 'cal' })
  const code = textAt(results, 'sources', 0, 'resultCode')
  const statuses = new Map<number, number>()
  // An hour that ends meanwhile begins a new limit.
  for (let i = 0; i < MISSES && !statuses.has(429); i += 10) {
    const guesses = Array.from({ length: 10 }, (_, at) => call(server, `/results/guess${i + at}`))
    for (const { status } of await Promise.all(guesses)) statuses.set(status, (statuses.get(status) ?? 0) + 1)
  }
  const valid = await call(server, `/results/${code}`)
  const told = `${[...statuses].map(([status, count]) => `${count} × ${status}`).join(', ')}; the valid code: ${valid.status}`
  demand(valid.status === 200, told)
  demand((statuses.get(429) ?? 0) > 0, `${told}: guessing was never stopped`)
  return told
}

async function on(report: Report, target: Target): Promise<void> {
  await report.probe('11', target, { name: 'scopes on other ways in', expected: 'nothing without the scope' }, scopes)
  await report.probe('11', target, { name: 'odd JWTs', expected: '401 or 403' }, tokens)
  await report.probe('11', target, { name: 'a Host that nobody configured', expected: 'in no published_url' }, hosts)
  const guesses = { name: 'misses of codes from one address', expected: '429; a valid code 200' }
  await report.probe('11', target, guesses, misses)
}

export const access: Point = { point: '11', title: 'access', lane: 'functional', run: (report) => on(report, GUARDED) }
export const edgeAccess: Point = {
  point: '11',
  title: 'access on workerd',
  lane: 'edge',
  run: (report) => on(report, EDGE),
}
