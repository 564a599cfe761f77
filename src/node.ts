/** The Node home: one process, one libSQL file, blobs in a folder. Reads the environment and chooses the drivers. */
import { randomUUID } from 'node:crypto'
import { access, constants, mkdir } from 'node:fs/promises'
import { availableParallelism, hostname } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { createApp } from './app.ts'
import { keysCommand } from './commands.ts'
import { type Config, ConfigError, readConfig } from './config.ts'
import { createNodeAssets } from './drivers/assets-node.ts'
import { BackupError, backUp, holdsDatabase, restore } from './drivers/backup-fs.ts'
import { createFsBlobStore } from './drivers/blob-fs.ts'
import { createProcessCompute } from './drivers/compute-processes.ts'
import { Connections } from './drivers/connections-node.ts'
import { openLibsql } from './drivers/db-libsql.ts'
import { nameBadText, type OnBadText } from './drivers/db-libsql-text.ts'
import { createLocalDispatcher } from './drivers/dispatch-local.ts'
import { createLookup } from './drivers/dns-lookup.ts'
import { createNodeFetcher } from './drivers/fetch-node.ts'
import { listen } from './drivers/listen-node.ts'
import { createPinoLog } from './drivers/log-pino.ts'
import { createMemoryNotifier } from './drivers/notify-memory.ts'
import { nodePeerAddress } from './drivers/peer-node.ts'
import { breakNodeAnswer, openNodeSink } from './drivers/sink-node.ts'
import { Meter } from './engine/meter.ts'
import { knownWorkers, signOut, sweepLeases } from './engine/transitions/sweep.ts'
import { Worker } from './engine/worker/worker.ts'
import { WORKER_TIMES } from './engine/worker/worker-options.ts'
import type { MillraceError } from './errors.ts'
import { describeError } from './formats/describe-error.ts'
import { Redactor } from './formats/redact.ts'
import { loadSigningKey } from './http/auth/secrets.ts'
import { Hub } from './live/hub.ts'
import { operations } from './operations.ts'
import type { Clock, Database, Log, Notifier } from './ports.ts'
import { settingsOf } from './settings.ts'
import { surfaces } from './surfaces.ts'

const clock: Clock = { now: Date.now }
const DAY_MS = 24 * 60 * 60 * 1_000
/** Resident memory a process that reads documents may use: room for the largest upload, held twice while pdf.js opens it. */
const COMPUTE_MEMORY_MB = 512
/** What a collector of traces gets to take the last ones when the server is told to stop. */
const TRACES_MS = 2_000
/** What running jobs get to end by themselves when the server is told to stop. */
const GRACE_MS = 5_000
/** What stopping may take in all. Less than the ten seconds after which whoever runs servers commonly kills them. */
const STOP_MS = 9_000

async function openDatabase(config: Config, onBadText?: OnBadText) {
  try {
    await mkdir(config.dataDir, { recursive: true })
    await access(config.dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new ConfigError(`DATA_DIR=${config.dataDir} is no folder that can be written to: ${messageOf(error)}.`)
  }
  const file = pathToFileURL(resolve(config.dataDir, 'millrace.db')).href
  return openLibsql(config.databaseUrl ?? file, {
    migrations: fileURLToPath(new URL('../drizzle', import.meta.url)),
    ...(config.databaseAuthToken === null ? {} : { authToken: config.databaseAuthToken }),
    ...(onBadText === undefined ? {} : { onBadText }),
  })
}

/** Takes back at once what processes of this machine held that are gone; without this their leases would have to run out. */
async function succeed(deps: { db: Database; clock: Clock; notifier: Notifier; log: Log }): Promise<void> {
  const gone = (await knownWorkers(deps.db)).filter(({ host, pid }) => host === hostname() && !isAlive(pid))
  const ids = gone.map(({ id }) => id)
  for (let taken = 1; ids.length > 0 && taken > 0; ) {
    taken = await sweepLeases(deps, ids)
    if (taken > 0) deps.log.info({ jobs: taken }, 'took back jobs of a process that is gone')
  }
  await signOut(deps.db, ids)
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // Someone else's process is there, but not ours to signal.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

const openCompute = (config: Config) =>
  createProcessCompute({
    tasks: new URL('./compute-tasks.ts', import.meta.url),
    code: ['./', '../node_modules/', '../package.json'].map((path) => new URL(path, import.meta.url)),
    processes: availableParallelism(),
    memoryMb: COMPUTE_MEMORY_MB,
    // A dense sheet of 500 pages takes some 8 s.
    cpuSeconds: config.maxDocumentCpuSeconds,
  })

/** Starts the server. Resolves when it listens. */
async function start(config: Config): Promise<void> {
  const secrets = redactorOf(config)
  const log = createPinoLog(config.logLevel, secrets.line)
  const { db, close } = await openDatabase(config, nameBadText(log))
  const blobs = createFsBlobStore(join(config.dataDir, 'blobs'))
  const fetcher = createNodeFetcher({
    allowPrivate: config.allowPrivateUrls,
    lookup: createLookup({ servers: config.dnsServers }),
    perOwner: config.maxFetchesPerOwner,
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
    dispatcher: createLocalDispatcher(),
    notifier: createMemoryNotifier(),
  }
  await succeed(ports)
  const identity = { id: randomUUID(), host: hostname(), pid: process.pid }
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
  const connections = new Connections(config)
  const app = await createApp({
    ...ports,
    connections,
    operations,
    hub,
    openSink: openNodeSink,
    breakOff: breakNodeAnswer,
    ...(tracing === null ? {} : { traceRequests: tracing.requests }),
    assets: createNodeAssets(),
    peerAddress: nodePeerAddress,
    limits: { perHour: config.rateLimits, blocks: true },
    ...settingsOf(config, { db, clock, signingKey }),
  })
  // First, so that a start that fails at a port has claimed nothing.
  const servers = await listen({
    ...config,
    connections,
    fetch: app.fetch,
    body: (error, path) => refusal(log, error, path),
  })
  await worker.start()
  onStopSignal(async () => {
    const drained = connections.drain(servers, GRACE_MS)
    hub.close()
    await Promise.all([worker.stop(GRACE_MS), drained])
    await compute.close()
    await tracing?.close(TRACES_MS)
    close()
  }, log)
}

/** What somebody is told whose request is none that the app can be asked; in the log under the same id. */
function refusal(log: Log, error: MillraceError, path = '/'): object {
  const requestId = randomUUID()
  log.info({ requestId, code: error.code, cause: messageOf(error.cause) }, 'a request that is none')
  return surfaces.errorsOf(path).body(error, requestId)
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

/**
 * Stops in order on SIGTERM or SIGINT; a second signal stops at once. What is not done in time, because the database takes nothing, is
 * left as a crash would leave it: the next start, or a lease that runs out, gives what ran to others.
 */
function onStopSignal(stop: () => Promise<void>, log: Log): void {
  let stopping = false
  const onSignal = () => {
    if (stopping) process.exit(1)
    stopping = true
    setTimeout(() => {
      log.warn({ ms: STOP_MS }, 'stopping took too long; what still ran is left to its leases')
      process.exit(0)
    }, STOP_MS)
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

/** Knows what must be in no line of the log. */
const redactorOf = ({ apiKey, jwtSecret, signingKey, databaseAuthToken }: Config) =>
  new Redactor([apiKey, jwtSecret, signingKey, databaseAuthToken])

async function main([command, ...args]: readonly string[]): Promise<void> {
  const config = readConfig(process.env)
  if (command === undefined) return start(config)
  console.log(command === 'restore' ? await restoreCommand(config, args) : await withDatabase(config, command, args))
}

/** Runs a command that needs the database, beside a server that may be running on it. */
async function withDatabase(config: Config, command: string, args: readonly string[]): Promise<string> {
  const [folder] = args
  if (command === 'backup' && (folder === undefined || config.databaseUrl !== null)) {
    throw new ConfigError(
      'Usage: npm run backup -- FOLDER   (of the database in DATA_DIR; a libSQL server has its own backups)',
    )
  }
  const isNew = config.databaseUrl === null && !(await holdsDatabase(config.dataDir))
  if (command === 'backup' && isNew) {
    throw new ConfigError(`DATA_DIR=${config.dataDir} holds no database: there is nothing to back up.`)
  }
  const { db, close } = await openDatabase(config)
  if (isNew) console.error(`DATA_DIR=${config.dataDir} held no database: made one.`)
  try {
    if (command === 'keys') return await keysCommand({ db, clock, called: 'npm run keys --' }, args)
    if (command !== 'backup' || folder === undefined) throw new ConfigError(`There is no command "${command}".`)
    await backUp(db, config.dataDir, resolve(folder))
    return `Backed up ${config.dataDir} to ${folder}. "npm run restore -- ${folder}" makes a data folder of it.`
  } finally {
    close()
  }
}

async function restoreCommand(config: Config, [folder]: readonly string[]): Promise<string> {
  if (folder === undefined) throw new ConfigError('Usage: DATA_DIR=new-folder npm run restore -- FOLDER')
  await restore(resolve(folder), config.dataDir)
  return `Restored ${folder} to ${config.dataDir}. Start the server, and what was under way goes on.`
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const foreseen = error instanceof ConfigError || error instanceof BackupError
  const told = foreseen ? error.message : inspect(error instanceof Error ? describeError(error) : error)
  console.error(new Redactor().text(told))
  process.exit(1)
})
