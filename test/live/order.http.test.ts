/** None lost, none doubled, none out of order: under unreliable notices, and from every place a client may come back to. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LiveServer, openLiveServer } from '../support/live-server.ts'
import { RawClient, upTo } from '../support/raw-client.ts'
import { ON_CLOUDFLARE } from '../support/server.ts'
import { storm } from './storm.ts'

describe('a storm', () => {
  // On Cloudflare each delivery is a message of its own to a request of its own, some thirty times the work.
  const events = ON_CLOUDFLARE ? 3_000 : 20_000
  it(`of 40 clients and ${40 * events} deliveries changes nothing`, async () => {
    const report = await storm({ clients: 40, events })
    expect(report.faults).toEqual([])
    expect(report.connections).toBeGreaterThan(60)
  })
})

describe('clients that stall', () => {
  it('hold nobody up, and get everything when they read on', async () => {
    const live = await openLiveServer()
    const batchId = await live.writer.begin()
    const open = async () => {
      const client = new RawClient(live.streamUrl(batchId))
      await client.until(() => client.cursor === 1)
      return client
    }
    const [reader, ...stalled] = await Promise.all(upTo(4).map(open))
    for (const client of stalled) client.stall()
    // 16 MB for each, which is more than the way to it holds.
    for (const slice of upTo(8)) {
      await live.writer.write(batchId, 50, { filler: 'x'.repeat(40_000) })
      await reader?.until(() => reader.cursor === 1 + 50 * slice)
    }
    await live.writer.finish(batchId)
    expect(await reader?.ended).toBe(true)
    for (const client of stalled) {
      expect(client.cursor).toBeLessThan(402)
      client.resume()
    }
    await Promise.all(stalled.map((client) => client.ended))
    for (const client of [reader, ...stalled]) expect(client?.ids).toEqual(upTo(402))
    await live.close()
  })
})

describe('coming back', () => {
  let live: LiveServer
  beforeAll(async () => {
    live = await openLiveServer()
  })
  afterAll(() => live.close())

  it('at every event number of a batch that has ended gives just the rest', async () => {
    const batchId = await live.writer.begin()
    await live.writer.write(batchId, 118)
    await live.writer.finish(batchId)
    for (const cursor of upTo(119, 0)) {
      const client = new RawClient(live.streamUrl(batchId), cursor)
      expect(await client.ended).toBe(true)
      expect(client.ids).toEqual(upTo(120, cursor + 1))
    }
    const last = new RawClient(live.streamUrl(batchId), 120)
    await last.ended
    expect([last.status, last.events]).toEqual([204, []])
  })

  it('at every event number of a batch that runs gives the rest, then what follows', async () => {
    const batchId = await live.writer.begin()
    // Past the 200 that the ring of a new channel reaches back to.
    const logged = ON_CLOUDFLARE ? 240 : 400
    await live.writer.write(batchId, logged - 1)
    const cursors = upTo(logged, 0)
    const clients = cursors.map((cursor) => new RawClient(live.streamUrl(batchId), cursor))
    await Promise.all(clients.map((client) => client.opened))
    await live.writer.write(batchId, 10)
    await live.writer.finish(batchId)
    await Promise.all(clients.map((client) => client.ended))
    expect(clients.map((client) => client.ids)).toEqual(cursors.map((cursor) => upTo(logged + 11, cursor + 1)))
  })

  it('from far behind what is kept in memory gives everything', async () => {
    const batchId = await live.writer.begin()
    const watching = new RawClient(live.streamUrl(batchId))
    for (let page = 0; page < 6; page++) await live.writer.write(batchId, 500, { filler: 'x'.repeat(1_000) })
    const late = new RawClient(live.streamUrl(batchId))
    const between = new RawClient(live.streamUrl(batchId), 777)
    await late.until(() => late.cursor > 1_000)
    await live.writer.write(batchId, 50)
    await live.writer.finish(batchId)
    await Promise.all([watching.ended, late.ended, between.ended])
    expect(watching.ids).toEqual(upTo(3_052))
    expect(late.ids).toEqual(upTo(3_052))
    expect(between.ids).toEqual(upTo(3_052, 778))
  })
})
