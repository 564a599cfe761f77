/** All batches of a caller on one connection: one cursor, none lost, nobody else's. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { jobs } from '../../src/schema/jobs.ts'
import { type LiveServer, openLiveServer } from '../support/live-server.ts'
import { progressOf } from '../support/progress.ts'
import { RawClient, upTo } from '../support/raw-client.ts'
import { ON_CLOUDFLARE } from '../support/server.ts'

let live: LiveServer
beforeAll(async () => {
  live = await openLiveServer()
})
afterAll(() => live.close())

const url = () => `${live.url}/api/batch/stream`
const end = async () => (await live.db.all<{ end: number }>(sql`SELECT max(id) AS "end" FROM events`))[0]?.end ?? 0
const give = (batchId: string) => live.db.run(sql`UPDATE batches SET owner = 'other' WHERE id = ${batchId}`)
/** The events that came of a batch, by their numbers within it. */
const of = (client: RawClient, batchId: string) =>
  client.events.flatMap(({ data }) => (data.batchId === batchId ? [data.eventId] : []))

describe('the stream of all batches', () => {
  it('begins with the batches that have not ended, then tells what happens to any, new ones too', async () => {
    const [running, ended, theirs] = [await live.writer.begin(), await live.writer.begin(), await live.writer.begin()]
    await live.writer.finish(ended)
    await give(theirs)
    const client = new RawClient(url())
    await client.until(() => client.events.length > 0)
    const [first] = client.events
    expect(first).toMatchObject({ id: await end(), event: 'resync' })
    expect(first?.data.batches).toMatchObject([{ id: running, status: 'processing', lastEventId: 1 }])

    const fresh = await live.writer.begin()
    await live.writer.write(theirs, 5)
    await live.writer.write(running, 700)
    await live.writer.write(fresh, 3)
    await live.writer.finish(fresh)
    await client.until(() => of(client, fresh).length === 5)
    expect(of(client, running)).toEqual(upTo(701, 2))
    expect(of(client, fresh)).toEqual(upTo(5))
    expect(of(client, theirs)).toEqual([])
    expect(client.ids).toEqual(client.ids.toSorted((a, b) => a - b))
    const closing = client.events.at(-1)?.data
    expect(closing).toMatchObject({ type: 'batch_completed', resultsUrl: `/api/batch/${fresh}/results` })
    expect(closing).not.toHaveProperty('results')
    client.drop()
  })

  it('goes on after any number, across batches', async () => {
    const from = await end()
    const batches = [await live.writer.begin(), await live.writer.begin(), await live.writer.begin()]
    for (let n = 0; n < 40; n++) await live.writer.write(batches[n % 3] ?? '', 1 + (n % 4))
    const whole = new RawClient(url(), from)
    const last = await end()
    await whole.until(() => whole.cursor === last)
    expect(whole.ids).toEqual(upTo(last, from + 1))
    for (const cursor of upTo(last - 1, from)) {
      const client = new RawClient(url(), cursor)
      await client.until(() => client.cursor === last)
      expect(client.ids).toEqual(upTo(last, cursor + 1))
      client.drop()
    }
    whole.drop()
  })

  it('begins with the progress of what runs', async () => {
    const [batchId, theirs] = [await live.writer.begin(), await live.writer.begin()]
    await give(theirs)
    const common = {
      operation: 'echo',
      sequence: 1,
      status: 'running',
      virtualTime: 0,
      maxAttempts: 3,
      input: {},
    } as const
    const row = { ...common, createdAt: 1, progressPercent: 40, progressMessage: 'm' }
    await live.db.insert(jobs).values([
      { ...row, id: 'job-ours', batchId, owner: 'local' },
      { ...row, id: 'job-theirs', batchId: theirs, owner: 'other' },
    ])
    const client = new RawClient(url())
    await client.until(() => client.events.some(({ event }) => event === 'job_progress'))
    const told = client.events.filter(({ event }) => event === 'job_progress').map(({ data }) => data)
    expect(told).toMatchObject([{ batchId, jobId: 'job-ours', progressPercent: 40, progressMessage: 'm' }])
    client.drop()
    await live.db.delete(jobs)
  })

  // On Cloudflare this stream looks every two seconds: test/live/durable-objects.cloudflare.test.ts follows real jobs.
  it.skipIf(ON_CLOUDFLARE)('tells at once what is told of progress of any batch', async () => {
    const batchId = await live.writer.begin()
    const client = new RawClient(url())
    await client.until(() => client.events.length > 0)
    const progress = progressOf(40, 'm')
    while (!client.events.some(({ event }) => event === 'job_progress')) {
      live.notifier.publish(batchId, { progress: [progress] })
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(client.events.at(-1)).toMatchObject({ id: null, data: { batchId, jobId: 'j', progressPercent: 40 } })
    client.drop()
  })

  it.each(['x', '999999999'])('with the cursor %s begins anew', async (cursor) => {
    const client = new RawClient(url(), cursor)
    await client.until(() => client.events.length > 0)
    expect(client.events[0]).toMatchObject({ id: await end(), event: 'resync' })
    client.drop()
  })

  it('too far back begins anew', async () => {
    const batchId = await live.writer.begin()
    const from = await end()
    for (let n = 0; n < 21; n++) await live.writer.write(batchId, 500)
    const client = new RawClient(url(), from)
    await client.until(() => client.events.length > 0)
    expect(client.events[0]).toMatchObject({ id: from + 10_500, event: 'resync' })
    client.drop()
  })

  it('numbers are never given twice, though the latest events are deleted', async () => {
    const batchId = await live.writer.begin()
    await live.writer.write(batchId, 5)
    const client = new RawClient(url())
    await client.until(() => client.events.length > 0)
    const { cursor } = client
    await live.db.run(sql`DELETE FROM events WHERE batch_id = ${batchId}`)
    await live.db.run(sql`DELETE FROM batches WHERE id = ${batchId}`)
    const next = await live.writer.begin()
    await client.until(() => of(client, next).length === 1)
    expect(client.cursor).toBe(cursor + 1)
    client.drop()
    await client.ended
    while ((await live.held([next])) > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  })
})
