/** A server to be followed: the whole app on a real port and a database file of its own, and a pen that writes its event log. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { getRequestListener } from '@hono/node-server'
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { createApp } from '../../src/app.ts'
import { createFsBlobStore } from '../../src/drivers/blob-fs.ts'
import { openLibsql } from '../../src/drivers/db-libsql.ts'
import { createLocalDispatcher } from '../../src/drivers/dispatch-local.ts'
import { createMemoryNotifier } from '../../src/drivers/notify-memory.ts'
import { openNodeSink } from '../../src/drivers/sink-node.ts'
import { Meter } from '../../src/engine/meter.ts'
import { Hub } from '../../src/live/hub.ts'
import { echo } from '../../src/operations/echo.ts'
import type { Database, Notifier } from '../../src/ports.ts'
import { ChunkStore } from '../../src/reads/chunk-store.ts'
import { CHUNK_PREFIXES } from '../../src/reads/chunks.ts'
import { batches } from '../../src/schema/batches.ts'
import { MIGRATIONS } from '../engine/home.ts'
import { quietLog } from '../engine/rig.ts'

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
  const app = createApp({
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
    auth: { mode: 'open', apiKey: null, jwtSecret: null, signingKey: 'k'.repeat(32), corsOrigins: [], publicHosts: [] },
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

/** Writes event logs as the engine does: an event, or several, and the batch's numbers in one commit, then a notice. */
export class Pen {
  readonly #db: Database
  readonly #notifier: Notifier

  constructor(db: Database, notifier: Notifier) {
    this.#db = db
    this.#notifier = notifier
  }

  /** A batch of one job that runs, with its first event. */
  async begin(): Promise<string> {
    const id = uuidv7()
    const row = { id, owner: 'local', operation: echo.name, status: 'processing' as const, input: {}, total: 1 }
    await this.#db.insert(batches).values({ ...row, facts: {}, tallies: {}, createdAt: Date.now() })
    await this.write(id, 1, { type: 'batch_started' })
    return id
  }

  /** Writes `count` events. Their `n` is their number. */
  async write(
    batchId: string,
    count: number,
    event: { type?: 'batch_started' | 'job_completed' | 'batch_completed'; filler?: string } = {},
  ): Promise<void> {
    const { type = 'job_completed', filler = '' } = event
    const numbers = JSON.stringify(Array.from({ length: count }, (_, index) => index + 1))
    const finishedAt = type === 'batch_completed' ? Date.now() : null
    const [rows] = await this.#db.batch([
      this.#db.all<{ last_seq: number }>(sql`SELECT last_seq FROM batches WHERE id = ${batchId}`),
      this.#db.run(sql`
        INSERT INTO events (batch_id, seq, type, at, data)
        SELECT b.id, b.last_seq + n.value, ${type}, ${Date.now()}, json_object('n', b.last_seq + n.value, 'filler', ${filler})
        FROM json_each(${numbers}) n, batches b WHERE b.id = ${batchId}`),
      this.#db.run(sql`
        UPDATE batches SET last_seq = last_seq + ${count}, finished_at = ${finishedAt},
          status = ${finishedAt === null ? 'processing' : 'completed'} WHERE id = ${batchId}`),
    ])
    this.#notifier.publish(batchId, { seq: (rows[0]?.last_seq ?? 0) + count })
  }

  /** Ends the batch. */
  finish(batchId: string): Promise<void> {
    return this.write(batchId, 1, { type: 'batch_completed' })
  }

  /** Replaces what was written from a number on by a new start, as a retry does. */
  async retry(batchId: string, from: number): Promise<void> {
    await this.#db.run(
      sql`UPDATE events SET superseded_at = ${Date.now()} WHERE batch_id = ${batchId} AND seq >= ${from}`,
    )
    await this.write(batchId, 1, { type: 'batch_started' })
  }
}
