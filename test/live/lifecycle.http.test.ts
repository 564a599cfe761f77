/** What a client sees when its batch is cancelled, run again or deleted, when its cursor is wrong, and when notices are lost. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type LiveServer, openLiveServer } from '../support/live-server.ts'
import { RawClient, upTo } from '../support/raw-client.ts'
import { startServer, type TestServer } from '../support/server.ts'

const Accepted = z.object({ batchId: z.string(), streamUrl: z.string() })
const typesOf = (client: RawClient) => client.events.map(({ event }) => event).filter((type) => type !== 'job_progress')
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('a batch that is commanded while it is watched', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  async function create(items: readonly unknown[]) {
    const body = JSON.stringify({ operation: 'echo', items })
    const response = await server.fetch('/api/batch', {
      method: 'POST',
      body,
      headers: { 'Content-Type': 'application/json' },
    })
    const { batchId, streamUrl } = Accepted.parse(await response.json())
    return { batchId, url: server.url + streamUrl }
  }
  const act = async (batchId: string, verb: string) => {
    const response = await server.fetch(`/api/batch/${batchId}/${verb}`, { method: 'POST' })
    expect(response.status).toBe(200)
  }

  it('cancelled: every open job ends as CANCELLED, then the batch, then the stream', async () => {
    const { batchId, url } = await create(upTo(12).map(() => ({ waitMs: 60_000 })))
    const client = new RawClient(url)
    await client.until(() => client.cursor === 1)
    await act(batchId, 'cancel')
    expect(await client.ended).toBe(true)
    expect(client.ids).toEqual(upTo(14))
    expect(typesOf(client)).toEqual(['batch_started', ...Array(12).fill('job_failed'), 'batch_completed'])
    expect(client.events.filter(({ event }) => event === 'job_failed').map(({ data }) => data.errorCode)).toEqual(
      Array(12).fill('CANCELLED'),
    )
    expect(client.events.at(-1)?.data).toMatchObject({ status: 'cancelled', cancelledJobs: 12 })
  })

  it('run again: who was there sees both endings, who comes later only what counts', async () => {
    const { batchId, url } = await create([{ value: 1 }, { error: 'no' }])
    const first = new RawClient(url)
    await first.ended
    expect(typesOf(first)).toHaveLength(4)
    await act(batchId, 'retry')
    const again = new RawClient(url, first.cursor)
    await again.ended
    expect(typesOf(again)).toEqual(['batch_started', 'job_failed', 'batch_completed'])
    expect(again.ids).toEqual([5, 6, 7])
    expect(again.events[0]?.data).toMatchObject({ retriedJobs: 1 })

    const late = new RawClient(url)
    await late.ended
    expect(typesOf(late)).toEqual(['batch_started', 'job_completed', 'batch_started', 'job_failed', 'batch_completed'])
    expect(late.cursor).toBe(7)
  })

  it('deleted: the next connection is a 404', async () => {
    const { batchId, url } = await create([{ value: 1 }])
    await new RawClient(url).ended
    expect((await server.fetch(`/api/batch/${batchId}`, { method: 'DELETE' })).status).toBe(200)
    const gone = new RawClient(url)
    await gone.ended
    expect(gone.status).toBe(404)
  })

  it('tells progress in order, and none of a job after its end', async () => {
    const { url } = await create(upTo(6).map((n) => ({ waitMs: 300 + 50 * n, steps: 40 })))
    const client = new RawClient(url)
    await client.ended
    const percent = new Map<unknown, number>()
    let told = 0
    for (const { event, data } of client.events) {
      const before = percent.get(data.jobId) ?? -1
      if (event === 'job_progress') {
        told++
        expect(Number(data.progressPercent)).toBeGreaterThanOrEqual(before)
        percent.set(data.jobId, Number(data.progressPercent))
      } else if (event === 'job_completed') percent.set(data.jobId, 101)
    }
    expect(told).toBeGreaterThan(6)
    expect([...percent.values()]).toEqual(Array(6).fill(101))
  })
})

describe('a batch as its log is written', () => {
  let live: LiveServer
  beforeAll(async () => {
    live = await openLiveServer()
  })
  afterAll(() => live.close())

  it.each(['7', '999999999999999', '9999999999999999', 'x', '-1', '1.5'])(
    'the cursor %s of a batch that runs gets the state, then what follows',
    async (cursor) => {
      const batchId = await live.writer.begin()
      await live.writer.write(batchId, 4)
      const client = new RawClient(live.streamUrl(batchId), cursor)
      await client.until(() => client.events.length > 0)
      const polled = await (await fetch(`${live.url}/api/batch/${batchId}`)).json()
      expect(client.events).toEqual([{ id: 5, event: 'resync', data: polled }])
      await live.writer.finish(batchId)
      await client.ended
      expect(client.ids).toEqual([5, 6])
    },
  )

  it('a stream that runs is ended when its batch is deleted, told or not', async () => {
    const batchIds = [await live.writer.begin(), await live.writer.begin()]
    const clients = batchIds.map((id) => new RawClient(live.streamUrl(id)))
    await Promise.all(clients.map((client) => client.until(() => client.cursor === 1)))
    await live.db.run(sql`UPDATE batches SET deleted_at = 1 WHERE id IN (${batchIds[0]}, ${batchIds[1]})`)
    live.notifier.publish(batchIds[0] ?? '', { seq: 0 })
    expect(await Promise.all(clients.map((client) => client.ended))).toEqual([true, true])
    while ((await live.held(batchIds)) > 0) await pause(20)
  })

  it('events that nobody told of come all the same', async () => {
    const batchId = await live.writer.begin()
    const client = new RawClient(live.streamUrl(batchId))
    await client.until(() => client.cursor === 1)
    await live.db.batch([
      live.db.run(
        sql`INSERT INTO events (batch_id, seq, type, at, data) SELECT ${batchId}, value, 'job_completed', 1, '{}' FROM json_each('[2,3,4]')`,
      ),
      live.db.run(sql`UPDATE batches SET last_seq = 4 WHERE id = ${batchId}`),
    ])
    await client.until(() => client.cursor === 4)
    expect(client.ids).toEqual(upTo(4))
    client.drop()
  })

  it('a notice of an event that does not exist does not hide the one that comes later under its number', async () => {
    const batchId = await live.writer.begin()
    const client = new RawClient(live.streamUrl(batchId))
    await client.until(() => client.cursor === 1)
    live.notifier.publish(batchId, { seq: 5 })
    await pause(50)
    await live.writer.write(batchId, 6)
    await client.until(() => client.cursor === 7)
    expect(client.ids).toEqual(upTo(7))
    client.drop()
  })

  it('who is behind when a batch runs again gets only what still counts', async () => {
    const batchId = await live.writer.begin()
    const slow = new RawClient(live.streamUrl(batchId))
    await slow.until(() => slow.cursor === 1)
    slow.stall()
    // More than the way to it holds, so that its cursor waits before what is replaced.
    await live.writer.write(batchId, 300, { filler: 'x'.repeat(40_000) })
    await live.writer.write(batchId, 3)
    await live.writer.retry(batchId, 302)
    const late = new RawClient(live.streamUrl(batchId), 299)
    await late.until(() => late.cursor === 305)
    expect(late.ids).toEqual([300, 301, 305])
    slow.resume()
    await slow.until(() => slow.cursor === 305)
    expect(slow.ids).toEqual([...upTo(301), 305])
    await live.writer.finish(batchId)
    await Promise.all([slow.ended, late.ended])
    expect([slow.ids.at(-1), late.ids.at(-1)]).toEqual([306, 306])
  })

  it('HEAD gets the headers and no stream', async () => {
    const batchId = await live.writer.begin()
    const response = await fetch(live.streamUrl(batchId), { method: 'HEAD' })
    expect(response.headers.get('Content-Type')).toBe('text/event-stream; charset=utf-8')
    expect(await response.text()).toBe('')
    expect(await live.held([batchId])).toBe(0)
  })

  it('the first bytes are a time to wait and a comment, at once', async () => {
    const batchId = await live.writer.begin()
    const waits = new Set<string>()
    for (let n = 0; n < 20; n++) {
      const client = new RawClient(live.streamUrl(batchId), 1, { keepText: true })
      await client.until(() => client.text.includes(': millrace\n\n'))
      waits.add(/^retry: (\d{4})\n\n: millrace\n\n/.exec(client.text)?.[1] ?? 'none')
      client.drop()
    }
    expect(waits.size).toBeGreaterThan(5)
    for (const wait of waits) expect(Number(wait)).toBeGreaterThanOrEqual(1_000)
  })
})
