/** A server to be followed on Node: the whole app in this process, on a real port and a database file of its own, and a writer that writes its event log. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createApp } from '../../src/app.ts'
import { createFsBlobStore } from '../../src/drivers/blob-fs.ts'
import { openLibsql } from '../../src/drivers/db-libsql.ts'
import { createLocalDispatcher } from '../../src/drivers/dispatch-local.ts'
import { createNodeFetcher } from '../../src/drivers/fetch-node.ts'
import { listen } from '../../src/drivers/listen-node.ts'
import { createMemoryNotifier } from '../../src/drivers/notify-memory.ts'
import { openNodeSink } from '../../src/drivers/sink-node.ts'
import { openNodeSocket } from '../../src/drivers/socket-node.ts'
import { Meter } from '../../src/engine/meter.ts'
import { ChunkStore } from '../../src/features/chunks/chunk-store.ts'
import { CHUNK_PREFIXES } from '../../src/features/chunks/chunks.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { Hub } from '../../src/live/hub.ts'
import type { Compute, Notifier } from '../../src/ports.ts'
import { surfaces } from '../../src/surfaces.ts'
import { EventWriter } from './event-writer.ts'
import { quietLog } from './fixture.ts'
import { copyTemplateDatabase, MIGRATIONS } from './platform.ts'

/** No document is read here. */
const NO_COMPUTE: Compute = {
  documentCpuMs: 60_000,
  withSlot: (work) => work(),
  run: () => Promise.reject(new Error('nothing is computed in these tests')),
}

/** What a server under test may differ in. */
export interface LiveOptions {
  /** Stands between the writer and the hub. */
  readonly notifier?: (inner: Notifier) => Notifier
  readonly maxStreams?: number
}

/** Starts a server. */
export async function openLive(options: LiveOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-live-'))
  await copyTemplateDatabase(folder)
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
    openSocket: openNodeSocket,
    compute: NO_COMPUTE,
    fetcher: createNodeFetcher({ allowPrivate: false }),
    maxUploadBytes: 1024 * 1024,
    chunks: { source: new ChunkStore({ db, clock }), prefixes: CHUNK_PREFIXES },
    auth: { mode: 'open', apiKey: null, jwtSecret: null, signingKey: 'k'.repeat(32), corsOrigins: [] },
  })
  const [server] = await listen({
    host: '127.0.0.1',
    ports: [0],
    portsGiven: true,
    fetch: (request, binding) => app.fetch(request, Object(binding)),
    body: (error, path) => surfaces.errorsOf(path ?? '/').body(error),
    isSocket: (path) => surfaces.isSocket(path),
  })
  const address = server?.address()
  if (server === undefined || typeof address !== 'object' || address === null) throw new Error('nothing listens')
  const url = `http://127.0.0.1:${address.port}`
  return {
    app,
    db,
    hub,
    notifier,
    log,
    url,
    writer: new EventWriter(db, notifier),
    streamUrl: (batchId: string) => `${url}/api/batch/${batchId}/stream`,
    held: async () => hub.streams + hub.watched,
    // A process is there or not; that it ends is for test/node/crash.slow.test.ts.
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
