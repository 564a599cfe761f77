/** The client against a real server: every surface beside that of batches. */
import { afterAll, beforeAll, describe, expect, expectTypeOf, it } from 'vitest'
import {
  ApiError,
  type Client,
  cardsClient,
  chunksClient,
  createClient,
  documentsClient,
  isErrorOf,
  resourcesClient,
  secretsClient,
  sharedResultsClient,
  webhooksClient,
} from '../../src/client/index.ts'
import type { ImportResult } from '../../src/features/cards/schemas.ts'
import { openReceiver } from '../features/webhooks/receiver.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { heatSheet, OTHER, SWIMMER } from '../support/sheets.ts'
import { until } from '../support/until.ts'

const KEY = 'a-key-for-these-tests'

let server: TestServer
let client: Client
beforeAll(async () => {
  server = await startServer({ env: { MILLRACE_API_KEY: KEY, MILLRACE_ALLOW_PRIVATE_URLS: '1' } })
  client = createClient({ baseUrl: server.url, apiKey: KEY })
})
afterAll(() => server[Symbol.asyncDispose]())

async function everything<T>(iterable: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const value of iterable) list.push(value)
  return list
}
const rejected = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => error,
  )
const card = (title: string) => ({
  title,
  body: `${title}, in short.`,
  category: 'BUSINESS',
  privacy_level: 'BUSINESS',
})
const streamOf = (text: string) => new Blob([text]).stream()

describe('cards', () => {
  const cards = () => cardsClient(client)

  it('are imported, followed, exported, deleted and brought back', async () => {
    const task = await cards().import([card('First'), card('Second')], { publish_business: false })
    const events = await everything(cards().follow(task))
    const done = events.find((event) => event.type === 'job_completed')
    expectTypeOf(done?.cards).toEqualTypeOf<number | undefined>()
    expect(done?.cards).toBe(2)
    const { status, result } = await cards().wait(task)
    expectTypeOf(result).toEqualTypeOf<ImportResult | undefined>()
    expect([status, result?.cards_imported]).toEqual(['SUCCESS', 2])

    const exported = await cards().export({ format: 'ndjson', categories: ['BUSINESS'] })
    await cards().wait(exported)
    const lines = (await (await cards().download(exported)).text()).trim().split('\n')
    const ids: string[] = lines.map((line) => JSON.parse(line).id)
    expect(ids.length).toBeGreaterThanOrEqual(2)
    const deleted = await cards().wait(await cards().delete(ids))
    expect(deleted.result?.cards_deleted).toBe(ids.length)
    const restored = await cards().wait(await cards().restore(ids.slice(0, 1)))
    expect(restored.result?.cards_restored).toBe(1)
  })

  it('are imported from files and streams, and what was rejected is downloaded', async () => {
    const csv = 'Headline,body,category,privacy_level\nThird,Text.,BUSINESS,BUSINESS\n,Text.,BUSINESS,BUSINESS\n'
    const columns = { Headline: 'title' }
    const task = await cards().importFile(new File([csv], 'cards.csv'), { columns })
    const { result } = await cards().wait(task)
    expect([result?.cards_imported, result?.cards_failed]).toEqual([1, 1])
    expect(await (await cards().rejected(task)).text()).toContain('title')
    const lines = [card('Fourth'), card('Fifth')].map((one) => JSON.stringify(one)).join('\n')
    const streamed = await cards().importFile(streamOf(lines), { format: 'ndjson', validate_only: true })
    expect((await cards().wait(streamed)).result?.cards_valid).toBe(2)
    expect(await rejected(cards().importFile('a,b'))).toBeInstanceOf(TypeError)
  })

  it('beyond 10,000 go as an array', async () => {
    const many = Array.from({ length: 10_001 }, (_, at) => card(`Card ${at}`))
    const task = await cards().import(many, { validate_only: true })
    expect(task.total).toBe(10_001)
    expect((await cards().wait(task)).result?.cards_valid).toBe(10_001)
  })

  it('earn tokens, which are read page by page', async () => {
    await cards().wait(await cards().import([card('Sixth'), card('Seventh')]))
    const tokens = await cards().tokens({ limit: 1 })
    expect(Number(tokens.balance)).toBeGreaterThan(0)
    expect((await everything(tokens)).length).toBeGreaterThanOrEqual(2)
  })

  it('answer errors in their shape, with the code of all surfaces', async () => {
    const error = await rejected(cards().resume('no-such-task'))
    expect(error).toMatchObject({ code: 'NOT_FOUND', status: 404, isForeign: false })
    expect(isErrorOf(error, 'cards') && error.body.detail).toContain('Task not found')
    expect(isErrorOf(error, 'documents')).toBe(false)
  })
})

describe('documents', () => {
  const documents = () => documentsClient(client)

  it('are uploaded, processed, followed, found, exported and deleted', async () => {
    const [upload] = await documents().upload([
      { name: 'pump.txt', bytes: 'The pump in the cellar is serviced every March.' },
    ])
    if (upload === undefined) throw new Error('No upload.')
    const text = { id: 'boat', filename: 'boat.txt', text: 'The boat is painted blue each spring.' }
    const job = await documents().process({ documents: [upload, text], collection: 'handbook' })
    const stored = (await everything(documents().follow(job))).filter((event) => event.type === 'job_completed')
    expect(stored.map(({ title, chunks }) => [title, chunks]).toSorted()).toEqual([
      ['boat.txt', 1],
      ['pump.txt', 1],
    ])
    expect(await documents().wait(job)).toMatchObject({ status: 'completed', result: { completed_items: 2 } })

    const [hit] = await documents().search('When is the pump serviced?', { collection: 'handbook', top_k: 1 })
    expect(hit?.text).toContain('March')
    expect((await chunksClient(client).get([hit?.reference ?? ''])).summary).toMatchObject({ successful: 1 })

    const exported = await documents().export(job, { format: 'csv' })
    expect(await documents().waitForExport(exported)).toMatchObject({ status: 'completed' })
    expect(await (await documents().download(exported)).text()).toContain('March')
    await documents().deleteExport(exported)
    expect(await rejected(documents().exportStatus(exported))).toMatchObject({ code: 'NOT_FOUND' })

    const listed = await everything(await documents().list({ collection: 'handbook', limit: 1 }))
    expect(listed.map(({ title }) => title).toSorted()).toEqual(['boat.txt', 'pump.txt'])
    for (const { id } of listed) await documents().delete(id)
    expect((await documents().list({ collection: 'handbook' })).items).toEqual([])
    expect(await documents().cleanUp({ older_than_hours: 0 })).toBeGreaterThanOrEqual(1)
  })

  it('answer errors in their shape, with the code of all surfaces', async () => {
    const error = await rejected(documents().search(''))
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', field: 'query', status: 400 })
    expect(isErrorOf(error, 'documents') && error.body.error).toBe('validation_error')
  })
})

describe('resources', () => {
  const resources = () => resourcesClient(client)
  const activity = (id: string) => ({ id, name: `Sorting ${id}`, activity_type: 'cognitive' })

  it('are made, read, listed, changed and deleted', async () => {
    const [made] = await resources().create('activities', [activity('leaves'), activity('stones')])
    expect(made?.difficulty).toBe('medium')
    const { results } = await resources().get('activities', ['leaves', 'nope'], ['name'])
    const [found, missing] = results
    if (found?.status === 'success') expectTypeOf(found.data?.name).toEqualTypeOf<string | undefined>()
    expect(found).toMatchObject({ data: { id: 'leaves', name: 'Sorting leaves' } })
    expect(missing).toMatchObject({ status: 'error', status_code: 404 })
    await resources().create('coaching', [{ id: 'note', child_id: 'child-1', author: 'Ines', text: 'Asked for blue.' }])
    expect(await resources().read('coaching', 'note')).toMatchObject({ author: 'Ines' })
    const ids = (await everything(await resources().list('activities', { limit: 3 }))).map(({ id }) => id)
    expect(ids).toEqual(expect.arrayContaining(['leaves', 'stones']))
    const changes = [{ id: 'leaves', data: { duration_minutes: 20 } }]
    expect(await resources().update('activities', changes)).toMatchObject({ total_succeeded: 1 })
    expect((await resources().read('activities', 'leaves')).duration_minutes).toBe(20)
    expect(await resources().delete('activities', ['stones'])).toMatchObject({ total_succeeded: 1 })
    const { results: recommended } = await resources().recommend({ child_ids: ['child-1'], max_recommendations: 2 })
    expect(recommended[0]?.data.recommendations).toHaveLength(2)
  })

  it('are written in batches where they are many', async () => {
    const ids = Array.from({ length: 101 }, (_, at) => `many-${at}`)
    await resources().create('activities', ids.map(activity))
    const answer = await resources().delete('activities', ids)
    if (!('batch_id' in answer)) throw new Error('Not a batch.')
    const done = (await everything(resources().follow(answer))).filter((event) => event.type === 'job_completed')
    expect(done.reduce((sum, { succeeded }) => sum + succeeded, 0)).toBe(101)
  })

  it('answer errors in their shape, with every field that is wrong', async () => {
    const error = await rejected(resources().recommend({ child_ids: [], max_recommendations: 50 }))
    expect(error).toMatchObject({
      code: 'UNPROCESSABLE',
      field: 'child_ids',
      issues: [{ field: 'child_ids' }, { field: 'max_recommendations' }],
    })
    expect(isErrorOf(error, 'resources') && error.body.detail).toHaveLength(2)
    expect(await rejected(resources().read('coaching', 'nope'))).toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('chunks', () => {
  it('are loaded, read and listed', async () => {
    const chunks = chunksClient(client)
    expect(await chunks.load([{ id: 'k_1', text: 'What was said', speaker: 'A' }])).toEqual(['k_1'])
    expect(await chunks.get(['k_1', 'k_404'])).toMatchObject({
      chunks: { k_1: { speaker: 'A' } },
      summary: { failed: 1 },
    })
    expect(await chunks.read('k_1')).toMatchObject({ text: 'What was said' })
    expect((await everything(await chunks.list({ limit: 1 }))).map(({ id }) => id)).toContain('k_1')
    const error = await rejected(chunks.load([]))
    expect(error).toMatchObject({ code: 'INVALID_REQUEST', message: 'chunks cannot be empty' })
    expect(isErrorOf(error, 'chunks') && error.body.error).toBe('chunks cannot be empty')
  })
})

describe('webhooks', () => {
  it('are read from the log, and sent again', async () => {
    await using receiver = await openReceiver()
    const webhooks = webhooksClient(client)
    const { batchId } = await client.create({
      operation: 'echo',
      items: [{}],
      options: { webhook: { url: receiver.url } },
    })
    const sent = await until(async () => (await webhooks.list({ batchId, status: 'completed' })).items[0] ?? null)
    expect(await webhooks.read(sent.id)).toMatchObject({ id: sent.id, responseStatus: 204 })
    await webhooks.redeliver(sent.id)
    await until(async () => (receiver.received.length === 2 ? true : null))
    expect(receiver.received[1]?.id).toBe(sent.id)
    expect(await rejected(webhooks.read('none'))).toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('heat sheets', () => {
  it('are searched for several swimmers, each with a page and a code of its own, which can be revoked', async () => {
    const pdfs = [new File([(await heatSheet({ meet: 'Surface Open' })).slice()], 'open.pdf')]
    const accepted = await client.extract({ swimmer: [SWIMMER, OTHER], pdfs })
    await client.wait(accepted)
    const { sources } = await client.results(accepted)
    const [, second] = sources[0]?.swimmers ?? []
    const page = await (await fetch(client.resultUrl(second?.resultCode ?? ''))).text()
    expect(page).toContain(OTHER)
    expect(page).not.toContain(SWIMMER)

    const code = second?.resultCode ?? ''
    const results = sharedResultsClient(createClient({ baseUrl: server.url }))
    expect(await results.read(code)).toMatchObject({ swimmerName: OTHER, resultCode: code, events: [{ lane: 4 }] })
    expect(await (await results.calendar(code, { reminder: 'none' })).text()).toContain('BEGIN:VEVENT')
    await sharedResultsClient(client).revoke(code)
    expect(await rejected(results.read(code))).toMatchObject({ code: 'NOT_FOUND', surface: 'results' })
  })
})

describe('secrets', () => {
  it('are put, listed without their values, and deleted', async () => {
    const secrets = secretsClient(client)
    expect(await secrets.put('token', 'a-token-for-these-tests')).toMatchObject({ name: 'token' })
    expect(JSON.stringify(await secrets.list())).toMatch(/^\[\{"name":"token",(?!.*a-token)/)
    await secrets.delete('token')
    expect(await secrets.list()).toEqual([])
    expect(await rejected(secrets.put('token', 'short'))).toMatchObject({ code: 'INVALID_REQUEST', field: 'value' })
  })
})

describe('a stream address', () => {
  it('lets a page without a key follow the batch, and read no other', async () => {
    const batch = await client.create({ operation: 'echo', items: [{ value: 1 }] })
    const streamUrl = await client.streamUrl(batch)
    const stranger = createClient({ baseUrl: server.url })
    const types = (await everything(stranger.follow({ batchId: batch.batchId, streamUrl }))).map(({ type }) => type)
    expect(types.filter((type) => type !== 'job_progress')).toEqual([
      'batch_started',
      'job_completed',
      'batch_completed',
    ])
    const other = await client.create({ operation: 'echo', items: [{}] })
    expect(await rejected(stranger.status({ batchId: other.batchId, streamUrl }))).toBeInstanceOf(ApiError)
  })
})
