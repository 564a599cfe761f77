/**
 * A real server for tests as a child process on a free loopback port, with a data folder of its own: the built one, or, for suites that run
 * in the project `server-cloudflare`, the Worker in the platform's own runtime.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'
import { CloudflareAnswer, type CloudflareQuestion } from './cloudflare/questions.ts'
import { copyTemplateDatabase, MIGRATIONS } from './template-copy.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** Where these tests run: set by the project in vitest.config.ts. */
export const ON_CLOUDFLARE = process.env.MILLRACE_TEST_RUNTIME === 'cloudflare'
const ENTRY = ON_CLOUDFLARE ? join(import.meta.dirname, 'cloudflare', 'process.ts') : join(ROOT, 'scripts', 'start.js')
const preload = (name: string) => ['--import', pathToFileURL(join(import.meta.dirname, name)).href]
const Stretch = z.object({ longestMs: z.number() })

/** How a server is started. */
export interface StartOptions {
  /** Default: a fresh one, removed with the server. */
  readonly dataDir?: string
  /** Default: one that is free. */
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
  /** A program, with its arguments, that is given the server's command line to run. Default: none. */
  readonly runBy?: readonly string[]
  /** Whether {@link TestServer.longestStretchMs} is measured. Default: no. */
  readonly measuresLoop?: boolean
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Only what a test sets reaches the server, not what happens to be set around the tests. */
function environment(env: Readonly<Record<string, string>>, measuresLoop: boolean): NodeJS.ProcessEnv {
  const { PATH, HOME, WORKER_BUILD, MEASURED_WORKER_BUILD } = process.env
  const build = measuresLoop ? { WORKER_BUILD: MEASURED_WORKER_BUILD, MEASURES_LOOP: '1' } : { WORKER_BUILD }
  return { PATH, HOME, ...(ON_CLOUDFLARE ? build : {}), LOG_LEVEL: 'info', ...env }
}

/** A server that listens. */
export class TestServer {
  readonly url: string
  readonly port: number
  readonly dataDir: string
  readonly pid: number
  readonly #child: ChildProcess
  readonly #exit: Promise<Exit>
  readonly #output: { text: string }
  readonly #ownsFolder: boolean

  constructor(started: {
    url: string
    dataDir: string
    ownsFolder: boolean
    child: ChildProcess
    exit: Promise<Exit>
    output: { text: string }
  }) {
    this.url = started.url
    this.port = Number(new URL(started.url).port)
    this.dataDir = started.dataDir
    this.pid = started.child.pid ?? 0
    this.#child = started.child
    this.#exit = started.exit
    this.#output = started.output
    this.#ownsFolder = started.ownsFolder
  }

  /** What it has said so far, on both outputs. */
  get output(): string {
    return this.#output.text
  }

  /** Waits until it has said a text, on either output. */
  async says(text: string): Promise<void> {
    const ended = this.#exit.then((): never => {
      throw new Error(`The server ended and had not said "${text}": ${this.output}`)
    })
    // It may end later, when nobody waits for a text any more.
    ended.catch(() => {})
    while (!this.output.includes(text)) {
      await Promise.race([ended, ...this.#child.stdio.slice(1, 3).map((stream) => stream && once(stream, 'data'))])
    }
  }

  /** Sends a signal and waits until the process has ended. On Cloudflare whatever signal ends the runtime at once. */
  async end(signal: NodeJS.Signals): Promise<Exit> {
    this.#child.kill(ON_CLOUDFLARE ? 'SIGTERM' : signal)
    return this.#exit
  }

  /** The process that runs the server's code. */
  async processId(): Promise<number> {
    if (!ON_CLOUDFLARE) return this.pid
    return Number((await readFile(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8')).split(' ')[0])
  }

  /** Asks a server on Cloudflare for what is not served over HTTP. */
  async ask(question: CloudflareQuestion): Promise<CloudflareAnswer> {
    const answered = once(this.#child, 'message')
    this.#child.send(question)
    const [answer] = await answered
    return CloudflareAnswer.parse(answer)
  }

  /** The most CPU time that its event loop's thread took in one iteration since this was last asked, in milliseconds; see `measuresLoop`. */
  async longestStretchMs(): Promise<number> {
    const answered = once(this.#child, 'message')
    this.#child.send('longest stretch')
    const [answer] = await answered
    return Stretch.parse(answer).longestMs
  }

  /** Ends it, whatever it does, and removes the folder it was given. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL')
    if (this.#ownsFolder) await rm(this.dataDir, { recursive: true, force: true })
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(new URL(path, this.url), init)
  }

  /** The file of its database, to be looked at from outside. */
  get databaseFile(): string {
    return ON_CLOUDFLARE ? d1DatabaseFile(this.dataDir) : join(this.dataDir, 'millrace.db')
  }

  /** Every file in its blob folder, what is only half written included; on Cloudflare, every key of its bucket. */
  async blobs(): Promise<string[]> {
    if (ON_CLOUDFLARE) return (await this.ask({ do: 'blobs' })).lines
    const entries = await readdir(join(this.dataDir, 'blobs'), { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  }
}

/** The file that D1 keeps in the folder of a server on Cloudflare. */
export function d1DatabaseFile(dataDir: string): string {
  const folder = join(dataDir, 'd1', 'miniflare-D1DatabaseObject')
  const name = readdirSync(folder).find((one) => /^[0-9a-f]+\.sqlite$/.test(one))
  return join(folder, name ?? '')
}

/** A folder of its own under the system's folder for temporary files. */
export function freshFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'millrace-server-'))
}

function launch(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  { runBy = [], measuresLoop = false }: Pick<StartOptions, 'runBy' | 'measuresLoop'> = {},
) {
  // The Worker's process ends its workerd first.
  const preloaded = ON_CLOUDFLARE
    ? []
    : [...preload('end-with-tests.js'), ...(measuresLoop ? preload('loop-stretches.js') : [])]
  const [program = process.execPath, ...line] = [...runBy, process.execPath, ...preloaded, ENTRY, ...args]
  const child = spawn(program, line, {
    cwd: ROOT,
    env: environment(env, measuresLoop),
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  if (child.stdout === null || child.stderr === null) throw new Error('The server has no output to be read.')
  const { stdout, stderr } = child
  const output = { text: '' }
  for (const stream of [stdout, stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output.text += text
    })
  }
  const endWithTests = () => void child.kill(ON_CLOUDFLARE ? 'SIGTERM' : 'SIGKILL')
  process.once('exit', endWithTests)
  const exit = once(child, 'close').then(([code, signal]): Exit => {
    process.off('exit', endWithTests)
    return { code, signal }
  })
  return { child, stdout, output, exit }
}

/** Starts a server and waits until it works: it listens before it has opened its database. */
export async function startServer(options: StartOptions = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? (await freshFolder())
  if (options.dataDir === undefined && !ON_CLOUDFLARE) await copyTemplateDatabase(dataDir)
  const env = { DATA_DIR: dataDir, PORT: String(options.port ?? 0), ...options.env }
  const { child, stdout, output, exit } = launch([], env, options)
  const url = await new Promise<string>((resolve, reject) => {
    stdout.on('data', () => {
      const found = /listens on (http:\/\/\S+)\n/.exec(output.text)?.[1]
      if (found !== undefined) resolve(found)
    })
    void exit.then(({ code }) => reject(new Error(`The server ended with code ${code}: ${output.text}`)))
  })
  if (!ON_CLOUDFLARE)
    await Promise.race([exit, fetch(new URL('/readyz', url)).then((response) => response.body?.cancel())])
  return new TestServer({ url, dataDir, ownsFolder: options.dataDir === undefined, child, exit, output })
}

/** Runs the entry to its end: a command, or a start that is refused. */
export async function runEntry(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  runBy?: readonly string[],
): Promise<Exit & { output: string }> {
  const { output, exit } = launch(args, env, runBy === undefined ? {} : { runBy })
  const { code, signal } = await exit
  return { code, signal, output: output.text }
}

/**
 * Does what the command `keys` does beside a server, without a process for each call. That the command itself runs is tested in
 * test/node/backup.node.test.ts and test/cloudflare/dev-server.cloudflare.test.ts.
 */
export async function runKeys(server: TestServer, args: readonly string[]): Promise<{ code: number; output: string }> {
  if (ON_CLOUDFLARE) {
    const { lines, code } = await server.ask({ do: 'command', args: ['keys', ...args] })
    return { code, output: `${lines.join('\n')}\n` }
  }
  // Loaded by the few suites that make keys; every suite imports this module.
  const [{ keysCommand }, { ConfigError }, { openLibsql }] = await Promise.all([
    import('../../src/commands.ts'),
    import('../../src/config.ts'),
    import('../../src/drivers/db-libsql.ts'),
  ])
  const { db, close } = await openLibsql(pathToFileURL(server.databaseFile).href, { migrations: MIGRATIONS })
  try {
    return { code: 0, output: `${await keysCommand({ db, clock: Date, called: 'npm run keys --' }, args)}\n` }
  } catch (error) {
    if (error instanceof ConfigError) return { code: 1, output: `${error.message}\n` }
    throw error
  } finally {
    close()
  }
}

/** What curl prints; fails when curl does. */
export async function curl(args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('curl', ['--silent', '--show-error', ...args], {
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout
}
