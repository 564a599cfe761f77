/**
 * What following costs a server when clients stall, leave, or are too many. The server is a process of its own. On Node alone: on Cloudflare
 * a stream shares nothing with others, is not counted, and its memory is the platform's to bound.
 */
import { describe, expect, it } from 'vitest'
import { ServerProcess, type Stats } from '../support/live-app-process.ts'
import { RawClient, upTo } from '../support/raw-client.ts'

const MB = 1024 * 1024
const held = (stats: Stats) => stats.heap + stats.buffers

describe('clients that stall', () => {
  it('leave the memory flat, hold nobody up, and get everything when they read on', async () => {
    await using server = await ServerProcess.start()
    const batchId = await server.begin()
    const stalled = upTo(10).map(() => new RawClient(server.streamUrl(batchId)))
    await Promise.all(stalled.map((client) => client.until(() => client.cursor === 1)))
    for (const client of stalled) client.stall()
    const reader = new RawClient(server.streamUrl(batchId))
    await reader.until(() => reader.cursor === 1)
    const before = await server.stats()

    // 40 MB for each of the ten, in events of 40 kB.
    let most = 0
    for (let slice = 0; slice < 20; slice++) {
      await server.write(batchId, 50, 40_000)
      await reader.until(() => reader.cursor === 1 + 50 * (slice + 1))
      most = Math.max(most, held(await server.stats()))
    }
    expect(reader.ids).toEqual(upTo(1_001))
    expect((most - held(before)) / MB).toBeLessThan(16)

    await server.finish(batchId)
    expect(await reader.ended).toBe(true)
    for (const client of stalled) client.resume()
    await Promise.all(stalled.map((client) => client.ended))
    for (const client of stalled) expect(client.ids).toEqual(upTo(1_002))
  })
})

describe('clients that leave', () => {
  it('free everything, 5,000 of them', async () => {
    await using server = await ServerProcess.start()
    const batchIds = [await server.begin(), await server.begin(), await server.begin()]
    const comeAndGo = async (clients: number) => {
      const all = upTo(clients).map((n) => new RawClient(server.streamUrl(batchIds[n % 3] ?? '')))
      await Promise.all(all.map((client) => client.until(() => client.cursor > 0)))
      for (const batchId of batchIds) await server.write(batchId, 1)
      for (const client of all) client.drop()
      await Promise.all(all.map((client) => client.ended))
    }
    const settled = async (): Promise<Stats> => {
      for (;;) {
        const stats = await server.stats()
        if (stats.streams === 0 && stats.resources.TCPSocketWrap === undefined) return stats
      }
    }
    await comeAndGo(500)
    const before = await settled()
    for (let round = 0; round < 10; round++) await comeAndGo(500)
    const after = await settled()
    expect(after.watched).toBe(0)
    expect(after.resources).toEqual(before.resources)
    expect(held(after) / held(before)).toBeLessThan(1.1)
  })
})

describe('a full server', () => {
  it('refuses new streams with 503 and Retry-After, and drops no old one', async () => {
    await using server = await ServerProcess.start({ maxStreams: 20 })
    const batchId = await server.begin()
    const early = upTo(20).map(() => new RawClient(server.streamUrl(batchId)))
    await Promise.all(early.map((client) => client.until(() => client.cursor === 1)))

    const late = await fetch(server.streamUrl(batchId))
    expect(late.status).toBe(503)
    expect(Number(late.headers.get('Retry-After'))).toBeGreaterThan(0)
    expect(await late.json()).toMatchObject({ success: false, error: 'SERVICE_UNAVAILABLE' })
    expect((await fetch(`${server.url}/api/batch/${batchId}`)).status).toBe(200)

    await server.write(batchId, 5)
    await Promise.all(early.map((client) => client.until(() => client.cursor === 6)))
    early[0]?.drop()
    await early[0]?.ended
    while ((await server.stats()).streams === 20) {}
    const next = new RawClient(server.streamUrl(batchId))
    await next.until(() => next.cursor === 6)
    await server.finish(batchId)
    await Promise.all([next, ...early].map((client) => client.ended))
    for (const client of [next, ...early.slice(1)]) expect(client.ids).toEqual(upTo(7))
  })

  it('takes exactly as many as it may, however many ask at once', async () => {
    await using server = await ServerProcess.start({ maxStreams: 20 })
    const batchId = await server.begin()
    const all = upTo(100).map(() => new RawClient(server.streamUrl(batchId)))
    await Promise.all(all.map((client) => client.opened))
    const statuses = all.map((client) => client.status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(20)
    expect(statuses.filter((status) => status === 503)).toHaveLength(80)
    for (const client of all) client.drop()
  })
})
