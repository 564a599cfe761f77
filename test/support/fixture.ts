/** An engine on a database of its own, for tests: real parts, a clock that tests may turn. */
import { createLocalDispatcher } from '../../src/drivers/dispatch-local.ts'
import { createMemoryNotifier } from '../../src/drivers/notify-memory.ts'
import { Meter } from '../../src/engine/meter.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { Worker } from '../../src/engine/worker/worker.ts'
import type { WorkerDeps, WorkerOptions } from '../../src/engine/worker/worker-options.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { type PublicEvent, readPage } from '../../src/live/event-log.ts'
import type { Operation } from '../../src/operation.ts'
import type { Clock, Compute, Database, Log } from '../../src/ports.ts'
import { openPlatform } from './platform.ts'

export { until } from './until.ts'

/** Says what goes wrong only when a test asks; kept so that tests can look at it. */
export function quietLog(): Log & { lines: string[] } {
  const lines: string[] = []
  const say = (fields: Readonly<Record<string, unknown>>, message: string) => {
    lines.push(`${message} ${String(fields.err ?? '')}`)
  }
  return { lines, info: say, warn: say, error: say }
}

/** A clock that stands at real time, moved forward by hand. */
export function turnableClock(): Clock & { advance(ms: number): void } {
  let ahead = 0
  return {
    now: () => Date.now() + ahead,
    advance(ms) {
      ahead += ms
    },
  }
}

const noCompute: Compute = {
  documentCpuMs: 60_000,
  run: () => Promise.reject(new Error('the operations of these tests compute nothing')),
  withSlot: (work) => work(),
}

/** Opens an engine in a platform of its own. */
export async function openEngine(
  options: {
    folder?: string
    operations?: readonly Operation[]
    allowPrivate?: boolean
    compute?: Compute
    /** Puts something between the engine and its database. */
    wrapDatabase?: (db: Database) => Database
  } = {},
) {
  const { db: opened, blobs, fetcher, folder, close } = await openPlatform(options)
  const db = options.wrapDatabase?.(opened) ?? opened
  const operations = Object.fromEntries([echo, ...(options.operations ?? [])].map((one) => [one.name, one]))
  const clock = turnableClock()
  const log = quietLog()
  const deps: WorkerDeps = {
    db,
    clock,
    log,
    operations,
    meter: new Meter(),
    dispatcher: createLocalDispatcher(),
    notifier: createMemoryNotifier(),
    blobs,
    fetcher,
    compute: options.compute ?? noCompute,
  }
  const workers: Worker[] = []
  return {
    ...deps,
    clock,
    log,
    folder,
    /** Submits items to an operation, `echo` unless another is named. */
    submit: (items: readonly unknown[], as: { owner?: string; operation?: Operation } = {}) =>
      submit(deps, { owner: as.owner ?? 'me', operation: as.operation ?? echo, request: { items } }),
    /** The whole log of a batch, as clients get it. */
    async eventsOf(id: string): Promise<PublicEvent[]> {
      const events: PublicEvent[] = []
      for (let after = 0; ; ) {
        const page = await readPage(db, { operations }, { id, operation: 'echo' }, after)
        events.push(...(page?.events ?? []))
        if (page === null || page.complete) return events
        after = page.end
      }
    },
    async work(turned: Partial<WorkerOptions> = {}): Promise<Worker> {
      const identity = { id: crypto.randomUUID(), host: 'test', pid: process.pid }
      const worker = new Worker(deps, {
        ...identity,
        concurrency: 8,
        leaseMs: 2_000,
        beatMs: 50,
        sweepMs: 50,
        keepMs: 30 * 86_400_000,
        retentionMs: 50,
        ...turned,
      })
      workers.push(worker)
      await worker.start()
      return worker
    },
    async close(): Promise<void> {
      await Promise.all(workers.map((worker) => worker.stop(0)))
      await close()
    },
  }
}
