/**
 * The Cloudflare runtime: Workers, with D1 (or libSQL by URL), Queues, Durable Objects and R2. Drivers are chosen in `cloudflare-ports.ts`.
 *
 * I/O belongs to one request here, so everything that does any is made anew for each request, message or object. Only what is plain data
 * is kept between them: the configuration, the signing key, the public keys of others.
 */
import type { DurableObjectState, ExecutionContext, MessageBatch, ScheduledController } from '@cloudflare/workers-types'
import { createApp } from './app.ts'
import {
  addOperations,
  addSecret,
  type Bindings,
  configOf,
  databaseOf,
  diskOf,
  loadOperations,
  openLog,
  portsOf,
} from './cloudflare-ports.ts'
import { basePathOf, ConfigError } from './config.ts'
import { createBoundAssets } from './drivers/assets-workers.ts'
import { sendWake, TimerObject } from './drivers/dispatch-queues.ts'
import { BatchObject } from './drivers/notify-durable-object-batch.ts'
import { workersPeerAddress } from './drivers/peer-workers.ts'
import { answerReadingOn } from './drivers/request-body-workers.ts'
import { openWorkerSink } from './drivers/sink-worker.ts'
import { openWorkerSocket } from './drivers/socket-worker.ts'
import { loadSigningKey } from './http/auth/secrets.ts'
import type { JwksCache } from './http/context.ts'
import { readPage } from './live/event-log.ts'
import { OwnerShares } from './live/owner-shares.ts'
import { PerRequestHub, STALE_MS } from './live/per-request-hub.ts'
import { readHeads } from './live/state.ts'
import type { Operation } from './operation.ts'
import { appSettings } from './settings.ts'

let signingKey: string | undefined
/** Streams that owners hold on this isolate. */
let shares: OwnerShares | undefined
const jwksCache: JwksCache = { fetched: {}, failedAt: 0 }

async function respond(request: Request, env: Bindings, ctx: ExecutionContext): Promise<Response> {
  const read = configOf(env)
  const ports = await portsOf(env, ctx)
  signingKey ??= read.signingKey ?? (await loadSigningKey(ports.db))
  addSecret(signingKey)
  shares ??= new OwnerShares(read.maxStreamsPerOwner, STALE_MS)
  const settings = appSettings(read, { ...ports, signingKey })
  const disk = diskOf(env)
  const deps = {
    ...ports,
    ...settings,
    hub: new PerRequestHub(ports, shares),
    openSink: openWorkerSink,
    openSocket: openWorkerSocket,
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

/** Logs the error that a handler throws, since no caller awaits the handler. */
async function logged(what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run()
  } catch (error) {
    openLog('info').error({ err: error }, `${what} failed; the next minute tries again`)
  }
}

/** Loads the worker, the sweeps and the schedules, which requests do not need. */
const loadWork = () => import('./cloudflare-work.ts')

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
        const basePath = basePathOf(configOf(env).publicUrl)
        const operations = await loadOperations(env)
        return readPage((await databaseOf(env))().db, { operations, basePath }, { id, operation }, after)
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

async function answer(request: Request, env: Bindings, ctx: ExecutionContext): Promise<Response> {
  try {
    return await answerReadingOn(request, (readable) => respond(readable, env, ctx))
  } catch (error) {
    // Handles a start that failed: the app itself answers what a route throws.
    const message = error instanceof ConfigError ? error.message : 'The server could not start.'
    openLog('info').error({ err: error }, message)
    const body = { success: false, error: 'UNAVAILABLE', message: 'The server could not start. Its log says why.' }
    return Response.json(body, { status: 503 })
  }
}

/**
 * Makes the handlers of a Worker. A Worker has one; its module exports the classes of the Durable Objects as well.
 * @param options.operations beside those that are built in, made by `defineOperation`
 * @example
 * export { MillraceBatch, MillraceTimer } from 'millrace/cloudflare'
 * export default createWorker({ operations: [resize] })
 */
export function createWorker(options: { readonly operations?: readonly Operation[] } = {}) {
  addOperations(options.operations ?? [])
  return {
    fetch: answer,
    /** Acknowledges all messages at once, whatever the outcome: they say only that there may be work. */
    async queue(messages: MessageBatch, env: Bindings, ctx: ExecutionContext): Promise<void> {
      messages.ackAll()
      await logged('work', async () => {
        const { work } = await loadWork()
        await work(env, await portsOf(env, ctx))
      })
    },
    /** Every minute: what wake-ups and alarms did not see to. */
    async scheduled(event: ScheduledController, env: Bindings, ctx: ExecutionContext): Promise<void> {
      await logged('the cron trigger', async () => {
        const { runSchedules, runSyncs, sweep, work } = await loadWork()
        const ports = await portsOf(env, ctx)
        await logged('schedules', () => runSchedules(env, ports))
        await logged('syncs', () => runSyncs(env, ports))
        await logged('sweeping', () => sweep(env, ports, new Date(event.scheduledTime)))
        await logged('work', () => work(env, ports))
      })
    },
  }
}

export default createWorker()
