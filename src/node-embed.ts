/** Millrace as a part of a program on Node: its app to be mounted in another, and its batches without HTTP. */
import { Hono } from 'hono'
import type { EventOf, ItemOf, OfOperation, TypedOperation } from './client/operations.ts'
import type { BatchRef } from './client/types.ts'
import { ConfigError, readConfig } from './config.ts'
import { prepareDataFolder } from './drivers/data-folder.ts'
import { createPinoLog } from './drivers/log-pino.ts'
import { describeOldNode } from './drivers/node-version.js'
import { nodePeerAddress } from './drivers/peer-node.ts'
import { openWorkerSink } from './drivers/sink-worker.ts'
import { MillraceError } from './errors.ts'
import { Redactor } from './formats/redact.ts'
import { isLoopbackHost } from './http/middleware/origin.ts'
import { type FollowBatchOptions, followBatch, type SubmitOptions, type Submitted, submitItems } from './in-process.ts'
import { openServer, type RunningServer } from './node-server.ts'
import type { Operation } from './operation.ts'
import type { Log } from './ports.ts'
import { surfaces } from './surfaces.ts'

/** Time that running jobs have to end by themselves when it is closed, in milliseconds. */
const GRACE_MS = 5_000

/** Settings of an embedded Millrace. */
export interface MillraceOptions {
  /** Operations beside those that are built in, made by `defineOperation`. */
  readonly operations?: readonly Operation[]
  /** Folder of the database and of all files. @default `.millrace` */
  readonly dataDir?: string
  /**
   * Callers that are let in over HTTP. `keys`: those with an API key or a JWT. `open`: also those without, as owner `local`, as far as they
   * come from this machine.
   * @default `open`, unless a setting says that other machines reach the server; of calls whose origin is not known, outside production alone
   */
  readonly auth?: 'open' | 'keys'
  /** Jobs run at once. @default 8 */
  readonly concurrency?: number
  /** Other settings, by the names of the environment variables of a server (docs/configuration.md). The environment itself is not read. */
  readonly settings?: Readonly<Record<string, string>>
  /** Takes the lines of the log. @default JSON on standard output, from warnings on */
  readonly log?: Log
}

/** A Millrace that runs in this process. */
export interface Millrace {
  /** Routes of Millrace alone, for `app.route('/', millrace.app)`. */
  readonly app: Hono
  /**
   * Accepts a batch: a job for each item. When it resolves, all of it is on disk.
   * @param operation the operation, or the name of one
   * @throws MillraceError naming the field that is wrong
   */
  submit<Op extends TypedOperation>(
    operation: Op | Op['name'],
    items: readonly ItemOf<Op>[],
    options?: SubmitOptions<Op>,
  ): Promise<Submitted<Op>>
  /**
   * Follows a batch to its end. Each event comes once and in order.
   * @param batch its id, the name it was submitted under, or what `submit` gave
   */
  follow<Op extends TypedOperation>(
    batch: BatchRef & OfOperation<Op>,
    options?: FollowBatchOptions,
  ): AsyncIterable<EventOf<Op>>
  /** Ends streams, releases jobs that still run after some seconds, and closes the database. */
  close(): Promise<void>
}

/**
 * Starts Millrace in this process: its database, its workers, its streams and its app. Opens no port by itself.
 *
 * @throws ConfigError where Node is too old, a setting is wrong, or the folder cannot be written to; TypeError where two operations have the same name
 * @example
 * const millrace = await createMillrace({ operations: [resize], dataDir: './data' })
 * const { batchId } = await millrace.submit(resize, [{ url: 'https://example.com/a.jpg' }])
 * for await (const event of millrace.follow(batchId)) console.log(event.type)
 */
export async function createMillrace(options: MillraceOptions = {}): Promise<Millrace> {
  const fault = describeOldNode(process.versions.node)
  if (fault !== null) throw new ConfigError(fault)
  const config = readConfig(environmentOf(options))
  const secrets = new Redactor([config.apiKey, config.jwtSecret, config.signingKey, config.databaseAuthToken])
  const log = options.log ?? createPinoLog(config.logLevel, secrets.line)
  await prepareDataFolder(config.dataDir)
  const server = await openServer(config, {
    ...{ log, secrets },
    operations: options.operations ?? [],
    openSink: openWorkerSink,
    openSocket: () => {
      throw new MillraceError('UPGRADE_REQUIRED', 'There are no WebSockets here: follow by the stream, or by polling.')
    },
  })
  let closed: Promise<void> | undefined
  const close = () => {
    closed ??= server.stop(GRACE_MS, Promise.resolve())
    return closed
  }
  return {
    app: mountable(server, config.auth === 'open' ? { explicit: options.auth === 'open' } : null),
    submit: (operation, items, given) => submitItems(server.deps, operation, items, given),
    follow: (batch, given) => followBatch(server.deps, batch, given),
    close,
  }
}

function environmentOf({ dataDir, auth, concurrency, settings = {} }: MillraceOptions): Record<string, string> {
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value !== 'string') throw new ConfigError(`settings.${name}: expected text, as in the environment.`)
  }
  return {
    LOG_LEVEL: 'warn',
    ...settings,
    ...(dataDir === undefined ? {} : { DATA_DIR: dataDir }),
    ...(auth === undefined ? {} : { MILLRACE_AUTH: auth }),
    ...(concurrency === undefined ? {} : { CONCURRENCY: String(concurrency) }),
  }
}

/** Makes an app of the routes of Millrace alone, so that what another app has beside them is not touched. */
function mountable(server: RunningServer, open: { explicit: boolean } | null): Hono {
  const app = new Hono()
  const prefixes = [...surfaces].flatMap((surface) => surface.prefixes ?? [surface.mount])
  for (const prefix of prefixes) {
    app.all(`${prefix}/*`, (c) => {
      const refusal = open === null ? null : refuseStranger(c.env, open.explicit)
      if (refusal !== null) {
        const body = surfaces.errorsOf(prefix).body(refusal, crypto.randomUUID())
        return Response.json(body, { status: refusal.status })
      }
      return server.fetch(ownRequest(c.req.raw, prefix), c.env)
    })
  }
  return app
}

/**
 * Refuses, under `open`, callers of other machines, since the server does not know which interface the program listens on. A caller of unknown address
 * counts as local only outside production, or where the program declares all callers local.
 */
function refuseStranger(binding: unknown, explicit: boolean): MillraceError | null {
  const peer = nodePeerAddress(binding)
  const isCall = Object.keys(binding ?? {}).length === 0 && process.env.NODE_ENV !== 'production'
  const isHere = peer === null ? explicit || isCall : isLoopback(peer)
  if (isHere) return null
  return new MillraceError(
    'UNAUTHORIZED',
    'This server takes calls without a key from its own machine alone. It takes others with createMillrace({ auth: "keys" }).',
  )
}

const isLoopback = (address: string) => address === '::1' || isLoopbackHost(address.replace(/^::ffff:/, ''))

/** The request as Millrace knows its paths: without what it is mounted under, and with a host where a program made it. */
function ownRequest(request: Request, prefix: string): Request {
  const url = new URL(request.url)
  const at = url.pathname.indexOf(prefix)
  if (at <= 0 && request.headers.has('Host')) return request
  const host = url.host
  url.pathname = url.pathname.slice(Math.max(0, at))
  const own = new Request(url, request)
  if (!own.headers.has('Host')) own.headers.set('Host', host)
  return own
}
