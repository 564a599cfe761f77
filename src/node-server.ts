/** Everything a Node server does beside listening: its database, its worker, its streams and its app. */
import { randomUUID } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createApp } from './app.ts'
import type { Config } from './config.ts'
import { createNodeAssets } from './drivers/assets-node.ts'
import { createFsBlobStore } from './drivers/blob-fs.ts'
import { createProcessCompute } from './drivers/compute-processes.ts'
import { openDisk, warnOfSharedFiles } from './drivers/data-files.ts'
import { openDatabase } from './drivers/data-folder.ts'
import { nameBadText } from './drivers/db-libsql-text.ts'
import { createLocalDispatcher } from './drivers/dispatch-local.ts'
import { createLookup } from './drivers/dns-lookup.ts'
import { createLazyFetcher } from './drivers/fetch-lazy.ts'
import { COMPUTE_CODE, COMPUTE_TASKS } from './drivers/files-node.ts'
import { createMemoryNotifier } from './drivers/notify-memory.ts'
import { nodePeerAddress } from './drivers/peer-node.ts'
import { isProcessAlive, processHost } from './drivers/process-node.ts'
import { watchDisk } from './engine/disk-watch.ts'
import { Meter } from './engine/meter.ts'
import { StorageQuota } from './engine/storage-quota.ts'
import { type RecoveryDeps, recoverOrphanedJobs } from './engine/worker/recover-orphaned-jobs.ts'
import { Worker } from './engine/worker/worker.ts'
import { WORKER_TIMES } from './engine/worker/worker-options.ts'
import type { Redactor } from './formats/redact.ts'
import { loadSigningKey } from './http/auth/secrets.ts'
import type { AppDeps } from './http/context.ts'
import { Hub } from './live/hub.ts'
import { operations } from './operations.ts'
import type { Clock } from './ports.ts'
import { appSettings } from './settings.ts'

const clock: Clock = { now: Date.now }
const DAY_MS = 24 * 60 * 60 * 1_000
/** Resident memory a process that reads documents may use: room for the largest upload, held twice while pdf.js opens it. */
const COMPUTE_MEMORY_MB = 512
/** Time that a trace collector has to take the last traces when the server is asked to stop, in milliseconds. */
const TRACES_MS = 2_000

/** A server that works. */
export interface RunningServer {
  readonly fetch: (request: Request, binding: unknown) => Response | Promise<Response>
  /**
   * Ends streams, hands back what runs for longer than `ms`, and closes the database.
   * @param drained resolves when no request is under way any more
   */
  stop(ms: number, drained: Promise<unknown>): Promise<void>
}

/** Takes back jobs of processes that were killed, without keeping the start waiting. @returns a function that ends it */
function recoverInBackground(deps: RecoveryDeps, identity: { id: string; host: string }): () => Promise<void> {
  const ending = new AbortController()
  const options = { ...identity, isAlive: isProcessAlive, signal: ending.signal }
  const recovered = recoverOrphanedJobs(deps, options).catch((error: unknown) =>
    deps.log.error({ err: error }, 'taking back jobs of processes that are gone failed; their leases will run out'),
  )
  return async () => {
    ending.abort()
    await recovered
  }
}

const openCompute = (config: Config) =>
  createProcessCompute({
    tasks: COMPUTE_TASKS,
    code: COMPUTE_CODE,
    processes: availableParallelism(),
    memoryMb: COMPUTE_MEMORY_MB,
    // A dense sheet of 500 pages takes some 8 s.
    cpuSeconds: config.maxDocumentCpuSeconds,
  })

/** Dependencies that the HTTP listener gives the server. */
export interface ServerDeps extends Required<Pick<AppDeps, 'log' | 'connections' | 'openSink' | 'abortResponse'>> {
  /** Learns the secrets that the database holds. */
  readonly secrets: Redactor
}

/** Opens the database, takes over what processes that are gone held, and starts the worker. */
export async function openServer(config: Config, deps: ServerDeps): Promise<RunningServer> {
  const { log, secrets, connections, openSink, abortResponse } = deps
  const { db, close } = await openDatabase(config, nameBadText(log))
  await warnOfSharedFiles(config, log)
  const disk = openDisk(config)
  const blobs = createFsBlobStore(join(config.dataDir, 'blobs'))
  const fetcher = createLazyFetcher(async () => {
    const { createNodeFetcher } = await import('./drivers/fetch-node.ts')
    return createNodeFetcher({
      allowPrivate: config.allowPrivateUrls,
      lookup: createLookup({ servers: config.dnsServers }),
      perOwner: config.maxFetchesPerOwner,
    })
  })
  // Loaded only where it is asked for.
  const tracing = config.tracing ? (await import('./drivers/trace-otlp.ts')).createOtlpTracing(log) : null
  const compute = openCompute(config)
  const ports = {
    db,
    clock,
    blobs,
    fetcher,
    compute,
    log,
    meter: new Meter(),
    quota: new StorageQuota(db, config.maxBytesPerOwner),
    dispatcher: createLocalDispatcher(),
    notifier: createMemoryNotifier(),
  }
  const identity = { id: randomUUID(), host: processHost(), pid: process.pid }
  const worker = new Worker(
    { ...ports, operations, ...(tracing === null ? {} : { onAttempt: tracing.onAttempt }) },
    {
      ...identity,
      ...WORKER_TIMES,
      concurrency: config.concurrency,
      reserve: config.concurrencyReserve,
      keepMs: config.retentionDays * DAY_MS,
    },
  )
  const hub = new Hub(
    { ...ports, operations },
    { maxStreams: config.maxStreams, maxPerOwner: config.maxStreamsPerOwner },
  )
  const signingKey = config.signingKey ?? (await loadSigningKey(db))
  secrets.add(signingKey)
  const app = await createApp({
    ...ports,
    connections,
    operations,
    hub,
    openSink,
    abortResponse,
    ...(tracing === null ? {} : { traceRequests: tracing.requests }),
    assets: createNodeAssets(),
    peerAddress: nodePeerAddress,
    disk,
    limits: { perHour: config.rateLimits, blocks: true },
    ...appSettings(config, { db, clock, signingKey }),
  })
  await worker.start()
  const endRecovery = recoverInBackground(ports, identity)
  const stopWatching = watchDisk(disk, config.lowDiskBytes, log)
  return {
    fetch: (request, binding) => app.fetch(request, binding),
    async stop(ms, drained) {
      stopWatching()
      hub.close()
      await Promise.all([worker.stop(ms), drained, endRecovery()])
      await compute.close()
      await tracing?.close(TRACES_MS)
      close()
    },
  }
}
