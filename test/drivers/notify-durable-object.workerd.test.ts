/** The Notifier on Cloudflare: the Worker's own objects, as Miniflare runs them, reading a log that is kept in D1. */
import { env } from 'cloudflare:workers'
import { beforeAll } from 'vitest'
import { createCoalescingNotifier, createObjectNotifier } from '../../src/drivers/notify-durable-object.ts'
import { notifierContract } from '../contracts/notifier.ts'
import { EventWriter } from '../support/event-writer.ts'
import { quietLog } from '../support/fixture.ts'
import { openPlatform } from '../support/workerd/platform.ts'

let writer: EventWriter
beforeAll(async () => {
  const { db } = await openPlatform()
  // Told by the suite, not by whoever writes.
  writer = new EventWriter(db, { publish: () => {} })
})

const options = {
  keepAlive: (work: Promise<unknown>) => {
    work.catch(() => {})
  },
  log: quietLog(),
}
const write = (batchId: string, seq: number) => writer.reach(batchId, seq)

notifierContract('An object a batch, told by a request,', () => ({
  notifier: createObjectNotifier(env.BATCHES, options),
  write,
}))

notifierContract('An object a batch, told by a worker,', () => {
  const { subscribe } = createObjectNotifier(env.BATCHES, options)
  return { notifier: { ...createCoalescingNotifier(env.BATCHES, options), subscribe }, write }
})
