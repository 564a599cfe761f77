/** Every operation of the document, called with each of its examples on a real server: what comes back is what the document states. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod'
import { loadOpenApiDocument } from '../../../src/surfaces.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { makeWorkbook } from '../../support/workbook.ts'
import { type Answer, Contract, read } from './contract.ts'
import { keptNames, withoutExample } from './recorded-examples.ts'
import { formOf, senderTo } from './send.ts'
import { type Send, World } from './world.ts'

const KEY = 'a-key-for-the-walk'
const Claimed = z.object({ jobs: z.tuple([z.object({ id: z.string(), lease: z.string() })]) })

let server: TestServer
let send: Send
let world: World
let contract: Contract

beforeAll(async () => {
  server = await startServer({
    env: { MILLRACE_AUTH: 'keys', MILLRACE_API_KEY: KEY, ALLOW_CLEANUP: '1', MILLRACE_ALLOW_PRIVATE_URLS: '1' },
  })
  send = senderTo(server, KEY)
  world = new World(send)
  contract = await Contract.of((path) => server.fetch(path))
})
afterAll(() => server[Symbol.asyncDispose]())

/** How an operation is called beside what its example says. */
interface Call {
  /** In place of every parameter of the path; default: one that exists. */
  readonly id?: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

async function call(operationId: string, { id, query = '', headers = {}, body }: Call = {}): Promise<Answer> {
  const operation = contract.operation(operationId)
  const name = operation.path.includes('{') ? (id ?? (await world.idFor(operationId))) : ''
  const response = await send(operation.method, operation.path.replace(/\{\w+\}/, name) + query, body, headers)
  const answer = await read(response, { endless: operationId === 'followAll' })
  contract.check(operation, answer)
  return answer
}

const XLSX = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'
/** Files of types that no text is an example of. */
const FILES: Readonly<Record<string, Uint8Array>> = {
  [XLSX]: makeWorkbook([
    {
      name: 'Cards',
      rows: [
        ['title', 'body', 'category', 'privacy_level'],
        ['a', 'b', 'c', 'd'],
      ],
    },
  ]),
}

/** A body as its type wants it. */
function bodyOf(type: string, value: unknown): { body?: unknown; headers?: Record<string, string> } {
  if (type !== 'multipart/form-data') return { body: value, headers: { 'Content-Type': type } }
  return { body: formOf(value) }
}

const operations = new Contract(await loadOpenApiDocument({})).operations
/** Answered over a socket: `live/state-sockets.http.test.ts` follows it. */
const SOCKETS = ['followProcessing']
/** Answered by the token of a call that waits: `features/http-calls/callbacks.http.test.ts` makes some. */
const BY_TOKEN = ['callBack']
const calls = operations
  .filter(({ operationId }) => ![...SOCKETS, ...BY_TOKEN].includes(operationId))
  .flatMap(({ operationId, parameters, requestBody }): [string, string, Call][] =>
    requestBody === undefined
      ? [[operationId, 'as it is', parameters.some(({ name }) => name === 'limit') ? { query: '?limit=2' } : {}]]
      : Object.entries(requestBody.content).flatMap(([type, { examples = {} }]) =>
          Object.entries(type in FILES ? { file: { value: FILES[type] } } : examples).map(
            ([name, { value }]): [string, string, Call] => [operationId, `${type}: ${name}`, bodyOf(type, value)],
          ),
        ),
  )

it('every body that an operation takes has an example', () => {
  const types = operations.flatMap(({ operationId, requestBody }) =>
    Object.keys(requestBody?.content ?? {}).map((type) => `${operationId} ${type}`),
  )
  const shown = calls.map(([operationId, name]) => `${operationId} ${name.split(':')[0]}`)
  expect(types.filter((type) => !shown.includes(type))).toEqual([])
})

describe('the example of', () => {
  it.each(calls)('%s, %s, is taken', async (operationId, name, given) => {
    const takesKey = contract.operation(operationId).parameters.some(({ $ref }) => $ref?.endsWith('/Idempotency-Key'))
    const key = takesKey ? { 'Idempotency-Key': `${operationId}:${name.replace(/\W/g, '.')}` } : {}
    if (operationId === 'exportEmbeddings') await world.processed('bulk-1641024000123')
    if (operationId === 'claimJobs') await world.declared('resize')
    const channel = { query: `?limit=2&channel_url=${encodeURIComponent(await world.feed())}` }
    const beside = operationId === 'listContent' ? channel : {}
    const answer = await call(operationId, { ...given, ...beside, headers: { ...given.headers, ...key } })
    expect(answer.status).toBeLessThan(300)
  })
})

describe('beyond its examples', () => {
  it('a create that is sent again, a write that became a batch, a secret that there was none of', async () => {
    const again = { headers: { 'Idempotency-Key': 'again' }, body: { operation: 'echo', items: [{}] } }
    expect((await call('createBatch', again)).status).toBe(202)
    expect((await call('createBatch', again)).status).toBe(200)
    const ids = Array.from({ length: 101 }, (_, at) => `none-${at}`)
    const webhook = { url: 'https://example.com/hook' }
    expect((await call('deleteResources', { body: { resource_type: 'coaching', ids, webhook } })).status).toBe(202)
    expect((await call('putSecret', { id: 'a-new-one', body: { value: 'the-token' } })).status).toBe(201)
    const items = ids.map((id) => ({ id, data: { name: 'New' } }))
    expect((await call('updateResources', { body: { resource_type: 'activities', items } })).status).toBe(202)
  })

  it('a batch that has ended: its events, its state, its results', async () => {
    const id = await world.ended()
    const whole = await call('followBatch', { id })
    const last = /^id: ?(\d+)$/m.exec(whole.text.slice(whole.text.lastIndexOf('id:')))?.[1] ?? ''
    expect((await call('followBatch', { id, headers: { 'Last-Event-ID': last } })).status).toBe(204)
    expect((await call('followBatch', { id, query: '?lastEventId=999' })).text).toContain('resync')
    const state = await call('readBatch', { id, query: '?after=1' })
    const tag = { 'If-None-Match': state.headers.get('ETag') ?? '' }
    expect((await call('readBatch', { id, headers: tag })).status).toBe(304)
    for (const query of ['?set=failed', '?format=ndjson', '?as=items', '?limit=1'])
      await call('readResults', { id, query })
    await call('listJobs', { id, query: '?status=failed&limit=1&cursor=0' })
    await call('listBatches', { query: '?status=partial&label=walk&operation=echo&limit=1' })
  })

  it('a batch while it runs: its progress, a failure, its end', async () => {
    const items = [{ value: 1, waitMs: 1_500, steps: 3 }, { error: 'no good' }]
    const { batchId } = JSON.parse((await call('createBatch', { body: { operation: 'echo', items } })).text)
    const { text } = await call('followBatch', { id: batchId })
    for (const type of ['batch_started', 'job_progress', 'job_completed', 'job_failed', 'batch_completed']) {
      expect(text).toContain(`"type":"${type}"`)
    }
  })

  it('a batch that waits, on the stream of all', async () => {
    await world.waiting()
    expect((await call('followAll')).text).toContain('resync')
  })

  it('heat sheets: a document that cannot be read', async () => {
    const form = new FormData()
    form.append('swimmer', 'Mara Lindqvist')
    form.append('pdfs', new Blob(['%PDF-1.7 no more']), 'heats.pdf')
    const { batchId } = JSON.parse((await call('extractHeatSheets', { body: form })).text)
    await call('followBatch', { id: batchId })
    await call('readBatch', { id: batchId })
    await call('readResults', { id: batchId })
  })

  it('tasks in each of their states', async () => {
    const card = (at: number) => ({ title: `T ${at}`, body: 'B', category: 'C', privacy_level: 'IDEAS' })
    const late = JSON.parse(
      (await call('importCards', { body: { cards: [card(0)], run_at: '2100-01-01T00:00:00Z' } })).text,
    )
    await call('readTask', { id: late.task_id })
    await call('readTask', { id: await world.unfinishedImport() })
    await call('readTask', { id: await world.exported() })
    const { id } = await world.published()
    for (const verb of ['deleteCards', 'restoreCards']) {
      const { task_id } = JSON.parse((await call(verb, { body: { card_ids: [id, 'none'] } })).text)
      await call('followBatch', { id: task_id })
      expect(JSON.parse((await call('readTask', { id: task_id })).text)).toMatchObject({ status: 'SUCCESS' })
    }
    await call('listTokens', { query: '?limit=1' })
    const webhook = { url: 'https://example.com/hook' }
    await call('importCards', { body: { cards: [card(1), {}], webhook, on_duplicate: 'fail' } })
  })

  it.each(['downloadExport', 'downloadEmbeddings'])('an export in parts, by %s', async (download) => {
    const id = await world.idFor(download)
    const whole = await call(download, { id })
    const tag = whole.headers.get('ETag') ?? ''
    expect((await call(download, { id, headers: { Range: 'bytes=0-1', 'If-Range': tag } })).status).toBe(206)
    expect((await call(download, { id, headers: { Range: 'bytes=9999999-' } })).status).toBe(416)
    expect((await call(download, { id, headers: { 'If-None-Match': tag } })).status).toBe(304)
  })

  it('reads that the caller has the answer of already', async () => {
    const bodies = new Map(calls.map(([operationId, , given]) => [operationId, given]))
    for (const { operationId, responses } of operations.filter(({ responses }) => '304' in responses)) {
      const given = { ...bodies.get(operationId), id: await world.idFor(operationId) }
      const tag = (await call(operationId, given)).headers.get('ETag') ?? ''
      const again = await call(operationId, { ...given, headers: { ...given.headers, 'If-None-Match': tag } })
      expect([operationId, again.status, Object.keys(responses).length > 0]).toEqual([operationId, 304, true])
    }
  })

  it('a job of a worker: claimed, refused for its result, written, and lost', async () => {
    await call('declareOperation', { id: 'thumbnails', body: { result: { type: 'object' } } })
    await call('createBatch', { body: { operation: 'thumbnails', items: [{ url: 'a' }] } })
    const claimed = await call('claimJobs', { body: { operations: ['thumbnails'], wait: 20 } })
    const [job] = Claimed.parse(JSON.parse(claimed.text)).jobs
    const held = { id: job.id, lease: job.lease }
    expect((await call('beatJobs', { body: { jobs: [held] } })).text).toContain(job.id)
    expect((await call('completeJobs', { body: { jobs: [{ ...held, result: 3 }] } })).status).toBe(422)
    expect((await call('completeJobs', { body: { jobs: [{ ...held, result: { bytes: 3 } }] } })).status).toBe(200)
    expect((await call('completeJobs', { body: { jobs: [{ ...held, result: { bytes: 3 } }] } })).status).toBe(409)
  })

  it('pages that are not there', async () => {
    for (const page of ['showCard', 'showResult']) expect((await call(page, { id: 'nothing-here' })).status).toBe(404)
  })
})

/** What can't be had of a server that is well, and has no limits: faults.test.ts and sweep.test.ts see them. */
const ELSEWHERE = ['callBack 200', 'isReady 503', 'followProcessing 101', 'showCard 429', 'showResult 429']

it('every answer that the document states was seen', () => {
  const stated = operations.flatMap(({ operationId, responses }) =>
    Object.entries(responses)
      .filter(([, { $ref }]) => $ref === undefined)
      .map(([status]) => `${operationId} ${status}`),
  )
  expect(stated.filter((name) => !contract.seen.has(name) && !ELSEWHERE.includes(name))).toEqual([])
})

describe('the examples of answers', () => {
  const isAnswer = (name: string) => /^[a-z]/.test(name)

  it('are answers of a real server', async () => {
    expect(await withoutExample(contract, isAnswer)).toEqual([])
  })

  it('are of operations that there are', async () => {
    const given = contract.operations.flatMap(({ operationId, responses }) =>
      Object.entries(responses).flatMap(([status, { content = {} }]) =>
        Object.values(content).flatMap(({ example }) => (example === undefined ? [] : [`${operationId} ${status}`])),
      ),
    )
    expect(new Set(given)).toEqual(new Set((await keptNames()).filter(isAnswer)))
  })

  it('keep to their schemas', () => {
    const faults = contract.operations.flatMap(({ path, method, responses, operationId }) =>
      Object.entries(responses).flatMap(([status, { content = {} }]) =>
        Object.entries(content).flatMap(([type, { example }]) => {
          if (example === undefined) return []
          const at = ['paths', path, method.toLowerCase(), 'responses', status, 'content', type, 'schema']
          return contract.faults(at, example).map((fault) => `${operationId} ${status}: ${fault}`)
        }),
      ),
    )
    expect(faults).toEqual([])
  })
})
