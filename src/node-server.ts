/** Everything a Node server does beside listening: its database, its worker, its streams and its app. */

import { randomUUID } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createApp } from './app.ts'
import { basePathOf, type Config, ConfigError } from './config.ts'
import { createNodeAssets } from './drivers/assets-node.ts'
import { createFsBlobStore } from './drivers/blob-fs.ts'
import { createProcessCompute } from './drivers/compute-processes.ts'
import { createSplitCompute } from './drivers/compute-split.ts'
import { openDisk, warnOfSharedFiles } from './drivers/data-files.ts'
import { openDatabase } from './drivers/data-folder.ts'
import { nameBadText } from './drivers/db-libsql-text.ts'
import { createFfmpegDecoder } from './drivers/decode-ffmpeg.ts'
import { createLocalDispatcher } from './drivers/dispatch-local.ts'
import { createLookup } from './drivers/dns-lookup.ts'
import { createLazyFetcher } from './drivers/fetch-lazy.ts'
import { COMPUTE_CODE, COMPUTE_TASKS, isSpeechInstalled } from './drivers/files-node.ts'
import { createOpenAiLanguageModel } from './drivers/language-model-openai.ts'
import { createMemoryNotifier } from './drivers/notify-memory.ts'
import { nodePeerAddress } from './drivers/peer-node.ts'
import { judgeProcess, processHost } from './drivers/process-node.ts'
import { createOpenAiTranscriber } from './drivers/transcribe-openai.ts'
import { observeTime } from './engine/database-time.ts'
import { watchDisk } from './engine/disk-watch.ts'
import { Meter } from './engine/meter.ts'
import { pollDue } from './engine/poll-due.ts'
import { StorageQuota } from './engine/storage-quota.ts'
import { type RecoveryDeps, recoverOrphanedJobs } from './engine/worker/recover-orphaned-jobs.ts'
import { Worker } from './engine/worker/worker.ts'
import { WORKER_TIMES } from './engine/worker/worker-options.ts'
import { runDueSyncs } from './features/rag/channels/sync-run.ts'
import { runDueSchedules } from './features/schedules/run.ts'
import { configuredOperations } from './features/workers/configured.ts'
import type { Redactor } from './formats/redact.ts'
import { hasKeyInForce } from './http/auth/keys.ts'
import { loadSigningKey } from './http/auth/secrets.ts'
import type { AppDeps } from './http/context.ts'
import { Hub } from './live/hub.ts'
import type { MediaLister } from './media-ports.ts'
import type { Operation } from './operation.ts'
import { createOperations } from './operations.ts'
import type { Clock, Database, Fetcher } from './ports.ts'
import { createRunner, createSyncRunner } from './scheduler.ts'
import { appSettings } from './settings.ts'

const clock: Clock = { now: Date.now }
const DAY_MS = 24 * 60 * 60 * 1_000
/** Resident memory a process that reads documents may use: room for two copies of the largest upload, as pdf.js needs while it opens one. */
const COMPUTE_MEMORY_MB = 512
/** Processes that recognise speech: each occupies some 600 MB as long as it runs, and has the model loaded for the next piece. */
const SPEECH_PROCESSES = { processes: 2, spare: 1, memoryMb: 1_024, keptMb: 800, endsIdle: true }
/** CPU time that a piece of speech may take: some 4 s, and at the first 3 s more to load the model. */
const MIN_PIECE_CPU_SECONDS = 60
/** Time that a trace collector has to take the last traces when the server is asked to stop, in milliseconds. */
const TRACES_MS = 2_000

/** A server that works. */
export interface RunningServer {
  /** Parts that its routes are made of. */
  readonly deps: AppDeps
  readonly fetch: (request: Request, binding: unknown) => Response | Promise<Response>
  /**
   * Ends streams, releases jobs that still run after `ms`, and closes the database.
   * @param drained resolves when no request is in flight any more
   */
  stop(ms: number, drained: Promise<unknown>): Promise<void>
}

/** Takes back jobs of processes that were killed, without keeping the start waiting. @returns a function that ends it */
function recoverInBackground(deps: RecoveryDeps, identity: { id: string; host: string }): () => Promise<void> {
  const ending = new AbortController()
  const options = { ...identity, judge: judgeProcess, signal: ending.signal }
  const recovered = recoverOrphanedJobs(deps, options).catch((error: unknown) =>
    deps.log.error({ err: error }, 'taking back jobs of processes that are gone failed; their leases will run out'),
  )
  return async () => {
    ending.abort()
    await recovered
  }
}

/** Opens the pools of child processes; none of them runs yet. */
function openCompute({ maxDocumentCpuSeconds }: Config) {
  const options = { tasks: COMPUTE_TASKS, code: COMPUTE_CODE, processes: availableParallelism() }
  return createSplitCompute(
    createProcessCompute({
      ...options,
      memoryMb: COMPUTE_MEMORY_MB,
      // A dense sheet of 500 pages takes some 8 s.
      cpuSeconds: maxDocumentCpuSeconds,
    }),
    createProcessCompute({
      ...options,
      ...SPEECH_PROCESSES,
      processes: Math.min(options.processes, SPEECH_PROCESSES.processes),
      cpuSeconds: Math.max(maxDocumentCpuSeconds, MIN_PIECE_CPU_SECONDS),
    }),
    (task) => task === 'rag.transcribe',
  )
}

/** Logs how to make the first key where no key is in force, so that no caller could be authenticated. */
async function warnOfNoKeys(config: Config, deps: Parameters<typeof hasKeyInForce>[0], log: ServerDeps['log']) {
  const { auth, apiKey, jwtSecret, jwksUrl } = config
  if (auth === 'open' || apiKey !== null || jwtSecret !== null || jwksUrl !== null) return
  if (await hasKeyInForce(deps)) return
  log.warn(
    { event: 'keys.none', host: config.host },
    'no key exists yet, so nobody can call this server: "npm run keys create OWNER" makes one',
  )
}

/** Dependencies that the HTTP entry provides to the server. */
export interface ServerDeps
  extends Pick<AppDeps, 'log' | 'connections' | 'openSink' | 'openSocket' | 'abortResponse' | 'readProcess'> {
  /** Learns the secrets that the database holds. */
  readonly secrets: Redactor
  /** Operations beside those that are built in. */
  readonly operations?: readonly Operation[]
}

/** Opens the ports of a server on one machine, beside Compute and the log. */
async function openPorts(config: Config, db: Database) {
  return {
    db,
    clock,
    blobs: createFsBlobStore(join(config.dataDir, 'blobs')),
    fetcher: openFetcher(config),
    speech: {
      transcriber: config.transcription && createOpenAiTranscriber(config.transcription),
      decoder: createFfmpegDecoder({ program: config.ffmpegPath }),
      local: { isInstalled: isSpeechInstalled },
    },
    languageModel: config.languageModel && createOpenAiLanguageModel(config.languageModel),
    vectors: { settings: config.vectors, fetcher: openFetcher({ ...config, allowPrivateUrls: true }), ai: null },
    media: await openMediaLister(config),
    meter: new Meter(),
    quota: new StorageQuota(db, config.maxBytesPerOwner),
    dispatcher: createLocalDispatcher(),
    notifier: createMemoryNotifier(),
  }
}

/** Opens the guarded Fetcher, whose code is loaded at its first request. */
function openFetcher(config: Config): Fetcher {
  return createLazyFetcher(async () => {
    const { createNodeFetcher } = await import('./drivers/fetch-node.ts')
    return createNodeFetcher({ ...guardOf(config), perOwner: config.maxFetchesPerOwner })
  })
}

/** Rules for the addresses that callers' URLs may lead to. */
const guardOf = (config: Config) => ({
  allowPrivate: config.allowPrivateUrls,
  lookup: createLookup({ servers: config.dnsServers }),
})

/**
 * Makes what lists channels; its code is loaded where it is configured alone.
 * @throws ConfigError where there is no such program
 */
async function openMediaLister(config: Config): Promise<MediaLister | null> {
  const { ytDlpPath } = config
  if (ytDlpPath === null) return null
  const { createYtDlp, findProgram } = await import('./drivers/media-yt-dlp.ts')
  const path = findProgram(ytDlpPath)
  if (path !== null) return createYtDlp({ path, guard: guardOf(config) })
  throw new ConfigError(`YT_DLP_PATH=${ytDlpPath} is no program that may be run: it should be the path of yt-dlp.`)
}

/** Options of the worker that the operator configures. */
const configuredWorker = (config: Config) => ({
  concurrency: config.concurrency,
  reserve: config.concurrencyReserve,
  keepMs: config.retentionDays * DAY_MS,
})

/** Begins schedules and syncs at their times. @returns a function that ends it */
function pollWork(
  deps: Parameters<typeof createRunner>[0] & Parameters<typeof createSyncRunner>[0],
  limits: Parameters<typeof createRunner>[1],
): () => Promise<void> {
  const runner = createRunner(deps, limits)
  const syncs = createSyncRunner(deps, limits)
  // Apart, because listing a channel takes time.
  const stops = [
    pollDue(deps, 'schedules', (goOn) => runDueSchedules(runner, goOn)),
    pollDue(deps, 'syncs', (goOn) => runDueSyncs(syncs, goOn)),
  ]
  return async () => {
    await Promise.all(stops.map((stop) => stop()))
  }
}

/** Opens the database, recovers jobs leased by processes that have ended, and starts the worker. */
export async function openServer(config: Config, deps: ServerDeps): Promise<RunningServer> {
  const { log, secrets, operations: own = [], ...http } = deps
  const { db, close } = await openDatabase(config, nameBadText(log))
  await warnOfSharedFiles(config, log)
  const disk = openDisk(config)
  // Loaded only where tracing is configured.
  const tracing = config.tracing ? (await import('./drivers/trace-otlp.ts')).createOtlpTracing(log) : null
  const compute = openCompute(config)
  const ports = { ...(await openPorts(config, db)), compute, log }
  const basePath = basePathOf(config.publicUrl)
  const signingKey = config.signingKey ?? (await loadSigningKey(db))
  secrets.add(signingKey)
  const operations = createOperations(basePath, [...own, ...configuredOperations(config.operations)], {
    signingKey: () => Promise.resolve(signingKey),
    publicUrl: config.publicUrl,
    callsPerHost: config.maxCallsPerHost,
  })
  const identity = { id: randomUUID(), host: processHost(), pid: process.pid }
  const worker = new Worker(
    { ...ports, operations, ...(tracing === null ? {} : { onAttempt: tracing.onAttempt }) },
    { ...identity, ...WORKER_TIMES, ...configuredWorker(config) },
  )
  const hub = new Hub(
    { ...ports, operations, basePath },
    { maxStreams: config.maxStreams, maxPerOwner: config.maxStreamsPerOwner },
  )
  const stopping = new AbortController()
  const appDeps: AppDeps = {
    ...ports,
    ...http,
    operations,
    hub,
    ...(tracing === null ? {} : { traceRequests: tracing.requests }),
    assets: createNodeAssets(),
    peerAddress: nodePeerAddress,
    disk,
    stopping: stopping.signal,
    limits: { perHour: config.rateLimits, blocks: true },
    ...appSettings(config, { db, clock, compute, signingKey }),
  }
  const app = await createApp(appDeps)
  // Before anything is made by a clock that jumped while the server was off: the sweep that looks next comes a minute later.
  await observeTime(ports, config.retentionDays * DAY_MS)
  await warnOfNoKeys(config, { db, clock }, log)
  await worker.start()
  const endRecovery = recoverInBackground(ports, identity)
  const stopPolling = pollWork({ ...ports, operations }, { perHour: config.rateLimits, blocks: true })
  const stopWatching = watchDisk(disk, config.lowDiskBytes, log)
  return {
    deps: appDeps,
    fetch: (request, binding) => app.fetch(request, binding),
    async stop(ms, drained) {
      stopWatching()
      hub.close()
      stopping.abort()
      await Promise.all([worker.stop(ms), drained, endRecovery(), stopPolling()])
      await compute.close()
      await tracing?.close(TRACES_MS)
      close()
    },
  }
}
