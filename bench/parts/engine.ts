/** An engine on a file of its own, with a no-op operation and nothing else: what is measured is the engine. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createFsBlobStore } from '../../src/drivers/blob-fs.ts'
import { openLibsql } from '../../src/drivers/db-libsql.ts'
import { createLocalDispatcher } from '../../src/drivers/dispatch-local.ts'
import { createNodeFetcher } from '../../src/drivers/fetch-node.ts'
import { createMemoryNotifier } from '../../src/drivers/notify-memory.ts'
import { Meter } from '../../src/engine/meter.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { Worker } from '../../src/engine/worker/worker.ts'
import { WORKER_TIMES } from '../../src/engine/worker/worker-options.ts'
import { echo } from '../../src/features/echo/operation.ts'
import type { Operation } from '../../src/operation.ts'

const MIGRATIONS = join(import.meta.dirname, '..', '..', 'drizzle')

/** Does nothing. */
const noop: Operation = {
  ...echo,
  name: 'no-op',
  plan: (request) => {
    const items = typeof request === 'object' && request !== null && 'items' in request ? request.items : []
    return { input: {}, facts: {}, jobs: Array.isArray(items) ? items.map((input: unknown) => ({ input })) : [] }
  },
  run: async () => ({ result: null, summary: {}, tallies: {} }),
}

/**
 * Opens one, with the drivers and times of a server.
 * @param shared a folder that others may use too, and that stays; by default one of its own
 */
export async function openEngine(shared?: string) {
  const folder = shared ?? (await mkdtemp(join(tmpdir(), 'millrace-bench-')))
  const file = join(folder, 'millrace.db')
  const { db, close } = await openLibsql(pathToFileURL(file).href, { migrations: MIGRATIONS })
  const complain = (fields: object, message: string) => console.error(message, fields)
  const deps = {
    db,
    clock: { now: Date.now },
    log: { info: () => {}, warn: complain, error: complain },
    operations: { [noop.name]: noop },
    meter: new Meter(),
    dispatcher: createLocalDispatcher(),
    notifier: createMemoryNotifier(),
    blobs: createFsBlobStore(join(folder, 'blobs')),
    fetcher: createNodeFetcher({ allowPrivate: false }),
    compute: {
      documentCpuMs: 60_000,
      run: () => Promise.reject(new Error('a no-op computes nothing')),
      withSlot: <T>(work: () => Promise<T>) => work(),
    },
  }
  let worker: Worker | null = null
  return {
    ...deps,
    file,
    submit: (items: readonly unknown[]) => submit(deps, { owner: 'bench', operation: noop, request: { items } }),
    async work(concurrency: number): Promise<void> {
      const identity = { id: randomUUID(), host: 'bench', pid: process.pid }
      worker = new Worker(deps, { ...identity, ...WORKER_TIMES, concurrency, keepMs: 1e12 })
      await worker.start()
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await worker?.stop(0)
      close()
      if (shared === undefined) await rm(folder, { recursive: true })
    },
  }
}
