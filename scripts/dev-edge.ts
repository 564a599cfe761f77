/**
 * `npm run dev:edge`: the Worker under `wrangler dev`, on this machine alone. Needs no account and no network. Honours `PORT` (the first of
 * a list), `DATA_DIR` and the variables of `docs/configuration.md` as `npm start` does.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { ConfigError, readConfig, VARIABLES } from '../src/config.ts'

const ROOT = join(import.meta.dirname, '..')
const WRANGLER = join(dirname(createRequire(import.meta.url).resolve('wrangler/package.json')), 'bin', 'wrangler.js')
/** On the platform the cron trigger does this. */
const SWEEP_EVERY_MS = 60_000
/** What is not for the Worker: it is about where it listens and what it keeps. */
const OURS = new Set(['HOST', 'PORT', 'DATA_DIR'])

/** Nothing leaves this machine: no figures on use, no look for updates or for where this machine is. */
const QUIET = {
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  CLOUDFLARE_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
  // Questions would wait for answers.
  CI: '1',
}

function wrangler(args: readonly string[], output: 'inherit' | 'pipe') {
  const options = { cwd: ROOT, env: { ...process.env, ...QUIET }, stdio: ['ignore', output, 'inherit'] as const }
  return spawn(process.execPath, [WRANGLER, ...args], { ...options, stdio: [...options.stdio] })
}

async function run(args: readonly string[]): Promise<void> {
  const child = wrangler(args, 'pipe')
  let said = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new ConfigError(`wrangler ${args.join(' ')} failed.\n${said}`)
}

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
  const folder = resolve(config.dataDir, 'edge')
  await mkdir(folder, { recursive: true })
  // Not as arguments, which every user of this machine can read.
  const given = VARIABLES.filter((name) => !OURS.has(name)).flatMap((name) => {
    const value = process.env[name]
    return value === undefined || value === '' ? [] : [`${name}=${JSON.stringify(value)}`]
  })
  const variables = join(folder, 'variables.env')
  await writeFile(variables, `${['HOST=127.0.0.1', ...given].join('\n')}\n`, { mode: 0o600 })
  const kept = ['--local', '--persist-to', folder]
  await run(['d1', 'migrations', 'apply', 'millrace', ...kept])
  const port = config.ports[0] || (await freePort())
  const child = wrangler(
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
