/**
 * Bodies made to cost as much as they can, sent to every route that takes one: each is refused, or taken, in the shape that the document
 * states, and meanwhile the server answers others and stays within its memory.
 */
import { readFile } from 'node:fs/promises'
import { sign } from 'hono/jwt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadOpenApiDocument } from '../../src/surfaces.ts'
import { startWatch, type Watch } from '../hostile/watch.ts'
import { ON_CLOUDFLARE, startServer, type TestServer } from '../support/server.ts'
import { scaled, scaledCpu } from '../support/time-limits.ts'
import { until } from '../support/until.ts'
import { bodyAround, exampleOf, fieldsOf, HOSTILE_VALUES, HOSTILE_WHOLES, listOf } from './hostile-values.ts'
import { Contract, type Operation, read } from './openapi/contract.ts'
import { senderTo } from './openapi/send.ts'
import { World } from './openapi/world.ts'

const JWT_SECRET = 'a secret for the bodies that cost much'
const MB = 1_000_000
/** Of the peak over all bodies so far, of one server. */
const MAX_MEMORY_MB = 512
/** CPU time that one iteration of the event loop may take. Of workerd's thread, which is also that of the D1 and R2 that it plays beside the Worker. */
const MAX_STRETCH_MS = ON_CLOUDFLARE ? 150 : 100
const TRIES = 3
/** The longest that another request may wait on Workers, of which is counted what the server was busy itself. What is caught are seconds. */
const MAX_BUSY_MS = 2_000
/** Bytes of a value in a field of a body, and in one further in; fewer where a body takes several times as long to be handed over. */
const FIELD_BYTES = (ON_CLOUDFLARE ? 4 : 9) * MB
const INNER_BYTES = (ON_CLOUDFLARE ? 1 : 3) * MB
const JSON_TYPE = 'application/json'
const NDJSON = 'application/x-ndjson'

const contract = new Contract(await loadOpenApiDocument({}))
const taking = contract.operations.filter(({ requestBody }) => requestBody !== undefined)
const takingJson = taking.filter(({ requestBody }) => JSON_TYPE in (requestBody?.content ?? {}))
const named = (some: readonly Operation[]) => some.map((one) => [one.operationId, one] as const)

let server: TestServer
/** On Cloudflare. */
let watch: Watch | null = null
let authorization: string
let world: World
/** Batches that take items. */
let open: string
let openSheets: string

beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_AUTH: 'keys', JWT_SECRET }, measuresLoop: true })
  if (ON_CLOUDFLARE) watch = await startWatch()
  const key = await sign({ sub: 'alice', scope: '*', exp: 9_999_999_999 }, JWT_SECRET, 'HS256')
  authorization = `Bearer ${key}`
  world = new World(senderTo(server, key))
  open = await world.open()
  const made = await send('/api/batch', '{"operation":"heat-sheet","input":{"swimmer":"A B"},"open":true}')
  openSheets = z.object({ batchId: z.string() }).parse(await made.json()).batchId
})
afterAll(async () => {
  await watch?.end()
  await server[Symbol.asyncDispose]()
})

function send(path: string, body: string, type = JSON_TYPE, method = 'POST'): Promise<Response> {
  const headers = { Authorization: authorization, 'Content-Type': type }
  return server.fetch(path, { method, body, headers })
}

const pathOf = ({ path }: Operation) => path.replace(/\{\w+\}/g, open)

/** The status that a body is answered with, once the answer was held to the document. */
async function statusOf(operation: Operation, answered: Promise<Response>): Promise<number> {
  const answer = await read(await answered)
  contract.check(operation, answer)
  expect(answer.status, answer.text.slice(0, 300)).toBeLessThan(500)
  return answer.status
}

/**
 * Runs it, and fails where it held the event loop, made others wait for the server, or took more memory than it may. A stretch that is too long
 * counts once it was so {@link TRIES} times: what a body costs it costs each time, and what the machine, the first load of a module or a
 * collection of garbage adds, not.
 */
async function watched(run: () => Promise<void>): Promise<void> {
  const stretches: number[] = []
  const isOver = () => stretches.every((ms) => ms >= scaledCpu(MAX_STRETCH_MS))
  while (stretches.length < TRIES && isOver()) {
    await server.longestStretchMs()
    await watchedFromOutside(run)
    stretches.push(await server.longestStretchMs())
  }
  const peak = ON_CLOUDFLARE ? 0 : await peakMb(server.pid)
  if (process.env.HOSTILE_FIGURES !== undefined) console.log(`${stretches.join(', ')} ms of CPU, ${peak} MB`)
  expect(Math.min(...stretches)).toBeLessThan(scaledCpu(MAX_STRETCH_MS))
  expect(peak).toBeLessThan(MAX_MEMORY_MB)
}

/** Fails where others waited for seconds, on Workers, whose runtime does more than what its Worker's loop shows. */
async function watchedFromOutside(run: () => Promise<void>): Promise<void> {
  if (watch === null) return await run()
  const window = watch.open({ url: server.url, pid: await server.processId(), runtime: 'cloudflare' })
  try {
    await run()
  } finally {
    const { stallMs, cpuMs } = await window.close()
    // Zero where the system does not tell.
    expect(cpuMs === 0 ? stallMs : Math.min(stallMs, cpuMs)).toBeLessThan(scaled(MAX_BUSY_MS))
  }
}

/** The most memory that a process has taken; 0 where the system does not tell. */
async function peakMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) / 1_024
}

it.runIf(ON_CLOUDFLARE)('a stretch that is too long is seen, and only once', async () => {
  await server.longestStretchMs()
  await (await server.fetch('/__loop')).text()
  expect(await server.longestStretchMs()).toBeGreaterThan(MAX_STRETCH_MS)
  expect(await server.longestStretchMs()).toBe(0)
})

describe('every JSON route', () => {
  it.each(named(takingJson))('%s, of whole bodies', async (operationId, operation) => {
    await watched(async () => {
      for (const [name, make] of Object.entries(HOSTILE_WHOLES)) {
        const status = await statusOf(
          operation,
          send(pathOf(operation), make(JSON.stringify(exampleOf(operation)), 4 * MB), JSON_TYPE, operation.method),
        )
        expect([operationId, name, status]).toEqual([operationId, name, expect.toSatisfy((code: number) => code < 500)])
      }
    })
  })

  it.each(named(takingJson))('%s, of every field', { timeout: scaled(180_000) }, async (_, operation) => {
    const values = Object.entries(HOSTILE_VALUES)
    const fields = fieldsOf(contract, operation)
    expect(fields).not.toEqual([])
    await watched(async () => {
      // What is wrong with a card fails the card alone.
      for (const [place, field] of fields.entries()) {
        const [name, make] = values[place % values.length] ?? ['', () => '']
        const body = bodyAround(exampleOf(operation), field, make(field.length === 1 ? FIELD_BYTES : INNER_BYTES))
        const status = await statusOf(operation, send(pathOf(operation), body, JSON_TYPE, operation.method))
        expect([field, name, status]).toEqual([
          field,
          name,
          expect.toSatisfy((code: number) => code >= 400 || field[0] === 'cards'),
        ])
      }
    })
  })
})

/** What was found to end the process, or to hold it for most of a minute, and what is like it. */
const echo = (items: string) => `{"operation":"echo","items":${items}}`
const URL_ITEM = '{"url":"http://127.0.0.1:9/a.pdf"}'
const webhook = `{"url":"https://example.com/","events":${listOf('"job_failed"', 14 * MB)}}`
const JSON_CASES: readonly (readonly [string, string, string, () => string])[] = [
  ['createBatch', '31 MB of [] in one item', '/api/batch', () => echo(`[{"value":${listOf('[]', 31 * MB)}}]`)],
  ['createBatch', '3,000,000 {} as items', '/api/batch', () => echo(listOf('{}', 9 * MB))],
  ['createBatch', '31 MB of blanks', '/api/batch', () => `{"operation":"echo",${' '.repeat(31 * MB)}"items":[7]}`],
  ['createBatch', '30,000,000 digits', '/api/batch', () => echo(`[{"value":${'9'.repeat(30 * MB)}}]`)],
  [
    'createBatch',
    'one link 300,001 times',
    '/api/batch',
    () => `{"operation":"heat-sheet","input":{"swimmer":"A B"},"items":${listOf(URL_ITEM, 300_001 * 35)}}`,
  ],
  [
    'createBatch',
    'webhook events',
    '/api/batch',
    () => `{"operation":"echo","items":[{}],"options":{"webhook":${webhook}}}`,
  ],
  [
    'readChunks',
    '700,000 references',
    '/api/chunks/bulk',
    () => `{"chunk_references":${listOf('"k_1234567"', 9 * MB)}}`,
  ],
  ['deleteCards', '3,000,000 [] as ids', '/bulk/delete', () => `{"card_ids":${listOf('[]', 9 * MB)}}`],
  ['exportCards', '2,000,000 texts', '/bulk/export', () => `{"card_ids":${listOf('"a"', 9 * MB)}}`],
  ['importCards', '60 MB of [] as cards', '/bulk/import', () => `{"cards":${listOf('[]', 60 * MB)}}`],
  ['importCards', '30 MB of [] around cards', '/bulk/import', () => `{"x":${listOf('[]', 30 * MB)},"cards":[]}`],
]

describe('a body that was found to cost much', () => {
  it.each(JSON_CASES)('%s: %s', async (operationId, _, path, make) => {
    await watched(async () => {
      expect([400, 413, 422]).toContain(await statusOf(contract.operation(operationId), send(path, make())))
    })
  })

  // As much as may stand in no array, and so is parsed at once.
  it.each([
    ['a number of 4,000,000 digits', () => '9'.repeat(4 * MB)],
    ['49,000 numbers of 80 digits', () => listOf('9'.repeat(80), 49_000 * 81)],
    ['a text of 4 MB beside a number that no double holds', () => `["${'x'.repeat(4 * MB)}",1e-400]`],
    ['4 MB of escapes', () => `"${'\\u0041'.repeat(660_000)}"`],
  ])('createBatch: %s beside the items', async (_, make) => {
    await watched(async () => {
      const body = `{"operation":"echo","items":[{}],"options":{"metadata":{"a":${make()}}}}`
      expect([202, 400]).toContain(await statusOf(contract.operation('createBatch'), send('/api/batch', body)))
    })
  })

  it.each<[string, () => string, number]>([
    ['9,000,000 empty lines', () => '\n'.repeat(9 * MB), 200],
    ['15,000,000 lines that are no items', () => '1\n'.repeat(15 * MB), 400],
    ['lines of 1 MB of []', () => `{"value":${listOf('[]', 990_000)}}\n`.repeat(9), 400],
    ['a line of 9 MB', () => `{"value":"${'x'.repeat(9 * MB)}"}\n`, 400],
    ['a line nested deep', () => '['.repeat(900_000), 400],
  ])('appendItems: %s', async (_, make, status) => {
    const operation = contract.operation('appendItems')
    await watched(async () => {
      expect(await statusOf(operation, send(`${pathOf(operation)}?from=0`, make(), NDJSON))).toBe(status)
    })
  })

  it('appendItems: one link 300,001 times', async () => {
    const operation = contract.operation('appendItems')
    const body = `${URL_ITEM}\n`.repeat(300_001)
    await watched(async () => {
      expect(await statusOf(operation, send(`/api/batch/${openSheets}/items?from=0`, body, NDJSON))).toBe(400)
    })
  })

  const form = (name: string, value: string) =>
    `--X\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
  it.each([
    ['170,000 links', () => form('urls', listOf('"a:b"', MB))],
    ['links nested deep', () => form('urls', '['.repeat(MB))],
    ['one link 9 MB long', () => form('urls', `["https://${'a'.repeat(9 * MB)}"]`)],
    ['200,000 parts', () => form('x', '').repeat(200_000)],
    ['a name of 9 MB', () => form('swimmer', 'A'.repeat(9 * MB))],
  ])('extractHeatSheets: %s', async (_, make) => {
    const operation = contract.operation('extractHeatSheets')
    await watched(async () => {
      const body = `${form('swimmer', 'A B')}${make()}--X--\r\n`
      const status = await statusOf(operation, send(operation.path, body, 'multipart/form-data; boundary=X'))
      expect([400, 413]).toContain(status)
    })
  })
})

describe('an import', () => {
  const Accepted = z.object({ task_id: z.string() })
  const Task = z.object({ status: z.string(), result: z.looseObject({ cards_failed: z.int() }).nullish() })

  const cardOf = (metadata: string) =>
    `{"title":"a","body":"b","category":"c","privacy_level":"PERSONAL","metadata":{"a":${metadata}}}`
  /** Numbers of which each is compared with how it was written. */
  const dense = (values: number) => cardOf(`[${'1.5,'.repeat(values - 1)}1234567890123456789]`)
  const wide = cardOf(`{${Array.from({ length: 24_000 }, (_, i) => `"k${i}":1e-400`).join()}}`)
  /** Marks that are put in order, which takes the square of how many stand in a row. */
  const marked = cardOf('1').replace('"b"', () => `"${'\u0301\u0316'.repeat(124_000)}"`)
  const cards = [...Array(8).fill(dense(240_000)), ...Array(8).fill(dense(49_000)), ...Array(4).fill(wide), marked]
  const deep = cardOf('['.repeat(10_000) + ']'.repeat(10_000))

  it.each<[string, string, () => string, number]>([
    ['an array', JSON_TYPE, () => `[${cards.join()}]`, 8],
    ['lines', NDJSON, () => [...cards, ...Array(50).fill(deep)].join('\n'), 58],
  ])('of cards with too much in them, as %s', { timeout: scaled(180_000) }, async (_, type, make, failed) => {
    await watched(async () => {
      const answer = await send('/bulk/import', make(), type)
      const { task_id } = Accepted.parse(await answer.json())
      const task = await until(async () => {
        const answer = await server.fetch(`/bulk/status/${task_id}`, { headers: { Authorization: authorization } })
        const found = Task.parse(await answer.json())
        return found.status === 'SUCCESS' || found.status === 'FAILURE' ? found : null
      }, 120_000)
      expect(task.result).toMatchObject({ cards_failed: failed })
    })
  })

  it.each<[string, string, () => string]>([
    ['a header of 9,000,000 commas', 'text/csv', () => `${','.repeat(9 * MB)}\n`],
    ['a quote that never ends', 'text/csv', () => `title,body\n"${'a\n'.repeat(15 * MB)}`],
    ['1,000,001 lines', NDJSON, () => '1\n'.repeat(1_000_001)],
    ['30 MB nested deep', JSON_TYPE, () => '['.repeat(30 * MB)],
  ])('of %s is refused', async (_, type, make) => {
    const operation = contract.operation('importCards')
    await watched(async () => {
      expect([400, 413]).toContain(await statusOf(operation, send(operation.path, make(), type)))
    })
  })
})
