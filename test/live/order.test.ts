/** None lost, none doubled, none out of order: under unreliable notices, and from every place a client may come back to. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RawClient, upTo } from './raw-client.ts'
import { openLive } from './rig.ts'
import { storm } from './storm.ts'

describe('a storm', () => {
  it('of 40 clients and 800,000 deliveries changes nothing', async () => {
    const report = await storm({ clients: 40, events: 20_000 })
    expect(report.faults).toEqual([])
    expect(report.connections).toBeGreaterThan(60)
  })
})

describe('coming back', () => {
  let live: Awaited<ReturnType<typeof openLive>>
  beforeAll(async () => {
    live = await openLive()
  })
  afterAll(() => live.close())

  it('at every event number of a batch that has ended gives just the rest', async () => {
    const batchId = await live.pen.begin()
    await live.pen.write(batchId, 118)
    await live.pen.finish(batchId)
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
    const batchId = await live.pen.begin()
    await live.pen.write(batchId, 399)
    const clients = upTo(400, 0).map((cursor) => new RawClient(live.streamUrl(batchId), cursor))
    await Promise.all(clients.map((client) => client.opened))
    await live.pen.write(batchId, 10)
    await live.pen.finish(batchId)
    await Promise.all(clients.map((client) => client.ended))
    expect(clients.map((client) => client.ids)).toEqual(upTo(400, 0).map((cursor) => upTo(411, cursor + 1)))
  })

  it('from far behind what is kept in memory gives everything', async () => {
    const batchId = await live.pen.begin()
    const watching = new RawClient(live.streamUrl(batchId))
    for (let page = 0; page < 6; page++) await live.pen.write(batchId, 500, { filler: 'x'.repeat(1_000) })
    const late = new RawClient(live.streamUrl(batchId))
    const between = new RawClient(live.streamUrl(batchId), 777)
    await late.until(() => late.cursor > 1_000)
    await live.pen.write(batchId, 50)
    await live.pen.finish(batchId)
    await Promise.all([watching.ended, late.ended, between.ended])
    expect(watching.ids).toEqual(upTo(3_052))
    expect(late.ids).toEqual(upTo(3_052))
    expect(between.ids).toEqual(upTo(3_052, 778))
  })
})
