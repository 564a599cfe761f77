/**
 * `npm run dev:edge`: the Worker under `wrangler dev`, on this machine alone. Needs no account and no network. Honours `PORT` (the first of
 * a list), `DATA_DIR` and the variables of `docs/configuration.md` as `npm start` does. `-- --cron-seconds N` has what is due swept more
 * often than every minute.
 */
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Config, ConfigError, readConfig, VARIABLES } from '../src/config.ts'
import { createLookup } from '../src/drivers/dns-lookup.ts'
import { openServer } from './edge-database.ts'
import { startOutbound } from './edge-outbound.ts'
import { localState, migrateLocal, startWrangler, workerEnvironment } from './wrangler.ts'

/** Variables that are not passed to the Worker: they say where it listens and where its data is kept. */
const OURS = new Set(['HOST', 'PORT', 'DATA_DIR'])
/** A Worker that refuses everything for so long has variables it can't start with, or a database that is none. */
const REFUSING_MS = 15_000
const POLL_MS = 200

/** A port that is free now, of those asked for; 0 asks for any. Null where it is taken. */
async function freePort(port: number): Promise<number | null> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
  } catch {
    return null
  }
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : null
}

/** Wrangler listens on one port: the first of those asked for, or the first that is free of those nobody asked for. */
async function portOf({ ports, portsGiven }: Config): Promise<number> {
  const tried = portsGiven ? ports.slice(0, 1) : ports
  for (const port of tried) {
    const free = await freePort(port)
    if (free !== null) return free
  }
  throw new ConfigError(`PORT=${tried.at(-1)} is taken by another program. Choose another, for example PORT=8080.`)
}

function cronSeconds(): number {
  const { values } = parseArgs({ options: { 'cron-seconds': { type: 'string', default: '60' } } })
  const seconds = Number(values['cron-seconds'])
  if (seconds > 0) return seconds
  throw new ConfigError('--cron-seconds wants a number of seconds that is more than 0.')
}

/** Selects the variables for the Worker, and how it reaches URLs of callers: by itself only where any address is allowed. */
async function variables({ allowPrivateUrls, dnsServers }: Config): Promise<Record<string, string>> {
  const given = VARIABLES.filter((name) => !OURS.has(name)).flatMap((name) => {
    const value = process.env[name]
    return value === undefined || value === '' ? [] : [[name, value]]
  })
  const outbound = allowPrivateUrls
    ? {}
    : { DEV_OUTBOUND_URL: await startOutbound({ lookup: createLookup({ servers: dnsServers }) }) }
  return { HOST: '127.0.0.1', ...Object.fromEntries(given), ...outbound }
}

async function start(): Promise<void> {
  const everyMs = cronSeconds() * 1_000
  // Checked here, where a sentence can be shown; the Worker reads it once more.
  const config = readConfig({ ...process.env, HOST: '127.0.0.1' })
  const port = await portOf(config)
  const { folder, args: kept } = localState(resolve(config.dataDir))
  await mkdir(folder, { recursive: true })
  const server = await openServer(config)
  if (server === null) await migrateLocal(kept)
  else server.close()
  // Variables go through the environment, which only its owner can read and nobody rewrites: the file that wrangler would take them from
  // knows no way to write every text. Without a file named it would read one of the project's folder.
  const none = join(folder, 'variables.env')
  await writeFile(none, '')
  const at = ['--ip', '127.0.0.1', '--port', String(port)]
  const inspector = ['--inspector-ip', '127.0.0.1', '--inspector-port', String(await freePort(0))]
  const told = ['--env-file', none, '--show-interactive-dev-session', 'false']
  const child = startWrangler(['dev', ...kept, ...at, ...inspector, ...told], {
    output: 'inherit',
    env: workerEnvironment(await variables(config)),
  })
  const ended = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  const url = `http://127.0.0.1:${port}`
  const said = announce(url, ended.signal).then(async (refusal) => {
    if (refusal === null) return trigger(url, everyMs, ended.signal)
    child.kill('SIGTERM')
    return refusal
  })
  const [code] = await once(child, 'close')
  ended.abort()
  const refusal = await said
  if (refusal !== null) throw new ConfigError(refusal)
  process.exit(typeof code === 'number' ? code : 0)
}

/**
 * Says where it listens once it answers, as `npm start` does.
 * @returns why it does not, where it keeps on refusing
 */
async function announce(url: string, ended: AbortSignal): Promise<string | null> {
  let refusedSince: number | null = null
  while (!ended.aborted) {
    const answer = await fetch(`${url}/healthz`).catch(() => null)
    if (answer?.ok === true) {
      console.log(`Millrace listens on ${url}`)
      return null
    }
    if (answer !== null) {
      const text = await answer.text()
      refusedSince ??= Date.now()
      if (Date.now() - refusedSince > REFUSING_MS) return `The Worker answers ${answer.status} to everything: ${text}`
    }
    await pause(POLL_MS)
  }
  return null
}

/** On the platform the cron trigger does this. What is no success is told. */
async function trigger(url: string, everyMs: number, ended: AbortSignal): Promise<null> {
  while (!ended.aborted) {
    await pause(everyMs, undefined, { signal: ended }).catch(() => {})
    if (ended.aborted) break
    const said = await scheduled(url)
    if (said !== 200 && !ended.aborted) console.error(`The cron trigger of the Worker came to nothing: ${said}`)
  }
  return null
}

/** Runs what is scheduled, however long it takes. Answers with the status, or what went wrong. */
function scheduled(url: string): Promise<number | string> {
  return new Promise((resolve) => {
    get(`${url}/cdn-cgi/handler/scheduled`, (answer) => {
      answer.on('end', () => resolve(answer.statusCode ?? 0)).resume()
    }).on('error', (error) => resolve(error.message))
  })
}

start().catch((error: unknown) => {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exit(1)
})
