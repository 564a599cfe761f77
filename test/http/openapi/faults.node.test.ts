/** Every operation on a server whose database has gone away: what nobody foresaw is told in the surface's shape, without what only the log should know. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadOpenApiDocument } from '../../../src/surfaces.ts'
import { openWholeApp } from '../../support/whole-app.ts'
import { type Answer, Contract, type Operation, read } from './contract.ts'
import { withoutExample } from './recorded-examples.ts'
import { formOf } from './send.ts'
import type { Send } from './world.ts'

const contract = new Contract(await loadOpenApiDocument({}))
/** What needs no database; of `callBack` a token that is none is refused before it does. */
const WELL = new Set(['callBack', 'isAlive', 'readOpenApi', 'showDocs', 'readDocsFile', 'readRobots', 'linkAll'])
const cases = contract.operations.filter(({ operationId }) => !WELL.has(operationId))

let app: Awaited<ReturnType<typeof openWholeApp>>
let send: Send
beforeAll(async () => {
  app = await openWholeApp()
  send = await app.as('alice')
  await app.closeDatabase()
})
afterAll(() => app.close())

async function answerOf(operation: Operation): Promise<Answer> {
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? []
  const example = Object.values(media?.examples ?? {})[0]?.value
  const path = operation.path.replace(/\{\w+\}/g, operation.operationId === 'readChunk' ? 'k_1' : 'one')
  if (type !== 'multipart/form-data')
    return read(await send(operation.method, path, example, type === undefined ? {} : { 'Content-Type': type }))
  return read(await send(operation.method, path, formOf(example)))
}

describe('without a database', () => {
  it.each(cases.map((one) => [one.operationId, one] as const))('%s', async (operationId, operation) => {
    const lines = app.log.lines.length
    const answer = await answerOf(operation)
    contract.check(operation, answer)
    expect(answer.status).toBe(operationId === 'isReady' ? 503 : 500)
    // What went wrong is in the log, and only there.
    expect(app.log.lines.slice(lines).join('\n')).toMatch(/Failed query|connection is not open|ENOENT/)
    expect(answer.text).not.toMatch(
      /failed query|not open|ENOENT|millrace-|sql|select|insert|\bat .*:\d+|node_modules|Error:/i,
    )
    const id = answer.headers.get('X-Request-Id') ?? ''
    expect(id).toMatch(/^[0-9a-f-]{36}$/)
    if (operationId !== 'isReady') expect(answer.text).toContain(id)
  })
})

it('every such answer has an example in the document', async () => {
  expect(await withoutExample(contract, (name) => / 50\d$/.test(name))).toEqual([])
})
