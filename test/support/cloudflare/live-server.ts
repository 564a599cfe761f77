/** A server to be followed on Cloudflare: the built Worker in the platform's own runtime, and a writer that writes to its database and tells its objects. */
import { rm } from 'node:fs/promises'
import { openD1 } from '../../../src/drivers/db-d1.ts'
import type { Notice, Notifier } from '../../../src/ports.ts'
import { EventWriter } from '../event-writer.ts'
import type { LiveServer } from '../live-server.ts'
import { freshFolder } from '../server.ts'
import { openCloudflareServer } from './server.ts'

/** Statements a whole test may take: the platform counts by request, and a test is many. */
const STATEMENTS = 1_000_000

/** Starts one. */
export async function openLiveOnCloudflare(options: { notifier?: (inner: Notifier) => Notifier }): Promise<LiveServer> {
  const dataDir = await freshFolder()
  const { server, url, d1 } = await openCloudflareServer({
    dataDir,
    build: process.env.WORKER_BUILD ?? '',
    port: 0,
    variables: { LOG_LEVEL: 'warn' },
  })
  const objects = await server.getDurableObjectNamespace('BATCHES')
  const { db } = openD1(d1, { statements: STATEMENTS })
  /** Tells the object of a batch, as a Worker does. Answers how many sockets it holds. */
  const tell = async (batchId: string, notices: readonly Notice[]) => {
    const object = objects.get(objects.idFromName(batchId))
    const answer = await object.fetch(`https://batch/${batchId}`, { method: 'POST', body: JSON.stringify(notices) })
    if (!answer.ok) throw new Error(`The object of a batch answered ${answer.status}.`)
    return Number(await answer.text())
  }
  const telling = new Set<Promise<unknown>>()
  const inner: Notifier = {
    publish(batchId, notice) {
      // One that meets an object that is just being ended is lost, as any may be.
      const told: Promise<unknown> = tell(batchId, [notice])
        .catch(() => {})
        .finally(() => telling.delete(told))
      telling.add(told)
    },
    subscribe: () => () => {},
  }
  const notifier = options.notifier?.(inner) ?? inner
  return {
    url: url.origin,
    db,
    notifier,
    writer: new EventWriter(db, notifier),
    streamUrl: (batchId) => `${url.origin}/api/batch/${batchId}/stream`,
    async held(batchIds) {
      const counts = await Promise.all(batchIds.map((batchId) => tell(batchId, [])))
      return counts.reduce((sum, one) => sum + one, 0)
    },
    async upset(batchId) {
      const webSockets = Math.random() < 0.5 ? 'close' : 'hibernate'
      await server
        .unsafeEvictDurableObject('', 'MillraceBatch', { name: batchId, webSockets })
        .catch((error: unknown) => {
          // One that has ended by itself is as good.
          if (!/not currently running/.test(String(error))) throw error
        })
    },
    async close() {
      await Promise.all(telling)
      await server.dispose()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
