/** The Dispatcher on Cloudflare, on a queue as Miniflare runs it. */
import { env } from 'cloudflare:workers'
import { createQueueDispatcher } from '../../src/drivers/dispatch-queues.ts'
import { dispatcherContract } from '../contracts/dispatcher.ts'
import { quietLog } from '../support/fixture.ts'

dispatcherContract('A queue', () =>
  createQueueDispatcher(env.WAKE, {
    keepAlive: (work) => {
      work.catch(() => {})
    },
    log: quietLog(),
  }),
)
