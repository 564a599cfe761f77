/** A server to be followed on Node: the whole app in this process, on a real port and a database file of its own, and a pen that writes its event log. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { getRequestListener } from '@hono/node-server'
import { createApp } from '../../src/app.ts'
import { createFsBlobStore } from '../../src/drivers/blob-fs.ts'
import { openLibsql } from '../../src/drivers/db-libsql.ts'
import { createLocalDispatcher } from '../../src/drivers/dispatch-local.ts'
import { createMemoryNotifier } from '../../src/drivers/notify-memory.ts'
import { openNodeSink } from '../../src/drivers/sink-node.ts'
import { Meter } from '../../src/engine/meter.ts'
import { ChunkStore } from '../../src/features/chunks/chunk-store.ts'
import { CHUNK_PREFIXES } from '../../src/features/chunks/chunks.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { Hub } from '../../src/live/hub.ts'
import type { Notifier } from '../../src/ports.ts'
import { MIGRATIONS } from '../engine/home.ts'
import { quietLog } from '../engine/rig.ts'
import { Pen } from './pen.ts'

/** What a server under test may differ in. */
export interface LiveOptions {
  /** Stands between the pen and the hub. */
  readonly notifier?: (inner: Notifier) => Notifier
  readonly maxStreams?: number
}

/** Starts a server. */
export async function openLive(options: LiveOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-live-'))
  const { db, close } = await openLibsql(pathToFileURL(join(folder, 'millrace.db')).href, { migrations: MIGRATIONS })
  const operations = { [echo.name]: echo }
  const memory = createMemoryNotifier()
  const notifier = options.notifier?.(memory) ?? memory
  const log = quietLog()
  const clock = { now: Date.now }
  const hub = new Hub(
    { db, notifier, operations, log },
    options.maxStreams === undefined ? {} : { maxStreams: options.maxStreams },
  )
  const app = await createApp({
    db,
    clock,
    notifier,
    operations,
    hub,
    meter: new Meter(),
    log,
    blobs: createFsBlobStore(join(folder, 'blobs')),
    dispatcher: createLocalDispatcher(),
    openSink: openNodeSink,
    chunks: { source: new ChunkStore({ db, clock }), prefixes: CHUNK_PREFIXES },
    auth: { mode: 'open', apiKey: null, jwtSecret: null, signingKey: 'k'.repeat(32), corsOrigins: [] },
  })
  const server = createServer(getRequestListener(app.fetch))
  const url = await listen(server)
  return {
    app,
    db,
    hub,
    notifier,
    log,
    url,
    pen: new Pen(db, notifier),
    streamUrl: (batchId: string) => `${url}/api/batch/${batchId}/stream`,
    held: async () => hub.streams + hub.watched,
    // A process is there or not; that it ends is for test/server/crash.test.ts.
    upset: async () => {},
    async close() {
      hub.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      close()
      await rm(folder, { recursive: true })
    },
  }
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (typeof address === 'object' && address !== null) resolve(`http://127.0.0.1:${address.port}`)
    })
  })
}
