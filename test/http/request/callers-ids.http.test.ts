/** Ids that callers make: "." and ".." are refused wherever one can be made, because no client can send a path that names such a thing. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { processBody } from '../../support/documents.ts'
import { startServer, type TestServer } from '../../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const document = { id: 'a', text: 'The pump is serviced every March.' }
const PROCESS = processBody('j', [document], { settings: { chunkSize: 512, chunkOverlap: 0, maxTokens: 512 } })
const activity = { name: 'Sorting leaves', activity_type: 'cognitive' }
const at = { child_id: 'kim', activity_id: 'shared-sock-pairs' }

const MADE: Readonly<Record<string, (id: string) => [path: string, body: unknown, headers?: Record<string, string>]>> =
  {
    'the key of a batch': (id) => ['/api/batch', { operation: 'echo', items: [{}] }, { 'Idempotency-Key': id }],
    'the key of a task': (id) => ['/bulk/import', { cards: [{ title: 't', body: 'b' }] }, { 'Idempotency-Key': id }],
    'an item': (id) => ['/api/batch', { operation: 'echo', items: [{ id }] }],
    'a chunk': (id) => ['/api/chunks', { chunks: [{ id, text: '' }] }],
    'an activity': (id) => ['/api/v1/activities', { activities: [{ ...activity, id }] }],
    'a participation': (id) => ['/api/v1/participations', { participations: [{ ...at, id }] }],
    'the child of a participation': (id) => ['/api/v1/participations', { participations: [{ ...at, child_id: id }] }],
    'a note': (id) => ['/api/v1/coaching', { notes: [{ id, child_id: 'kim', author: 'A', text: 'T' }] }],
    'a job of documents': (id) => ['/api/public/bulk/process', { ...PROCESS, job_id: id }],
    'a document': (id) => ['/api/public/bulk/process', { ...PROCESS, uploaded_documents: [{ ...document, id }] }],
    'a collection': (id) => ['/api/public/bulk/process', { ...PROCESS, collection: id }],
    'an export': (id) => ['/api/public/bulk/export', { job_id: 'j', export_id: id, format: 'json' }],
  }

it.each(Object.entries(MADE).flatMap(([name, request]) => ['.', '..'].map((id) => ({ name, id, request }))))(
  '$name may not be "$id"',
  async ({ request, id }) => {
    const [path, body, headers] = request(id)
    const answer = await server.fetch(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    expect([400, 422]).toContain(answer.status)
    expect(await answer.text()).toContain('because no path can name those')
  },
)
