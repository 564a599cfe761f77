/** What every route with a JSON body takes and refuses alike: encodings, charsets, repeated names, and numbers of any length. */
import { gzipSync } from 'node:zlib'
import { sign } from 'hono/jwt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadOpenApiDocument } from '../../../src/surfaces.ts'
import { openReceiver } from '../../features/webhooks/receiver.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { until } from '../../support/until.ts'
import { Contract, type Operation, read } from '../openapi/contract.ts'

const JWT_SECRET = 'a secret for bodies of every kind'
const JSON_TYPE = 'application/json'
const NDJSON_TYPE = 'application/x-ndjson'

const contract = new Contract(await loadOpenApiDocument({}))
const taking = (type: string) =>
  contract.operations
    .filter(({ requestBody }) => type in (requestBody?.content ?? {}))
    .map((operation) => [operation.operationId, operation] as const)

let server: TestServer
let key: string
/** A batch that takes items. */
let open: string

beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_AUTH: 'keys', JWT_SECRET, MILLRACE_ALLOW_PRIVATE_URLS: '1' } })
  key = await sign({ sub: 'alice', scope: '*', exp: 9_999_999_999 }, JWT_SECRET, 'HS256')
  open = await made({ operation: 'echo', open: true })
})
afterAll(() => server[Symbol.asyncDispose]())

function post(
  path: string,
  body: string | Uint8Array,
  headers: Record<string, string> = {},
  method = 'POST',
): Promise<Response> {
  const init = { 'Content-Type': JSON_TYPE, Authorization: `Bearer ${key}`, ...headers }
  return server.fetch(path, { method, headers: init, body: typeof body === 'string' ? body : body.slice() })
}

const get = (path: string) => server.fetch(path, { headers: { Authorization: `Bearer ${key}` } })

async function made(request: unknown): Promise<string> {
  const answer = await post('/api/batch', typeof request === 'string' ? request : JSON.stringify(request))
  const text = await answer.text()
  expect(answer.status, text).toBeLessThan(300)
  return z.object({ batchId: z.string() }).parse(JSON.parse(text)).batchId
}

const bytes = (text: string) => new TextEncoder().encode(text)

function utf16(text: string, order: 'le' | 'be', mark = ''): Uint8Array {
  const codes = [...(mark + text)].map((character) => character.charCodeAt(0))
  return Uint8Array.from(codes.flatMap((code) => (order === 'le' ? [code & 255, code >> 8] : [code >> 8, code & 255])))
}

/** A name that is there twice shows that a body was unpacked, decoded and parsed, and makes nothing. */
const TWICE = '{"zebra":1,"zebra":2}'
const NAMES_IT = ['zebra', 'there twice']

interface Case {
  readonly body: string | Uint8Array
  readonly headers?: Record<string, string>
  readonly status: number
  /** Words of the answer. */
  readonly says: readonly string[]
}

const CASES: Readonly<Record<string, Case>> = {
  'a repeated name': { body: TWICE, status: 400, says: NAMES_IT },
  'a repeated __proto__': { body: '{"__proto__":1,"__proto__":2}', status: 400, says: ['__proto__', 'there twice'] },
  'gzip that is said to be so': {
    body: gzipSync(TWICE),
    headers: { 'Content-Encoding': 'gzip' },
    status: 400,
    says: NAMES_IT,
  },
  'gzip by its older name': {
    body: gzipSync(TWICE),
    headers: { 'Content-Encoding': 'X-GZIP' },
    status: 400,
    says: NAMES_IT,
  },
  'what is said to be gzip and is not': {
    body: TWICE,
    headers: { 'Content-Encoding': 'gzip' },
    status: 400,
    says: ['not gzip'],
  },
  'another Content-Encoding': {
    body: TWICE,
    headers: { 'Content-Encoding': 'br' },
    status: 415,
    says: ['gzip', 'br'],
  },
  'gzip that is not said to be so': { body: gzipSync(TWICE), status: 415, says: ['gzip', 'Content-Encoding'] },
  'a zip file': { body: bytes('PK\x03\x04 and more'), status: 415, says: ['XLSX', 'UTF-8'] },
  'a PDF': { body: '%PDF-1.7 and more', status: 415, says: ['PDF', 'UTF-8'] },
  'UTF-16 without a mark': { body: utf16(TWICE, 'le'), status: 415, says: ['UTF-16', 'charset'] },
  'UTF-16 with a mark': { body: utf16(TWICE, 'be', '\uFEFF'), status: 400, says: NAMES_IT },
  'UTF-8 with a mark': { body: `\uFEFF${TWICE}`, status: 400, says: NAMES_IT },
  'UTF-16 that is declared': {
    body: utf16(TWICE, 'be'),
    headers: { 'Content-Type': `${JSON_TYPE}; charset="UTF-16BE"` },
    status: 400,
    says: NAMES_IT,
  },
  'Latin-1 that is declared': {
    body: Uint8Array.from([...bytes('{"z'), 0xe9, ...bytes('bra":1,"z'), 0xe9, ...bytes('bra":2}')]),
    headers: { 'Content-Type': `${JSON_TYPE};charset=latin1` },
    status: 400,
    says: ['zébra', 'there twice'],
  },
  'a charset that is not taken': {
    body: TWICE,
    headers: { 'Content-Type': `${JSON_TYPE}; charset=shift_jis` },
    status: 415,
    says: ['shift_jis', 'utf-16le', 'iso-8859-1'],
  },
  'a charset that its mark contradicts': {
    body: utf16(TWICE, 'le', '\uFEFF'),
    headers: { 'Content-Type': `${JSON_TYPE}; charset=utf-8` },
    status: 415,
    says: ['UTF-16LE', 'utf-8'],
  },
  'bytes that are not UTF-8': {
    body: Uint8Array.from([...bytes('{"zebra":"'), 0xff, 0x22, 0x7d]),
    status: 400,
    says: ['byte 10 is not UTF-8'],
  },
  'half a character': {
    body: Uint8Array.from([...bytes('{"'), 0xc3, ...bytes('":1}')]),
    status: 400,
    says: ['byte 2 '],
  },
  'half of a pair in UTF-16': {
    body: utf16('{"\ud800":1}', 'le'),
    headers: { 'Content-Type': `${JSON_TYPE}; charset=utf-16le` },
    status: 400,
    says: ['is not UTF-16LE'],
  },
  'another type': { body: TWICE, headers: { 'Content-Type': 'text/plain' }, status: 415, says: ['text/plain'] },
}

describe.each(taking(JSON_TYPE))('%s', (_, operation: Operation) => {
  it.each(Object.entries(CASES))('meets %s', async (name, { body, headers = {}, status, says }) => {
    const response = await post(operation.path.replace(/\{\w+\}/g, open), body, headers, operation.method)
    const answer = await read(response)
    contract.check(operation, answer)
    const shown = answer.text.replaceAll('\\"', '"')
    expect([answer.status, says.filter((word) => !shown.includes(word)), shown.slice(0, 400)]).toEqual([
      status,
      [],
      expect.anything(),
    ])
    if (name === 'another Content-Encoding') expect(response.headers.get('Accept-Encoding')).toContain('gzip')
  })
})

describe.each(taking(NDJSON_TYPE))('%s', (operationId, operation: Operation) => {
  const send = (body: Uint8Array, headers: Record<string, string> = {}) =>
    post(operation.path.replace(/\{\w+\}/g, open), body, { 'Content-Type': NDJSON_TYPE, ...headers })

  it.each([
    ['zip', bytes('PK\x03\x04'), {}, 'XLSX'],
    ['gzip', gzipSync('{}\n'), {}, 'Content-Encoding: gzip'],
    ['brotli', bytes('{}\n'), { 'Content-Encoding': 'br' }, 'gzip'],
    ['UTF-16', utf16('{}\n', 'le'), {}, 'charset'],
    ['another charset', bytes('{}\n'), { 'Content-Type': `${NDJSON_TYPE}; charset=big5` }, 'big5'],
  ])('refuses %s, naming what is taken', async (_, body, headers: Record<string, string>, says) => {
    const answer = await read(await send(body, headers))
    contract.check(operation, answer)
    expect([operationId, answer.status, answer.text.replaceAll('\\"', '"')]).toEqual([
      operationId,
      415,
      expect.stringContaining(says),
    ])
  })
})

describe('items of an open batch', () => {
  const from = async (id: string, place: number, body: string | Uint8Array, headers: Record<string, string> = {}) => {
    const answer = await post(`/api/batch/${id}/items?from=${place}`, body, { 'Content-Type': NDJSON_TYPE, ...headers })
    return [answer.status, await answer.text()] as const
  }

  it('come packed, in the charset that is declared, and with a mark', async () => {
    const id = await made({ operation: 'echo', open: true })
    const line = '{"value":"é"}\n'
    const latin1 = Uint8Array.from([...line].map((character) => character.charCodeAt(0)))
    const results = [
      await from(id, 0, gzipSync(line), { 'Content-Encoding': 'gzip' }),
      await from(id, 1, gzipSync(latin1), {
        'Content-Encoding': 'gzip',
        'Content-Type': `${NDJSON_TYPE}; charset=iso-8859-1`,
      }),
      await from(id, 2, utf16(line, 'le', '\uFEFF')),
      await from(id, 3, `\uFEFF${line}`),
    ]
    expect(results.map(([status]) => status)).toEqual([200, 200, 200, 200])
    const items = await (await get(`/api/batch/${id}/results?as=items`)).text()
    expect(items).toBe(line.repeat(4))
  })

  it('name the line and its byte where they are not UTF-8, and the name that is there twice', async () => {
    const id = await made({ operation: 'echo', open: true })
    const broken = Uint8Array.from([...bytes('{}\n{"value":"'), 0xe9, ...bytes('"}\n')])
    expect(await from(id, 0, broken)).toEqual([400, expect.stringContaining('Line 2 is not UTF-8: its byte 10 ')])
    expect(await from(id, 1, '{"value":{"a":1,"a":2}}\n')).toEqual([400, expect.stringMatching(/Line 1 .*twice/)])
  })

  it('keep a place from another number that a double does not tell from it', async () => {
    const id = await made({ operation: 'echo', open: true })
    const sent = ['{"value":9007199254740993}\n', '{"value":9007199254740993}\n', '{"value":9007199254740992}\n']
    const statuses: number[] = []
    for (const line of sent) statuses.push((await from(id, 0, line))[0])
    expect(statuses).toEqual([200, 200, 409])
  })
})

/** Members as they are to come back, one after the other. */
const EXACT = [
  '"big":9007199254740993',
  '"long":0.1234567890123456789',
  '"huge":1e400',
  '"tiny":-1E-400',
  '"zero":-0',
  '"__proto__":{"a":[9007199254740995]}',
  '"constructor":{"prototype":1}',
  '"toString":"x"',
].join()

async function finished(id: string): Promise<string> {
  return until(async () => {
    const text = await (await get(`/api/batch/${id}`)).text()
    return /"finishedAt":"/.test(text) ? text : null
  }, 30_000)
}

describe('what a double does not hold', () => {
  it('comes back from a batch as it was sent', async () => {
    const item = `{"value":{${EXACT}}}`
    // The second is beyond what is parsed at once.
    for (const pad of ['', ' '.repeat(100_000)]) {
      const id = await made(`{"operation":"echo",${pad}"items":[${item},{"value":-12345678901234567890}]}`)
      await finished(id)
      for (const way of ['', '?format=ndjson', '?as=items', '?as=items&format=json', '?set=succeeded']) {
        const text = await (await get(`/api/batch/${id}/results${way}`)).text()
        expect([way, text]).toEqual([way, expect.stringContaining(`{${EXACT}}`)])
        expect([way, text]).toEqual([way, expect.stringContaining(':-12345678901234567890')])
      }
    }
  })

  it('is a double where a field is a number', async () => {
    const id = await made(
      '{"operation":"echo","items":[{"amount":0.12345678901234567890}],"options":{"priority":3.00000000000000000000}}',
    )
    expect(await finished(id)).toContain('"completedJobs":1')
    for (const [body, says] of [
      ['{"operation":"echo","items":[{}],"options":{"priority":1e400}}', 'options.priority'],
      ['{"operation":"echo","items":[{"waitMs":1e400}]}', 'items.0.waitMs'],
      ['{"operation":"echo","items":[9007199254740993]}', 'items.0'],
      ['{"operation":"echo","items":[{}],"options":9007199254740993}', 'options'],
    ] as const) {
      const answer = await post('/api/batch', body)
      expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(says)])
    }
  })

  it('tells requests under one idempotency key apart', async () => {
    const send = async (number: string) => {
      const answer = await post('/api/batch', `{"operation":"echo","items":[{"value":${number}}]}`, {
        'Idempotency-Key': 'numbers',
      })
      return answer.status
    }
    const numbers = ['9007199254740993', '9007199254740993', '9007199254740992', '9007199254740995']
    const statuses: number[] = []
    for (const number of numbers) statuses.push(await send(number))
    expect(statuses).toEqual([202, 200, 422, 422])
  })

  it('comes through streams, polling, lists and webhooks as it was sent with the batch', async () => {
    await using receiver = await openReceiver()
    const options = `{"metadata":{${EXACT}},"webhook":{"url":"${receiver.url}","events":["job_failed","batch_completed"]}}`
    const made = await post('/api/batch', `{"operation":"echo","items":[{"error":"no"}],"options":${options}}`)
    const { batchId } = z.object({ batchId: z.string() }).parse(await made.json())
    const stream = await (await get(`/api/batch/${batchId}/stream`)).text()
    for (const type of ['batch_started', 'batch_completed']) {
      const data = stream.split('\n').find((line) => line.startsWith(`data: {"type":"${type}"`))
      expect([type, data]).toEqual([type, expect.stringContaining(EXACT)])
    }
    for (const path of [`/api/batch/${batchId}`, `/api/batch/${batchId}?after=0`, '/api/batch']) {
      expect([path, await (await get(path)).text()]).toEqual([path, expect.stringContaining(EXACT)])
    }
    const bodies = await until(async () => (receiver.received.length === 2 ? receiver.received : null))
    for (const { body } of bodies) expect(body).toContain(EXACT)
  })

  it('comes back from a chunk as it was loaded', async () => {
    const id = `k_${crypto.randomUUID()}`
    const loaded = await post('/api/chunks', `{"chunks":[{"id":"${id}","text":"t",${EXACT}}]}`)
    expect([loaded.status, await loaded.text()]).toEqual([201, expect.anything()])
    const bulk = await post('/api/chunks/bulk', JSON.stringify({ chunk_references: [id] }))
    const resource = await post('/api/v1/batch/get', JSON.stringify({ resource_type: 'chunks', ids: [id] }))
    for (const answer of [await get(`/api/chunks/${id}`), await get('/api/chunks'), bulk, resource]) {
      expect([answer.url, await answer.text()]).toEqual([answer.url, expect.stringContaining(EXACT)])
    }
  })

  it('comes back from a card as it was imported', async () => {
    const card = `{"title":"T","body":"${crypto.randomUUID()}","category":"C","privacy_level":"IDEAS","metadata":{${EXACT}}}`
    const imported = await post('/bulk/import', `{"cards":[${card}]}`)
    const { task_id: task } = z.object({ task_id: z.string() }).parse(await imported.json())
    await finished(task)
    const exported = await post('/bulk/export', '{"format":"json"}')
    const { task_id: id } = z.object({ task_id: z.string() }).parse(await exported.json())
    await finished(id)
    expect(await (await get(`/exports/${id}`)).text()).toContain(`{${EXACT}}`)
  })
})
