/**
 * A real server for tests as a child process on a free loopback port, with a data folder of its own: the built one, or, for suites that run
 * in the project `edge`, the Worker in the platform's own runtime.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { EdgeAnswer, type EdgeQuestion } from './edge-questions.ts'

const ROOT = join(import.meta.dirname, '..', '..')
/** Where these tests run: set by the project in vitest.config.ts. */
export const ON_EDGE = process.env.MILLRACE_TEST_HOME === 'edge'
const ENTRY = ON_EDGE ? join(import.meta.dirname, 'edge-process.ts') : join(ROOT, 'scripts', 'start.js')

/** Servers at the edge by their folders: what Node does by command, they are asked to do. */
const edgeServers = new Map<string, TestServer>()

/** How a server is started. */
export interface StartOptions {
  /** Default: a fresh one, removed with the server. */
  readonly dataDir?: string
  /** Default: one that is free. */
  readonly port?: number
  readonly env?: Readonly<Record<string, string>>
  /** A program, with its arguments, that is given the server's command line to run. Default: none. */
  readonly runBy?: readonly string[]
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Only what a test sets reaches the server, not what happens to be set around the tests. */
function environment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { PATH, HOME, EDGE_BUILD } = process.env
  return { PATH, HOME, ...(ON_EDGE ? { EDGE_BUILD } : {}), LOG_LEVEL: 'info', ...env }
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

  /** Sends a signal and waits until the process has ended. At the edge whatever signal ends the runtime at once. */
  async end(signal: NodeJS.Signals): Promise<Exit> {
    this.#child.kill(ON_EDGE ? 'SIGTERM' : signal)
    return this.#exit
  }

  /** The process that runs the server's code. */
  async processId(): Promise<number> {
    if (!ON_EDGE) return this.pid
    return Number((await readFile(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8')).split(' ')[0])
  }

  /** Asks a server at the edge for what is not served over HTTP. */
  async ask(question: EdgeQuestion): Promise<EdgeAnswer> {
    const answered = once(this.#child, 'message')
    this.#child.send(question)
    const [answer] = await answered
    return EdgeAnswer.parse(answer)
  }

  /** Ends it, whatever it does, and removes the folder it was given. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL')
    if (this.#ownsFolder) await rm(this.dataDir, { recursive: true, force: true })
  }

  async fetch(path: string, init?: RequestInit): Promise<Response> {
    const send = () => fetch(new URL(path, this.url), init)
    if (!ON_EDGE) return send()
    // Where workerd itself is the server, it hangs up on a body that a refusal left unread; a client that still writes may see no more than that.
    return send().catch((error: unknown) => {
      if (isRefusedMidway(error)) return send()
      throw error
    })
  }

  /** The file of its database, to be looked at from outside. */
  get databaseFile(): string {
    return ON_EDGE ? edgeDatabaseFile(this.dataDir) : join(this.dataDir, 'millrace.db')
  }

  /** Every file in its blob folder, what is only half written included; at the edge, every key of its bucket. */
  async blobs(): Promise<string[]> {
    if (ON_EDGE) return (await this.ask({ do: 'blobs' })).lines
    const entries = await readdir(join(this.dataDir, 'blobs'), { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  }
}

function isRefusedMidway(error: unknown): boolean {
  const cause = error instanceof TypeError ? error.cause : null
  return cause instanceof Error && 'code' in cause && cause.code === 'EPIPE'
}

/** The file that D1 keeps in the folder of a server at the edge. */
export function edgeDatabaseFile(dataDir: string): string {
  const folder = join(dataDir, 'd1', 'miniflare-D1DatabaseObject')
  const name = readdirSync(folder).find((one) => /^[0-9a-f]+\.sqlite$/.test(one))
  return join(folder, name ?? '')
}

/** A folder of its own under the system's folder for temporary files. */
export function freshFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'millrace-server-'))
}

function launch(args: readonly string[], env: Readonly<Record<string, string>>, runBy: readonly string[] = []) {
  const [program = process.execPath, ...line] = [...runBy, process.execPath, ENTRY, ...args]
  const child = spawn(program, line, {
    cwd: ROOT,
    env: environment(env),
    // At the edge the end of its input tells that the tests are gone.
    stdio: ON_EDGE ? ['pipe', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
  })
  if (child.stdout === null || child.stderr === null) throw new Error('The server has no output to be read.')
  const { stdout, stderr } = child
  const output = { text: '' }
  for (const stream of [stdout, stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output.text += text
    })
  }
  const endWithTests = () => void child.kill(ON_EDGE ? 'SIGTERM' : 'SIGKILL')
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
  const env = { DATA_DIR: dataDir, PORT: String(options.port ?? 0), ...options.env }
  const { child, stdout, output, exit } = launch([], env, options.runBy)
  const url = await new Promise<string>((resolve, reject) => {
    stdout.on('data', () => {
      const found = /listens on (http:\/\/\S+)\n/.exec(output.text)?.[1]
      if (found !== undefined) resolve(found)
    })
    void exit.then(({ code }) => reject(new Error(`The server ended with code ${code}: ${output.text}`)))
  })
  if (!ON_EDGE) await Promise.race([exit, fetch(new URL('/readyz', url)).then((response) => response.body?.cancel())])
  const server = new TestServer({ url, dataDir, ownsFolder: options.dataDir === undefined, child, exit, output })
  if (ON_EDGE) edgeServers.set(dataDir, server)
  return server
}

/** Runs the entry to its end: a command, or a start that is refused. At the edge a server that runs does what the command would. */
export async function runEntry(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Exit & { output: string }> {
  const server = edgeServers.get(env.DATA_DIR ?? '')
  if (server !== undefined) {
    const { lines, code } = await server.ask({ do: 'command', args: [...args] })
    return { code, signal: null, output: `${lines.join('\n')}\n` }
  }
  const { output, exit } = launch(args, env)
  const { code, signal } = await exit
  return { code, signal, output: output.text }
}

/** What curl prints; fails when curl does. */
export async function curl(args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('curl', ['--silent', '--show-error', ...args], {
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout
}
