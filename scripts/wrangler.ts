/** Wrangler, as the scripts run it: without questions, and telling nobody. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { ConfigError } from '../src/config.ts'

const ROOT = join(import.meta.dirname, '..')
const WRANGLER = join(dirname(createRequire(import.meta.url).resolve('wrangler/package.json')), 'bin', 'wrangler.js')

/** Nothing is sent that was not asked for: no figures on use, no look for updates or for where this machine is. */
const QUIET = {
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  // The output is parsed, so nothing else may be printed to it.
  WRANGLER_LOG: 'log',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  CLOUDFLARE_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
  // It shows and changes what D1, R2 and the objects hold to whoever asks, without a key.
  X_LOCAL_EXPLORER: 'false',
  X_LOCAL_OBSERVABILITY: 'false',
  // Questions would wait for answers.
  CI: '1',
}

/** Options for starting wrangler. */
export interface WranglerOptions {
  /** Destination of its standard output: shown (`inherit`), or read by the caller (`pipe`). */
  readonly output: 'inherit' | 'pipe'
  /** Its environment; default: ours. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** Starts wrangler in the project's folder. What it says on standard error is shown. */
export function startWrangler(args: readonly string[], { output, env = process.env }: WranglerOptions): ChildProcess {
  return spawn(process.execPath, [WRANGLER, ...args], {
    cwd: ROOT,
    env: { ...env, ...QUIET },
    stdio: ['ignore', output, 'inherit'],
  })
}

/**
 * Runs wrangler to its end.
 * @returns what it printed
 * @throws ConfigError with what it printed, where it failed
 */
export async function runWrangler(args: readonly string[]): Promise<string> {
  const child = startWrangler(args, { output: 'pipe' })
  let said = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new ConfigError(`wrangler ${args.slice(0, 3).join(' ')} failed.\n${said.trim()}`)
  return said
}

/** Builds the environment of a Worker on this machine: its variables, beside the environment that wrangler itself needs. */
export function workerEnvironment(variables: Readonly<Record<string, string>>): Record<string, string | undefined> {
  // All of it is bound to the Worker, so no more is passed on than programs need to run.
  const own = OF_PROGRAMS.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
  return { ...Object.fromEntries(own), CLOUDFLARE_INCLUDE_PROCESS_ENV: 'true', ...variables }
}

const OF_PROGRAMS = [
  ...['PATH', 'HOME', 'TMPDIR', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME'],
  ...['SystemRoot', 'APPDATA', 'LOCALAPPDATA', 'USERPROFILE', 'TEMP'],
]

/** The folder in which `npm run dev:edge` keeps what D1, R2 and the objects hold, and how wrangler is told of it. */
export function localState(dataDir: string): { folder: string; args: readonly string[] } {
  const folder = join(dataDir, 'edge')
  return { folder, args: ['--local', '--persist-to', folder] }
}

/** Brings D1's tables on this machine up to date. */
export async function migrateLocal(args: readonly string[]): Promise<void> {
  await runWrangler(['d1', 'migrations', 'apply', 'millrace', ...args])
}
