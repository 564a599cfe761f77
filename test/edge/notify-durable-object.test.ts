/** The Notifier of the edge: the Worker's own objects, as Miniflare runs them, reading a log that is kept in D1. */
import { env } from 'cloudflare:workers'
import { beforeAll } from 'vitest'
import { createCoalescingNotifier, createObjectNotifier } from '../../src/drivers/notify-durable-object.ts'
import { notifierContract } from '../contracts/notifier.ts'
import { quietLog } from '../engine/rig.ts'
import { Pen } from '../live/pen.ts'
import { openHome } from './home.ts'

let pen: Pen
beforeAll(async () => {
  const { db } = await openHome()
  // Told by the suite, not by whoever writes.
  pen = new Pen(db, { publish: () => {} })
})

const options = {
  keepAlive: (work: Promise<unknown>) => {
    work.catch(() => {})
  },
  log: quietLog(),
}
const write = (batchId: string, seq: number) => pen.reach(batchId, seq)

notifierContract('An object a batch, told by a request,', () => ({
  notifier: createObjectNotifier(env.BATCHES, options),
  write,
}))

notifierContract('An object a batch, told by a worker,', () => {
  const { subscribe } = createObjectNotifier(env.BATCHES, options)
  return { notifier: { ...createCoalescingNotifier(env.BATCHES, options), subscribe }, write }
})
