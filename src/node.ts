/**
 * The Node entry: one process, one libSQL file, blobs in a folder. It listens at once and loads the rest while it does: until the server is
 * open, `/healthz` is answered and every other request waits.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep, setImmediate as yieldToEventLoop } from 'node:timers/promises'
import { inspect } from 'node:util'
import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import { secureHeaders } from 'hono/secure-headers'
import { type Config, ConfigError, readConfig } from './config.ts'
import { Connections } from './drivers/connections-node.ts'
import { explainStorageFault, makeFilesPrivate } from './drivers/data-files.ts'
import { prepareDataFolder } from './drivers/data-folder.ts'
import { IS_BUILT } from './drivers/files-node.ts'
import { listen } from './drivers/listen-node.ts'
import { createPinoLog } from './drivers/log-pino.ts'
import { watchProcess } from './drivers/process-node.ts'
import { abortNodeResponse, openNodeSink } from './drivers/sink-node.ts'
import { openNodeSocket } from './drivers/socket-node.ts'
import { mapStackTraces } from './drivers/source-maps-node.ts'
import type { MillraceError } from './errors.ts'
import { livenessRoutes } from './features/server/liveness-routes.ts'
import { describeError } from './formats/describe-error.ts'
import { Redactor } from './formats/redact.ts'
import type { Env } from './http/context.ts'
import { applyHeadersEarly } from './http/middleware/apply-headers-early.ts'
import type { RunningServer, ServerDeps } from './node-server.ts'
import type { Log } from './ports.ts'
import { surfaces } from './surfaces.ts'

/** Time that running jobs have to end by themselves during a graceful shutdown, in milliseconds. */
const GRACE_MS = 5_000
/** Time that stopping may take in all, in milliseconds. Less than the ten seconds after which supervisors commonly kill a process. */
const STOP_MS = 9_000

/** Wait for a first request before the rest is loaded: who starts a server often asks at once whether it lives. */
const FIRST_REQUEST_MS = 200

/** Starts the server. Resolves when it works. */
async function start(config: Config): Promise<void> {
  const secrets = redactorOf(config)
  const log = createPinoLog(config.logLevel, secrets.line)
  await prepareDataFolder(config.dataDir)
  const opening = Promise.withResolvers<RunningServer>()
  // A start that fails is reported by whom it is thrown to.
  opening.promise.catch(() => {})
  const connections = new Connections(config)
  let listening: Awaited<ReturnType<typeof listen>> = []
  onStopSignal(async () => {
    const drained = connections.drain(listening, GRACE_MS)
    const server = await opening.promise
    await server.stop(GRACE_MS, drained)
  }, log)
  // First, so that a start that fails at a port has claimed nothing.
  const body = (error: MillraceError, path?: string) => refusal(log, error, path)
  const isSocket = (path: string) => surfaces.isSocket(path)
  const asked = Promise.withResolvers<void>()
  listening = await listen({
    ...config,
    connections,
    fetch: answerFrom(opening.promise, asked.resolve),
    body,
    isSocket,
  })
  await Promise.race([asked.promise, sleep(FIRST_REQUEST_MS)])
  // The sink is loaded by now: its module makes a Response, which must not be of the class by which @hono/node-server replaces Node's.
  opening.resolve(
    await openInParts(config, {
      ...{ log, secrets, connections },
      openSink: openNodeSink,
      openSocket: openNodeSocket,
      abortResponse: abortNodeResponse,
      readProcess: watchProcess(),
    }),
  )
  await opening.promise
}

/** Loads the server and opens it. Loads in parts, so that requests are looked at in between. */
async function openInParts(config: Config, deps: ServerDeps): Promise<RunningServer> {
  const parts = [
    () => import('./drivers/db-libsql.ts'),
    () => import('./operations.ts'),
    () => import('./app.ts'),
    () => import('./node-server.ts'),
  ]
  for (const load of parts) {
    await yieldToEventLoop()
    await load()
  }
  const { openServer } = await import('./node-server.ts')
  return openServer(config, deps)
}

/**
 * Answers by the server once it is open.
 * @param onAsked is called at each request before
 */
function answerFrom(opening: Promise<RunningServer>, onAsked: () => void): RunningServer['fetch'] {
  let server: RunningServer | null = null
  const opened = opening.then((it) => {
    server = it
    return it
  })
  opened.catch(() => {})
  const early = new Hono<Env>().use(requestId()).use(applyHeadersEarly(secureHeaders())).route('/', livenessRoutes())
  return (request, binding) => {
    if (server !== null) return server.fetch(request, binding)
    onAsked()
    if (asksForLife(request)) return early.fetch(request)
    return opened.then((it) => it.fetch(request, binding))
  }
}

/** Recognizes a liveness probe by its path. Cross-origin requests of browsers are left to the server to check. */
function asksForLife(request: Request): boolean {
  return request.method === 'GET' && new URL(request.url).pathname === '/healthz' && !request.headers.has('Origin')
}

/** Makes the error body for a request that cannot be passed to the app, and logs it under the same request id. */
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
  makeFilesPrivate()
  const config = readConfig(process.env)
  try {
    if (command === undefined) return await start(config)
    const { runCommand } = await import('./node-commands.ts')
    console.log(await runCommand(config, command, args))
  } catch (error) {
    throw await explainStorageFault(error, config)
  }
}

if (IS_BUILT) mapStackTraces()
main(process.argv.slice(2)).catch((error: unknown) => {
  const shown =
    error instanceof ConfigError ? error.message : inspect(error instanceof Error ? describeError(error) : error)
  console.error(new Redactor().text(shown))
  process.exit(1)
})
