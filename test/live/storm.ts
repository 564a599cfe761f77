/** The hardest weather a follower meets: notices dropped, doubled, shuffled and wrong, clients that come, go, stall and come back. */
import type { Notifier } from '../../src/ports.ts'
import { openLiveServer } from '../support/live-server.ts'
import { RawClient } from '../support/raw-client.ts'

/** What came of a storm. */
export interface StormReport {
  /** Events that clients were due, and got. */
  readonly deliveries: number
  /** Connections made. */
  readonly connections: number
  /** Notices published, and handed on. */
  readonly published: number
  readonly notified: number
  /** Sentences on what was lost, doubled or out of order. */
  readonly faults: readonly string[]
}

const chance = (of: number) => Math.random() < of
const upToMs = (ms: number) => new Promise((resolve) => setTimeout(resolve, Math.random() * ms))

/** Drops some notices, doubles some, delays all by differing times, and makes some up. */
function unreliable(count: { published: number; notified: number }) {
  return (inner: Notifier): Notifier => ({
    subscribe: (batchId, listener) => inner.subscribe(batchId, listener),
    publish(batchId, notice) {
      count.published++
      const copies = chance(0.3) ? 0 : chance(0.3) ? 2 : 1
      for (let copy = 0; copy < copies; copy++) {
        const wrong =
          'seq' in notice && chance(0.1)
            ? { seq: Math.max(1, notice.seq + Math.round(Math.random() * 20 - 10)) }
            : notice
        setTimeout(() => {
          count.notified++
          inner.publish(batchId, wrong)
        }, Math.random() * 30)
      }
    },
  })
}

/** One person who follows to the end, over as many connections as it takes. Returns how many. */
async function person(url: string, total: number, say: (fault: string) => void): Promise<number> {
  let cursor = 0
  for (let connections = 1; ; connections++) {
    let left = chance(0.5) ? Number.POSITIVE_INFINITY : 1 + Math.random() * (total / 3)
    const client = new RawClient(url, cursor, {
      onEvent: ({ id, event, data }) => {
        if (left <= 0) return
        if (id !== cursor + 1 || data.n !== id) say(`after ${cursor} came ${event} ${id}, written as ${String(data.n)}`)
        cursor = id ?? cursor
        if (--left <= 0) client.drop()
        else if (chance(0.0005)) {
          client.stall()
          setTimeout(() => client.resume(), Math.random() * 100)
        }
      },
    })
    await client.ended
    if (client.status === 204) return connections
    if (client.status !== 200) say(`a connection after ${cursor} was answered with ${client.status}`)
    await upToMs(20)
  }
}

/** Lets `clients` people follow one batch of `events` events. */
export async function storm(size: { clients: number; events: number }): Promise<StormReport> {
  const count = { published: 0, notified: 0 }
  const live = await openLiveServer({ notifier: unreliable(count) })
  const faults: string[] = []
  try {
    const batchId = await live.writer.begin()
    const people = Array.from({ length: size.clients }, async (_, index) => {
      await upToMs(size.events / 5)
      return person(live.streamUrl(batchId), size.events, (fault) => faults.push(`client ${index}: ${fault}`))
    })
    for (let written = 1; written < size.events - 1; ) {
      const burst = Math.min(size.events - 1 - written, chance(0.5) ? 1 : Math.ceil(Math.random() * 60))
      await live.writer.write(batchId, burst)
      written += burst
      if (chance(0.5)) await upToMs(8)
      if (chance(0.05)) await live.upset(batchId)
    }
    await live.writer.finish(batchId)
    const connections = (await Promise.all(people)).reduce((sum, one) => sum + one, 0)
    return { deliveries: size.clients * size.events, connections, ...count, faults }
  } finally {
    await live.close()
  }
}
