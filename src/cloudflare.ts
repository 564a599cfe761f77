/**
 * The edge home: Cloudflare Workers, with D1 (or libSQL by URL), Queues, Durable Objects and R2. Reads the environment and chooses the
 * drivers.
 *
 * I/O belongs to one request here, so everything that does any is made anew for each request, message or object. Only what is plain data
 * is kept between them: the configuration, the signing key, the public keys of others.
 */
import type {
  D1Database,
  DurableObjectNamespace,
  DurableObjectState,
  ExecutionContext,
  MessageBatch,
  Queue,
  R2Bucket,
  ScheduledController,
} from '@cloudflare/workers-types'
import { createApp } from './app.ts'
import { computeTasks } from './compute-tasks.ts'
import { type Config, ConfigError, readConfig } from './config.ts'
import { type AssetsBinding, createBoundAssets } from './drivers/assets-workers.ts'
import { createR2BlobStore } from './drivers/blob-r2.ts'
import { createInlineCompute } from './drivers/compute-inline.ts'
import { createD1Disk, openD1 } from './drivers/db-d1.ts'
import { describeNewerSchema } from './drivers/db-d1-schema.ts'
import { createQueueDispatcher, createTimer, sendWake, TimerObject } from './drivers/dispatch-queues.ts'
import { createWorkersFetcher } from './drivers/fetch-workers.ts'
import { createConsoleLog } from './drivers/log-console.ts'
import { createCoalescingNotifier, createObjectNotifier } from './drivers/notify-durable-object.ts'
import { BatchObject } from './drivers/notify-durable-object-batch.ts'
import { workersPeerAddress } from './drivers/peer-workers.ts'
import { answerReadingOn } from './drivers/request-body-workers.ts'
import { openWorkerSink } from './drivers/sink-worker.ts'
import { createDiskWatch } from './engine/disk-watch.ts'
import { Meter } from './engine/meter.ts'
import { StorageQuota } from './engine/storage-quota.ts'
import { orphanPrefixes, sweepOrphans, sweepRateWindows, sweepRetention } from './engine/transitions/retention.ts'
import { forgetVanishedWorkers } from './engine/transitions/sweep.ts'
import { nextWakeupAt } from './engine/worker/next-wakeup.ts'
import { Worker } from './engine/worker/worker.ts'
import { Redactor } from './formats/redact.ts'
import { loadSigningKey } from './http/auth/secrets.ts'
import type { JwksCache } from './http/context.ts'
import { readPage } from './live/event-log.ts'
import { OwnerShares } from './live/owner-shares.ts'
import { PerRequestHub, type RequestDatabase, STALE_MS } from './live/per-request-hub.ts'
import { readHeads } from './live/state.ts'
import type { Clock, Disk, Log } from './ports.ts'
import { appSettings } from './settings.ts'

/** The bindings of wrangler.toml; beside them, the variables of `config.ts` as text. */
interface Bindings {
  readonly DB: D1Database
  readonly BLOBS: R2Bucket
  readonly WAKE: Queue
  readonly BATCHES: DurableObjectNamespace
  readonly TIMER: DurableObjectNamespace
  readonly ASSETS: AssetsBinding
  /** Address of the service that sends requests to callers' URLs. Set by `npm run dev:edge` alone. */
  readonly DEV_OUTBOUND_URL?: string
}

const clock: Clock = { now: Date.now }
const DAY_MS = 24 * 60 * 60 * 1_000

/** A message is done within 15 minutes. Claiming ends long before, so that what runs can end by itself. */
const CLAIM_MS = 4 * 60 * 1_000
const GRACE_MS = 2 * 60 * 1_000
/**
 * The part of its queries that an invocation keeps for what runs when claiming ends: to renew the leases, and to write what each place came
 * to by itself, which takes some ten to twenty. So there is a place for so many queries. Then the notices it tells up to then.
 */
const CLAIM_RESERVE = 0.5
const QUERIES_A_PLACE = 50
const MAX_TOLD = 500
/** The part of the places that is a reserve at most, where queries allow few. */
const MAX_RESERVED = 1 / 3
/** The part of its queries that a run of the cron trigger spends on sweeping, about; the rest is for work, which others see to as well. */
const SWEEP_SHARE = 0.4
/** Longer leases and rarer beats than on Node: each is a query, and the timer rather than a sweep looks at leases. */
const WORKER_TIMES = { leaseMs: 30_000, beatMs: 2_000, sweepMs: 10_000, retentionMs: DAY_MS }
/** An alarm is never set sooner, so that what can't be done at once is not tried without a pause. */
const SOONEST_MS = 500

let config: Config | undefined
let signingKey: string | undefined
const secrets = new Redactor()
/**
 * Mean duration of recent jobs, in milliseconds, kept between invocations. An invocation with few queries cannot measure it by itself, and must
 * claim many jobs at once where they are quick.
 */
let meanMs: number | undefined
/** Streams that owners hold on this isolate. */
let shares: OwnerShares | undefined
const jwksCache: JwksCache = { fetched: {}, failedAt: 0 }

/** The log, without what `configOf` and `respond` learned to be secret. */
const openLog = (level: string) => createConsoleLog(level, (name, line) => console[name](secrets.line(line)))

/** An edge is never this machine, so open calls are refused unless `HOST` says that this is `wrangler dev`. */
function configOf(env: Bindings): Config {
  const texts = Object.entries(env).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  config ??= readConfig({ HOST: '0.0.0.0', ...Object.fromEntries(texts) })
  for (const secret of [config.apiKey, config.jwtSecret, config.signingKey, config.databaseAuthToken])
    secrets.add(secret)
  return config
}

/** Returns a function that opens a database for one request: D1, or libSQL, whose code is loaded only then. */
async function databaseOf(env: Bindings): Promise<() => RequestDatabase> {
  const { databaseUrl, databaseAuthToken, d1Queries } = configOf(env)
  if (databaseUrl === null) return () => openD1(env.DB, { statements: d1Queries })
  const { openLibsqlWeb } = await import('./drivers/db-libsql-web.ts')
  return () => openLibsqlWeb(databaseUrl, databaseAuthToken)
}

/** Reports the space left in D1; undefined where the database is a server that does not report it. */
function diskOf(env: Bindings): Disk | undefined {
  const { databaseUrl, d1Queries } = configOf(env)
  return databaseUrl === null ? createD1Disk(env.DB, d1Queries) : undefined
}

/**
 * Warns where less of D1 is left than is configured, or than a tenth of it, and where its schema is of a newer release. That is no reason to
 * refuse requests: before a deploy the schema is brought up to date, and until it is done this release serves.
 */
async function warnOfDatabase(env: Bindings, log: Log): Promise<void> {
  const disk = diskOf(env)
  if (disk === undefined) return
  const newer = await describeNewerSchema(env.DB)
  if (newer !== null) log.error({ event: 'database.newer_schema' }, newer)
  const { totalBytes } = await disk.space()
  await createDiskWatch(disk, Math.min(configOf(env).lowDiskBytes, totalBytes / 10), log)()
}

/** Every operation, with the schemas of what each takes. An object that only passes notices on starts without. */
const loadOperations = async () => (await import('./operations.ts')).operations

/** Makes the ports that every request, message and Durable Object is given. */
async function portsOf(env: Bindings, ctx: ExecutionContext) {
  const { allowPrivateUrls, logLevel, maxFetchesPerOwner, maxDocumentCpuSeconds, maxBytesPerOwner } = configOf(env)
  const log = openLog(logLevel)
  const keepAlive = (work: Promise<unknown>) => ctx.waitUntil(work)
  const openDatabase = await databaseOf(env)
  const { db, meter: queries } = openDatabase()
  return {
    openDatabase,
    db,
    queries,
    clock,
    log,
    keepAlive,
    operations: await loadOperations(),
    blobs: createR2BlobStore(env.BLOBS),
    fetcher: createWorkersFetcher({
      allowPrivate: allowPrivateUrls,
      perOwner: maxFetchesPerOwner,
      outbound: env.DEV_OUTBOUND_URL,
    }),
    compute: createInlineCompute(computeTasks, { documentCpuMs: maxDocumentCpuSeconds * 1_000 }),
    meter: new Meter(),
    quota: new StorageQuota(db, maxBytesPerOwner),
    dispatcher: createQueueDispatcher(env.WAKE, { keepAlive, log }),
    notifier: createObjectNotifier(env.BATCHES, { keepAlive, log }),
  }
}

type Ports = Awaited<ReturnType<typeof portsOf>>

async function respond(request: Request, env: Bindings, ctx: ExecutionContext): Promise<Response> {
  const read = configOf(env)
  const ports = await portsOf(env, ctx)
  signingKey ??= read.signingKey ?? (await loadSigningKey(ports.db))
  secrets.add(signingKey)
  shares ??= new OwnerShares(read.maxStreamsPerOwner, STALE_MS)
  const settings = appSettings(read, { ...ports, signingKey })
  const disk = diskOf(env)
  const deps = {
    ...ports,
    ...settings,
    hub: new PerRequestHub(ports, shares),
    openSink: openWorkerSink,
    assets: createBoundAssets(env.ASSETS),
    ...(disk === undefined ? {} : { disk }),
    peerAddress: workersPeerAddress,
    limits: { perHour: read.rateLimits, blocks: false },
    workersOnDemand: true,
    auth: { ...settings.auth, jwksCache },
  }
  const app = await createApp(deps, request)
  return app.fetch(request, env)
}

/** Works until there is no work, or this message has had its share; then sees to it that the rest is woken for. */
async function work(env: Bindings, ports: Ports): Promise<void> {
  const { concurrency, concurrencyReserve, retentionDays, d1Queries } = configOf(env)
  const notifier = createCoalescingNotifier(env.BATCHES, ports)
  const timer = createTimer(env.TIMER)
  const until = clock.now() + CLAIM_MS
  const mostPlaces = Math.floor(d1Queries / QUERIES_A_PLACE)
  const reserve = Math.min(concurrencyReserve, Math.floor(mostPlaces * MAX_RESERVED))
  const places = Math.min(concurrency, mostPlaces - reserve)
  const spent = () =>
    ports.queries.left <= CLAIM_RESERVE * d1Queries || notifier.told >= MAX_TOLD || clock.now() >= until
  const worker = new Worker(
    { ...ports, notifier },
    {
      id: crypto.randomUUID(),
      host: 'edge',
      pid: 0,
      ...WORKER_TIMES,
      concurrency: places,
      reserve,
      keepMs: retentionDays * DAY_MS,
      spent,
      ...(meanMs === undefined || places === concurrency ? {} : { meanMs }),
    },
  )
  let watched = false
  let shared = false
  await worker.drain(() => {
    if (!watched && worker.running > 0) {
      watched = true
      // Whatever becomes of this invocation, somebody looks at its leases.
      ports.keepAlive(timer.set(clock.now() + WORKER_TIMES.leaseMs))
    }
    if (!shared && worker.running >= places) {
      shared = true
      // There may be more than one invocation can run at once.
      ports.dispatcher.wake()
    }
    return !spent()
  }, GRACE_MS)
  meanMs = worker.meanMs
  const due = ports.queries.left > 0 ? await nextWakeupAt(ports.db) : 0
  if (due === 0) ports.dispatcher.wake()
  else if (due !== null && due < clock.now() + DAY_MS) await timer.set(Math.max(due, clock.now() + SOONEST_MS))
  // Clears the timer: work due later is found by the cron trigger, and some is never due.
  else if (watched) await timer.set(null)
}

/** Deletes what is no longer kept, as far as its share of the queries goes; each sweep has its turn, those first that take few. */
async function sweep(env: Bindings, ports: Ports, at: Date): Promise<void> {
  const { retentionDays, d1Queries } = configOf(env)
  const first = ports.queries.left
  const upTo = (share: number) => () => ports.queries.left > first - share * Math.min(first, d1Queries)
  await sweepRateWindows(ports, upTo(SWEEP_SHARE / 4))
  if (at.getUTCMinutes() === 0) {
    await warnOfDatabase(env, ports.log)
    const goOn = upTo(SWEEP_SHARE / 2)
    await forgetVanishedWorkers(ports)
    for (const under of orphanPrefixes(at.getTime())) await sweepOrphans(ports, { under, goOn })
    // Once a day over all uploads, for orphans left while no cron trigger ran.
    if (at.getUTCHours() === 0) await sweepOrphans(ports, { goOn })
  }
  await sweepRetention(ports, retentionDays * DAY_MS, upTo(SWEEP_SHARE))
}

/** Nobody waits for what a handler throws, so it is said in the log. */
async function logged(what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    openLog('info').error({ err: error }, `${what} failed; the next minute tries again`)
  }
}

/** A Durable Object a batch: see `notify-durable-object-batch.ts`. */
export class MillraceBatch extends BatchObject {
  constructor(state: DurableObjectState, env: Bindings) {
    const known = new Map<string, string>()
    const head = async (id: string) => {
      const [found] = await readHeads((await databaseOf(env))().db, [id])
      if (found !== undefined) known.set(id, found.operation)
      return found
    }
    const reader = {
      end: async (id: string) => (await head(id))?.lastSeq ?? 0,
      async page(id: string, after: number) {
        const operation = known.get(id) ?? (await head(id))?.operation
        if (operation === undefined) return null
        return readPage((await databaseOf(env))().db, await loadOperations(), { id, operation }, after)
      },
    }
    super(state, reader, openLog(configOf(env).logLevel))
  }
}

/** The one Durable Object that wakes workers at a time: see `dispatch-queues.ts`. */
export class MillraceTimer extends TimerObject {
  constructor(state: DurableObjectState, env: Bindings) {
    super(state, () => sendWake(env.WAKE))
  }
}

export default {
  async fetch(request: Request, env: Bindings, ctx: ExecutionContext): Promise<Response> {
    try {
      return await answerReadingOn(request, (readable) => respond(readable, env, ctx))
    } catch (error) {
      // Handles a start that failed: the app itself answers what a route throws.
      const message = error instanceof ConfigError ? error.message : 'The server could not start.'
      openLog('info').error({ err: error }, message)
      const body = { success: false, error: 'UNAVAILABLE', message: 'The server could not start. Its log says why.' }
      return Response.json(body, { status: 503 })
    }
  },

  /** Messages say nothing but that there may be work, so all are taken at once, whatever comes of it. */
  async queue(messages: MessageBatch, env: Bindings, ctx: ExecutionContext): Promise<void> {
    messages.ackAll()
    await logged('work', async () => work(env, await portsOf(env, ctx)))
  },

  /** Every minute: what wake-ups and alarms did not see to. */
  async scheduled(event: ScheduledController, env: Bindings, ctx: ExecutionContext): Promise<void> {
    await logged('the cron trigger', async () => {
      const ports = await portsOf(env, ctx)
      await logged('sweeping', () => sweep(env, ports, new Date(event.scheduledTime)))
      await logged('work', () => work(env, ports))
    })
  },
}
