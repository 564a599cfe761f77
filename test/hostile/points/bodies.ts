/** Point 2: no body, of whatever shape and size, stops the event loop or fills the memory. */

import { once } from 'node:events'
import { createServer } from 'node:http'
import { call, pick } from '../call.ts'
import type { Point } from '../points.ts'
import { demand, Fault, MEMORY_MB, type Report, STALL_MS } from '../report.ts'
import type { Server } from '../server.ts'
import { EDGE, MEASURED } from '../targets.ts'

const MB = 1_000_000
/** An answer that takes longer is none. */
const ANSWER_MS = 15_000

/** `unit` as often as it goes into so many bytes, with commas between. */
const many = (unit: string, bytes: number) => {
  const count = Math.floor(bytes / (unit.length + 1))
  return `${`${unit},`.repeat(count - 1)}${unit}`
}
const list = (unit: string, bytes: number) => `[${many(unit, bytes)}]`
const members = (bytes: number) => {
  const count = Math.floor(bytes / 14)
  return `{${Array.from({ length: count }, (_, i) => `"k${String(i).padStart(7, '0')}":1`).join(',')}}`
}
const deep = (open: string, close: string, bytes: number) => {
  const count = Math.floor(bytes / (open.length + close.length))
  return `${open.repeat(count)}1${close.repeat(count)}`
}

/** A body, and where it goes. */
interface Case {
  readonly name: string
  readonly path: string
  readonly type?: string
  readonly body: () => string
}

const echo = (item: string) => `{"operation":"echo","items":${item}}`
const BATCH = '/api/batch'

/** The examples of the issue, and others of their kind. */
const CASES: readonly Case[] = [
  { name: '31 MB of [] in one item', path: BATCH, body: () => echo(`[{"value":${list('[]', 31 * MB)}}]`) },
  { name: '9 MB of {} as items', path: BATCH, body: () => echo(list('{}', 9 * MB)) },
  { name: '31 MB of {} as items', path: BATCH, body: () => echo(list('{}', 31 * MB)) },
  { name: '31 MB of wrong items', path: BATCH, body: () => echo(list('[1]', 31 * MB)) },
  {
    name: '31 MB of {} as input',
    path: BATCH,
    body: () => `{"operation":"echo","items":[],"input":${list('{}', 31 * MB)}}`,
  },
  { name: '20 MB nested deep', path: BATCH, body: () => echo(`[{"value":${deep('[', ']', 20 * MB)}}]`) },
  { name: '20 MB of objects nested deep', path: BATCH, body: () => echo(`[{"value":${deep('{"a":', '}', 20 * MB)}}]`) },
  { name: 'an item with 2,000,000 members', path: BATCH, body: () => echo(`[{"value":${members(28 * MB)}}]`) },
  { name: 'a body with 2,000,000 members', path: BATCH, body: () => members(28 * MB) },
  { name: 'a number of 20,000,000 digits', path: BATCH, body: () => echo(`[{"value":${'9'.repeat(20 * MB)}}]`) },
  { name: 'a text of 30 MB of escapes', path: BATCH, body: () => echo(`[{"value":"${'\\u0001'.repeat(5 * MB)}"}]`) },
  {
    name: '1,000,000 webhook events',
    path: BATCH,
    body: () =>
      `{"operation":"echo","items":[{}],"options":{"webhook":{"url":"http://127.0.0.1/","events":${list('"job_failed"', 14 * MB)}}}}`,
  },
  {
    name: '1,000,000 labels',
    path: BATCH,
    body: () => `{"operation":"echo","items":[{}],"options":{"labels":${list('"a"', 4 * MB)}}}`,
  },
  {
    name: '300,001 links, all wrong',
    path: BATCH,
    body: () => `{"operation":"heat-sheet","input":{"swimmer":"A B"},"items":${list('{"url":"x"}', 4 * MB)}}`,
  },
  { name: '9 MB of [] as card_ids', path: '/bulk/export', body: () => `{"card_ids":${list('[]', 9 * MB)}}` },
  { name: '9 MB of [] as card_ids', path: '/bulk/delete', body: () => `{"card_ids":${list('[]', 9 * MB)}}` },
  { name: '2,000,000 card_ids', path: '/bulk/delete', body: () => `{"card_ids":${list('"a"', 9 * MB)}}` },
  { name: '9 MB of {} as categories', path: '/bulk/export', body: () => `{"categories":${list('{}', 9 * MB)}}` },
  {
    name: '700,000 references',
    path: '/api/chunks/bulk',
    body: () => `{"chunk_references":${list('"k_1234567"', 9 * MB)}}`,
  },
  {
    name: '3,000,000 references that are none',
    path: '/api/chunks/bulk',
    body: () => `{"chunk_references":${list('{}', 9 * MB)}}`,
  },
  { name: '9 MB of {} as chunks', path: '/api/chunks', body: () => `{"chunks":${list('{}', 9 * MB)}}` },
  {
    name: '9 MB of [] as ids',
    path: '/api/v1/batch/get',
    body: () => `{"resource_type":"activities","ids":${list('[]', 9 * MB)}}`,
  },
  {
    name: '9 MB of {} as items',
    path: '/api/v1/batch/update',
    body: () => `{"resource_type":"activities","items":${list('{}', 9 * MB)}}`,
  },
  {
    name: '9 MB of {} as data',
    path: '/api/v1/batch/update',
    body: () => `{"resource_type":"activities","items":[{"id":"a","data":{"x":${list('{}', 9 * MB)}}}]}`,
  },
  { name: '9 MB of {} as activities', path: '/api/v1/activities', body: () => `{"activities":${list('{}', 9 * MB)}}` },
  { name: '60 MB of {} as cards', path: '/bulk/import', body: () => `{"cards":${list('{}', 60 * MB)}}` },
  { name: '60 MB of [] around no cards', path: '/bulk/import', body: () => `{"x":${list('[]', 60 * MB)},"cards":[]}` },
  {
    name: 'a card of 60 MB',
    path: '/bulk/import',
    body: () => `{"cards":[{"title":"a","metadata":${list('{}', 60 * MB)}}]}`,
  },
  {
    name: 'a line of 60 MB',
    path: '/bulk/import',
    type: 'application/x-ndjson',
    body: () => `{"title":"${'a'.repeat(60 * MB)}"}\n`,
  },
  {
    name: '30 MB of empty lines',
    path: '/bulk/import',
    type: 'application/x-ndjson',
    body: () => '\n'.repeat(30 * MB),
  },
  {
    name: 'a header of 30,000,000 commas',
    path: '/bulk/import',
    type: 'text/csv',
    body: () => `${','.repeat(30 * MB)}\n`,
  },
  {
    name: 'a quote of 60 MB that never ends',
    path: '/bulk/import',
    type: 'text/csv',
    body: () => `title,body\n"${'a'.repeat(60 * MB)}`,
  },
]

async function send(server: Server, one: Case): Promise<string> {
  const headers = { 'Content-Type': one.type ?? 'application/json' }
  const as = server.runtime === 'node' ? {} : { as: 'ann' }
  const { status, text } = await call(server, one.path, {
    ...as,
    body: one.body(),
    headers,
    withinMs: ANSWER_MS,
  }).catch((error: unknown) => {
    if (error instanceof Error && error.name === 'TimeoutError')
      throw new Fault(`no answer within ${ANSWER_MS / 1_000} s`)
    throw new Fault(
      `cut off: ${error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)}`,
    )
  })
  demand(status < 500, `${status} ${text.slice(0, 80)}`)
  return `${status} ${text.slice(0, 60)}`
}

/** Every route that takes JSON, by the server's own description, with the members that it takes. */
async function jsonRoutes(server: Server): Promise<{ path: string; members: string[] }[]> {
  const { json } = await call(server, '/openapi.json')
  const schemaOf = (schema: unknown): unknown => {
    const ref = pick(schema, '$ref')
    return typeof ref === 'string' ? pick(json, ...ref.split('/').slice(1)) : schema
  }
  const paths = pick(json, 'paths')
  return Object.entries(Object(paths)).flatMap(([path, methods]) => {
    const schema = schemaOf(pick(methods, 'post', 'requestBody', 'content', 'application/json', 'schema'))
    const all = [schema, ...variants(schema)].map(schemaOf)
    const names = all.flatMap((one) => Object.keys(Object(pick(one, 'properties'))))
    return names.length === 0 ? [] : [{ path: path.replace(/\{\w+\}/g, 'x'), members: [...new Set(names)] }]
  })
}

function variants(schema: unknown): unknown[] {
  return ['anyOf', 'oneOf', 'allOf'].flatMap((name) => {
    const found = pick(schema, name)
    return Array.isArray(found) ? found : []
  })
}

/** Fills one member after the other, of every route, with what is wide. */
async function sweep(server: Server): Promise<string> {
  const wide = {
    'an array of {}': list('{}', 4 * MB),
    'an array of texts': list('"a"', 4 * MB),
    members: members(4 * MB),
  }
  const as = server.runtime === 'node' ? {} : { as: 'ann' }
  let sent = 0
  const faults: string[] = []
  for (const { path, members: names } of await jsonRoutes(server)) {
    for (const name of names) {
      for (const [shape, value] of Object.entries(wide)) {
        const from = performance.now()
        const answer = await call(server, path, { ...as, body: `{"${name}":${value}}`, withinMs: ANSWER_MS }).catch(
          () => null,
        )
        const ms = Math.round(performance.now() - from)
        sent++
        if (answer === null || answer.status >= 500)
          faults.push(`${path} ${name} with ${shape}: ${answer?.status ?? 'no answer'} after ${ms} ms`)
        if (faults.length > 2) throw new Fault(faults.join('; '))
      }
    }
  }
  demand(sent > 50, `only ${sent} bodies: the document names no more`)
  demand(faults.length === 0, faults.join('; '))
  return `${sent} bodies of 4 MB refused or taken`
}

/** Counts how often one host is asked when it is named 300,001 times. */
async function sameLink(server: Server): Promise<string> {
  let hits = 0
  const host = createServer((_, response) => {
    hits++
    response.writeHead(404).end()
  }).listen(0, '127.0.0.1')
  await once(host, 'listening')
  const address = host.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  try {
    const items = many(`{"url":"http://127.0.0.1:${port}/a"}`, 37 * 300_001).slice(0)
    const body = `{"operation":"heat-sheet","input":{"swimmer":"A B"},"items":[${items}]}`
    const { status, text } = await call(server, BATCH, { body, withinMs: ANSWER_MS })
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    demand(status < 500 && hits <= 3, `${status} ${text.slice(0, 60)}; ${hits} fetches within 1.5 s`)
    const jobs = pick(JSON.parse(text), 'totalJobs')
    demand(status >= 400 || Number(jobs) <= 100, `${status}: ${jobs} jobs`)
    return `${status}; ${hits} fetches`
  } finally {
    host.closeAllConnections()
    host.close()
  }
}

/** A form with as many parts, and links, as fit. */
async function form(server: Server): Promise<string> {
  const part = '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n'
  const headers = { 'Content-Type': 'multipart/form-data; boundary=b' }
  const parts = await call(server, '/api/batch/extract', {
    body: `${part.repeat(200_000)}--b--\r\n`,
    headers,
    withinMs: ANSWER_MS,
  })
  const links = list('"http://a"', 0.9 * MB)
  const field = `--b\r\nContent-Disposition: form-data; name="urls"\r\n\r\n${links}\r\n--b--\r\n`
  const urls = await call(server, '/api/batch/extract', { body: field, headers, withinMs: ANSWER_MS })
  demand(parts.status < 500 && urls.status < 500, `${parts.status}, ${urls.status}`)
  return `${parts.status} for 200,000 parts, ${urls.status} for 80,000 links`
}

/** An open batch that is fed. */
async function slices(server: Server): Promise<string> {
  const opened = await call(server, BATCH, { body: { operation: 'echo', open: true } })
  const path = `/api/batch/${pick(opened.json, 'batchId')}/items?from=0`
  const headers = { 'Content-Type': 'application/x-ndjson' }
  const found: number[] = []
  for (const body of [
    `{"value":${list('{}', 30 * MB)}}\n`,
    '[]\n'.repeat(8 * MB),
    '\n'.repeat(30 * MB),
    deep('[', ']', 30 * MB),
  ]) {
    found.push((await call(server, path, { body, headers, withinMs: ANSWER_MS })).status)
  }
  demand(
    found.every((status) => status < 500),
    found.join(', '),
  )
  return `answers: ${found.join(', ')}`
}

async function run(report: Report): Promise<void> {
  const expected = `answered, ≤ ${MEMORY_MB} MB, /healthz ≤ ${STALL_MS} ms`
  const limits = { expected, maxMb: MEMORY_MB, maxStallMs: STALL_MS }
  for (const one of CASES) {
    await report.probe('2', MEASURED, { ...limits, name: `${one.path}: ${one.name}` }, (server) => send(server, one))
  }
  await report.probe(
    '2',
    MEASURED,
    { ...limits, name: '300,001 times one link', expected: 'refused, or fetched once' },
    sameLink,
  )
  await report.probe('2', MEASURED, { ...limits, name: 'forms of 200,000 parts, 80,000 links' }, form)
  await report.probe('2', MEASURED, { ...limits, name: 'slices of an open batch' }, slices)
  await report.probe(
    '2',
    MEASURED,
    { ...limits, name: 'every member of every JSON route, filled', withinMs: 60_000 },
    sweep,
  )
}

/** On the other runtime a few of each kind: an isolate has 128 MB, and what holds it holds every request. */
async function edgeRun(report: Report): Promise<void> {
  const limits = { expected: `answered, /healthz ≤ ${STALL_MS} ms`, maxStallMs: STALL_MS }
  const some = CASES.filter((_, at) => [0, 1, 5, 11, 14, 18, 21, 25].includes(at))
  for (const one of some) {
    await report.probe('2', EDGE, { ...limits, name: `${one.path}: ${one.name}` }, (server) => send(server, one))
  }
}

export const bodies: Point = { point: '2', title: 'bodies', lane: 'measured', run }
export const edgeBodies: Point = { point: '2', title: 'bodies on workerd', lane: 'edge', run: edgeRun }
