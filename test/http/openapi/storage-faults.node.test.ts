/** Every operation on a server whose storage is in trouble: 507 without space, 503 otherwise, in the surface's shape, with `Retry-After`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadOpenApiDocument } from '../../../src/surfaces.ts'
import { faulty } from '../../support/faulty-database.ts'
import { openWholeApp } from '../../support/whole-app.ts'
import { Contract, type Operation, read } from './contract.ts'
import { withoutExample } from './recorded-examples.ts'
import { formOf } from './send.ts'
import type { Send } from './world.ts'

const contract = new Contract(await loadOpenApiDocument({}))
/** What needs no database; of `callBack` a token that is none is refused before it does. */
const WELL = new Set(['callBack', 'isAlive', 'readOpenApi', 'showDocs', 'readDocsFile', 'readRobots', 'linkAll'])
const cases = contract.operations.filter(({ operationId }) => !WELL.has(operationId))

const coded = (message: string, code: string) => Object.assign(new Error(message), { code })
const TROUBLES: readonly (readonly [name: string, status: number, make: () => Error])[] = [
  ['a full disk', 507, () => new Error('Failed query: insert', { cause: coded('disk is full', 'SQLITE_FULL') })],
  ['a held lock', 503, () => coded('database is locked', 'SQLITE_BUSY')],
  ['a device that fails', 503, () => coded('disk I/O error', 'SQLITE_IOERR')],
  ['a D1 that is full', 507, () => new Error('D1_ERROR: database or disk is full: SQLITE_FULL')],
]

let app: Awaited<ReturnType<typeof openWholeApp>>
let send: Send
let fault: ReturnType<typeof faulty>['fault']
beforeAll(async () => {
  app = await openWholeApp((db) => {
    const made = faulty(db, { reads: true })
    fault = made.fault
    return made.db
  })
  send = await app.as('alice')
})
afterAll(() => app.close())

async function answerOf(operation: Operation) {
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? []
  const example = Object.values(media?.examples ?? {})[0]?.value
  const path = operation.path.replace(/\{\w+\}/g, operation.operationId === 'readChunk' ? 'k_1' : 'one')
  if (type !== 'multipart/form-data')
    return read(await send(operation.method, path, example, type === undefined ? {} : { 'Content-Type': type }))
  return read(await send(operation.method, path, formOf(example)))
}

describe.each(TROUBLES)('with %s', (_, status, make) => {
  it.each(cases.map((one) => [one.operationId, one] as const))('%s', async (operationId, operation) => {
    fault.make = make
    const answer = await answerOf(operation)
    fault.make = null
    contract.check(operation, answer)
    expect(answer.status).toBe(operationId === 'isReady' ? 503 : status)
    expect(Number(answer.headers.get('Retry-After'))).toBeGreaterThan(0)
    expect(answer.text).not.toMatch(/failed query|sqlite|D1_|insert/i)
  })
})

it('counts them', async () => {
  const { text } = await read(await send('GET', '/metrics'))
  expect(text).toMatch(/millrace_storage_faults_total\{fault="full"\} [1-9]/)
  expect(text).toMatch(/millrace_storage_faults_total\{fault="locked"\} [1-9]/)
  expect(text).toMatch(/millrace_storage_faults_total\{fault="unreachable"\} 0/)
})

it('every such answer has an example in the document', async () => {
  expect(await withoutExample(contract, (name) => / 50\d$/.test(name))).toEqual([])
})
