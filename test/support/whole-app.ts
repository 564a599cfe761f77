/** The whole app in this process: on a real port, a database file and a folder of its own, with a worker, for tests that stand between its parts. */
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { sign } from 'hono/jwt'
import { createApp } from '../../src/app.ts'
import { createNodeAssets } from '../../src/drivers/assets-node.ts'
import { createInlineCompute } from '../../src/drivers/compute-inline.ts'
import { createLocalDispatcher } from '../../src/drivers/dispatch-local.ts'
import { createMemoryNotifier } from '../../src/drivers/notify-memory.ts'
import { openNodeSink } from '../../src/drivers/sink-node.ts'
import { openNodeSocket } from '../../src/drivers/socket-node.ts'
import { Meter } from '../../src/engine/meter.ts'
import { Worker } from '../../src/engine/worker/worker.ts'
import { ChunkStore } from '../../src/features/chunks/chunk-store.ts'
import { CHUNK_PREFIXES } from '../../src/features/chunks/chunks.ts'
import type { AppDeps } from '../../src/http/context.ts'
import { Hub } from '../../src/live/hub.ts'
import { computeTasks } from '../../src/node-tasks.ts'
import { createOperations } from '../../src/operations.ts'
import type { Database } from '../../src/ports.ts'
import { listen } from '../client/proxy.ts'
import { senderTo } from '../http/openapi/send.ts'
import type { Send } from '../http/openapi/world.ts'
import { counted } from './counting-database.ts'
import { quietLog } from './fixture.ts'
import { openPlatform } from './platform.ts'

const operations = createOperations()

const SECRET = 'a secret for the tests of the whole app'

const AUTH: AppDeps['auth'] = {
  mode: 'keys',
  apiKey: null,
  jwtSecret: SECRET,
  signingKey: 'k'.repeat(32),
  corsOrigins: ['https://app.example.com'],
}
const TIMES = { leaseMs: 15_000, beatMs: 1_000, sweepMs: 100, keepMs: 1e12, retentionMs: 1e6 }

/** Starts it, wanting keys. @param wrapDatabase puts something between its routes and its database */
export async function openWholeApp(wrapDatabase = (db: Database) => db) {
  const platform = await openPlatform({ allowPrivate: true })
  const { db, calls } = counted(wrapDatabase(platform.db))
  const clock = { now: Date.now }
  const log = quietLog()
  const notifier = createMemoryNotifier()
  const dispatcher = createLocalDispatcher()
  const compute = createInlineCompute(computeTasks)
  const hub = new Hub({ db, notifier, operations, log })
  const ports = {
    clock,
    log,
    notifier,
    dispatcher,
    operations,
    compute,
    blobs: platform.blobs,
    fetcher: platform.fetcher,
  }
  const app = await createApp({
    ...ports,
    db,
    hub,
    meter: new Meter(),
    openSink: openNodeSink,
    openSocket: openNodeSocket,
    assets: createNodeAssets(),
    chunks: { source: new ChunkStore({ db, clock }), prefixes: CHUNK_PREFIXES },
    auth: AUTH,
    allowCleanup: true,
    maxUploadBytes: 64 * 1024 * 1024,
  })
  // Its statements are not those of requests: it works on the database itself.
  const worker = new Worker(
    { ...ports, db: platform.db, meter: new Meter() },
    { id: 'w', host: 'test', pid: process.pid, concurrency: 4, ...TIMES },
  )
  await worker.start()
  const server = createServer(getRequestListener(app.fetch))
  const url = await listen(server)
  let closed: Promise<void> | undefined
  const closeDatabase = () => {
    closed ??= worker.stop(0).then(() => platform.close())
    return closed
  }
  return {
    app,
    log,
    url,
    statements: calls,
    /** Calls of an owner, with a token that may do everything. */
    async as(owner: string): Promise<Send> {
      const token = await sign({ sub: owner, scope: '*', exp: 9_999_999_999 }, SECRET, 'HS256')
      return senderTo({ fetch: (path, init) => fetch(new URL(path, url), init) }, token)
    },
    /** Ends the worker and the database: from now on every statement fails. */
    closeDatabase,
    async close() {
      hub.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await closeDatabase()
    },
  }
}
