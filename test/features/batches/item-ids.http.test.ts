/** The caller's own data: `metadata` of a batch, and ids of items. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Follower } from '../../support/follow.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { NativeClient, Refusal } from './native-client.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const { post, create, setsOf } = new NativeClient(() => server)
const Answer = z.looseObject({})
const read = async (path: string) => Answer.parse(await (await server.fetch(path)).json())

const refusalOf = async (response: Response) => {
  const { field, message } = Refusal.parse(await response.json())
  return { status: response.status, field, message }
}

async function eventsOf(batchId: string): Promise<Record<string, unknown>[]> {
  const follower = new Follower(`${server.url}/api/batch/${batchId}/stream`)
  await follower.completed()
  follower.close()
  return follower.logged.map(({ data }) => Answer.parse(data))
}

const append = (batchId: string, from: number, items: readonly unknown[]) =>
  server.fetch(`/api/batch/${batchId}/items?from=${from}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-ndjson' },
    body: items.map((item) => `${JSON.stringify(item)}\n`).join(''),
  })

describe('ids of items', () => {
  it('are named by events, lists, polling and results, and are part of the items as they were sent', async () => {
    const items = [{ id: 'Größe 1/2', value: 1 }, { value: 2 }, { id: 'c', error: 'no' }]
    const { batchId } = await create({ operation: 'echo', items })
    const events = await eventsOf(batchId)
    const ids = ['Größe 1/2', null, 'c']
    const bySequence = (a: Record<string, unknown>, b: Record<string, unknown>) =>
      Number(a.sequence) - Number(b.sequence)
    expect(
      events
        .filter(({ jobId }) => jobId !== undefined)
        .sort(bySequence)
        .map(({ itemId }) => itemId),
    ).toEqual(ids)
    expect(events.at(-1)?.results).toMatchObject(ids.map((itemId) => ({ itemId })))
    expect((await read(`/api/batch/${batchId}`)).jobs).toMatchObject(ids.map((itemId) => ({ itemId })))
    expect((await read(`/api/batch/${batchId}/jobs`)).jobs).toMatchObject(ids.map((itemId) => ({ itemId })))
    const { succeeded, failed } = await setsOf(batchId)
    expect([...succeeded, ...failed].map(({ itemId, item }) => [itemId, item])).toEqual(
      ids.map((id, at) => [id, items[at]]),
    )
    const lines = await (await server.fetch(`/api/batch/${batchId}/results?as=items`)).text()
    expect(
      lines
        .trim()
        .split('\n')
        .map((line): unknown => JSON.parse(line)),
    ).toEqual(items)
    await post(`/api/batch/${batchId}/retry`)
    const again = await eventsOf(batchId)
    expect(again.filter(({ type }) => type === 'job_failed')).toMatchObject([{ itemId: 'c', attempt: 1 }])
  })

  it.each([
    ['no text', 7],
    ['empty', ''],
    ['129 characters', 'x'.repeat(129)],
    ['a control character', 'a\nb'],
    ['half a character', '\ud800'],
    ['a dot', '.'],
    ['two dots', '..'],
    ['null', null],
  ])('may not be %s', async (_, id) => {
    const response = await post('/api/batch', { operation: 'echo', items: [{ value: 1 }, { id, value: 2 }] })
    expect(await refusalOf(response)).toMatchObject({ status: 400, field: 'items.1.id' })
  })

  it('may have 128 characters of any script', async () => {
    const id = '🏊'.repeat(128)
    const { batchId } = await create({ operation: 'echo', items: [{ id }] })
    await eventsOf(batchId)
    expect((await setsOf(batchId)).succeeded).toMatchObject([{ itemId: id, item: { id } }])
  })

  it('are unique in their batch: a double is refused and both places are named, however many items there are', async () => {
    const few = await post('/api/batch', { operation: 'echo', items: [{ id: 'a' }, { id: 'b' }, { id: 'a' }] })
    expect(await refusalOf(few)).toMatchObject({
      status: 400,
      field: 'items.2.id',
      message: expect.stringContaining('items.0.id'),
    })
    const items = Array.from({ length: 2_500 }, (_, at) => ({ id: `i${at === 2_400 ? 3 : at}` }))
    expect(await refusalOf(await post('/api/batch', { operation: 'echo', items }))).toMatchObject({
      status: 400,
      field: 'items.2400.id',
      message: expect.stringContaining('items.3.id'),
    })
  })

  it('let equal documents be told apart', async () => {
    const url = 'https://sheets.invalid/heats.pdf'
    const input = { swimmer: 'Ada Example' }
    const { totalJobs } = await create({
      operation: 'heat-sheet',
      input,
      items: [
        { id: 'a', url },
        { id: 'b', url },
      ],
    })
    expect(totalJobs).toBe(2)
  })
})

describe('ids of items of an open batch', () => {
  it('are unique over all slices, and a slice may be sent again', async () => {
    const { batchId } = await create({ operation: 'echo', open: true })
    const first = [
      { id: 'a', value: 0 },
      { id: 'b', value: 1 },
    ]
    expect((await append(batchId, 0, first)).status).toBe(200)
    expect(await (await append(batchId, 0, first)).json()).toMatchObject({ received: 2, added: 0 })
    const within = await append(batchId, 2, [{ id: 'c' }, { id: 'd' }, { id: 'c' }])
    expect(await refusalOf(within)).toMatchObject({
      status: 400,
      field: 'items.2.id',
      message: expect.stringContaining('items.0.id'),
    })
    const across = await append(batchId, 4, [{ id: 'e' }, { id: 'b' }])
    expect(await refusalOf(across)).toMatchObject({
      status: 409,
      field: 'items.5.id',
      message: expect.stringContaining('item 1 of this batch'),
    })
    const renamed = await append(batchId, 0, [{ id: 'other', value: 0 }])
    expect(await refusalOf(renamed)).toMatchObject({ status: 409, field: 'items.0' })
    expect((await append(batchId, 4, [{ id: 'e' }])).status).toBe(200)
    await post(`/api/batch/${batchId}/seal`)
    await eventsOf(batchId)
    const { succeeded } = await setsOf(batchId)
    expect(succeeded.map(({ itemId }) => itemId)).toEqual(['a', 'b', 'c', 'd', 'e'])
  })
})

describe('metadata', () => {
  it.each([
    ['an object', { 'a b': [1, null, { x: '✓' }], __proto__x: '\0', '': false }],
    ['a list', [1, 2.5, 'three']],
    ['text', 'order 7'],
  ])('may be %s, and is told as it was sent', async (_, metadata) => {
    const { batchId } = await create({ operation: 'echo', items: [{}], options: { metadata } })
    const events = await eventsOf(batchId)
    expect(events.filter((event) => 'metadata' in event).map(({ type }) => type)).toEqual([
      'batch_started',
      'batch_completed',
    ])
    expect(events.at(0)).toMatchObject({ metadata })
    expect((await read(`/api/batch/${batchId}`)).batch).toMatchObject({ metadata })
    const { batches } = z.object({ batches: z.array(Answer) }).parse(await read('/api/batch?limit=1'))
    expect(batches).toMatchObject([{ id: batchId, metadata }])
  })

  it('holds 16 KB', async () => {
    const sized = (bytes: number) => ({
      operation: 'echo',
      items: [{}],
      options: { metadata: 'ü'.repeat((bytes - 2) / 2) },
    })
    expect((await create(sized(16_384))).status).toBe(202)
    expect(await refusalOf(await post('/api/batch', sized(16_386)))).toMatchObject({
      status: 400,
      field: 'options.metadata',
      message: expect.stringContaining('16,384'),
    })
  })
})

describe('facts about a job', () => {
  it('are its attempts and times, in events, lists and polling', async () => {
    const { batchId } = await create({
      operation: 'echo',
      items: [{ failures: 1 }],
      options: { maxAttempts: 2 },
    })
    const events = await eventsOf(batchId)
    const facts = {
      attempt: 2,
      maxAttempts: 2,
      startedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      finishedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    }
    expect(events.find(({ type }) => type === 'job_completed')).toMatchObject(facts)
    expect((await read(`/api/batch/${batchId}`)).jobs).toMatchObject([facts])
    expect((await read(`/api/batch/${batchId}/jobs`)).jobs).toMatchObject([facts])
  })

  it('say of a job that never ran that it had no attempt', async () => {
    const { batchId } = await create({
      operation: 'echo',
      items: [{}],
      options: { runAt: new Date(Date.now() + 3_600_000).toISOString() },
    })
    await post(`/api/batch/${batchId}/cancel`)
    const events = await eventsOf(batchId)
    expect(events.find(({ type }) => type === 'job_failed')).toMatchObject({ attempt: 0, startedAt: null })
  })
})
