/**
 * `npm run dev:edge`: the Worker under `wrangler dev`, on this machine alone. Needs no account and no network. Honours `PORT` (the first of
 * a list), `DATA_DIR` and the variables of `docs/configuration.md` as `npm start` does.
 */
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join, resolve } from 'node:path'
import { ConfigError, readConfig, VARIABLES } from '../src/config.ts'
import { localState, runWrangler, startWrangler } from './wrangler.ts'

/** On the platform the cron trigger does this. */
const SWEEP_EVERY_MS = 60_000
/** What is not for the Worker: it is about where it listens and what it keeps. */
const OURS = new Set(['HOST', 'PORT', 'DATA_DIR'])

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function start(): Promise<void> {
  // Checked here, where a sentence can be shown; the Worker reads it once more.
  const config = readConfig({ ...process.env, HOST: '127.0.0.1' })
  const { folder, args: kept } = localState(resolve(config.dataDir))
  await mkdir(folder, { recursive: true })
  // Not as arguments, which every user of this machine can read.
  const given = VARIABLES.filter((name) => !OURS.has(name)).flatMap((name) => {
    const value = process.env[name]
    return value === undefined || value === '' ? [] : [`${name}=${JSON.stringify(value)}`]
  })
  const variables = join(folder, 'variables.env')
  await writeFile(variables, `${['HOST=127.0.0.1', ...given].join('\n')}\n`, { mode: 0o600 })
  await runWrangler(['d1', 'migrations', 'apply', 'millrace', ...kept])
  const port = config.ports[0] || (await freePort())
  const child = startWrangler(
    [
      'dev',
      ...kept,
      '--ip',
      '127.0.0.1',
      '--port',
      String(port),
      '--inspector-port',
      String(await freePort()),
      '--inspector-ip',
      '127.0.0.1',
      '--env-file',
      variables,
      '--show-interactive-dev-session',
      'false',
      '--test-scheduled',
    ],
    'inherit',
  )
  const url = `http://127.0.0.1:${port}`
  const sweep = setInterval(() => fetch(`${url}/__scheduled`).catch(() => {}), SWEEP_EVERY_MS)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  void announce(url)
  const [code] = await once(child, 'close')
  clearInterval(sweep)
  process.exitCode = typeof code === 'number' ? code : 0
  process.exit()
}

/** Says where it listens once it answers, as `npm start` does. */
async function announce(url: string): Promise<void> {
  for (;;) {
    const answer = await fetch(`${url}/healthz`).catch(() => null)
    if (answer?.ok === true) return console.log(`Millrace listens on ${url}`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

start().catch((error: unknown) => {
  console.error(error instanceof ConfigError ? error.message : error)
  process.exit(1)
})
