/** Servers to be probed: real processes on free loopback ports, in folders of their own, that end with the run however it ends. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildEdge } from '../../scripts/build-edge.ts'
import { scaled } from './limits.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const NODE_ENTRY = join(ROOT, 'scripts', 'start.js')
const EDGE_ENTRY = join(ROOT, 'test', 'support', 'cloudflare', 'process.ts')
const START_MS = scaled(90_000)
const MB = 1024

/** The two runtimes. */
export type Runtime = 'node' | 'cloudflare'

/** Processes that were started and have not ended; each is ended by its own id. */
export const children = {
  running: new Set<ChildProcess>(),
  /** Ends a process with the run. */
  add(child: ChildProcess): void {
    children.running.add(child)
    child.once('close', () => children.running.delete(child))
  },
}

const folders = new Set<string>()
const mounts = new Set<string>()

/** A fresh folder under the system's folder for temporary files; removed with the run. */
export function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-hostile-'))
  folders.add(folder)
  return folder
}

/** Mounts a file system in memory of `size` (as `mount` writes it) over a fresh folder. @throws where this machine does not let us */
export function mountSmall(size: string): string {
  const folder = freshFolder()
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], { stdio: 'pipe' })
  mounts.add(folder)
  return folder
}

/** Ends everything that was started here and removes every folder. Does so at once: it also runs when the runner is interrupted. */
export function endAll(): void {
  for (const child of children.running) endNow(child)
  for (const folder of mounts) {
    try {
      execFileSync('umount', ['--lazy', folder], { stdio: 'pipe' })
    } catch {
      // Unmounted before.
    }
  }
  mounts.clear()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  folders.clear()
}

/** Child processes of a process, by `/proc`; none where there is no such thing. */
export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text.split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function endNow(child: ChildProcess): void {
  const { pid } = child
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  // A runtime may have a process of its own below it, which would stay.
  for (const id of [...childrenOf(pid), pid]) {
    try {
      process.kill(id, 'SIGKILL')
    } catch {
      // Ended meanwhile.
    }
  }
}

/** How a server is started. */
export interface ServerOptions {
  readonly runtime?: Runtime
  /** Default: a fresh one. */
  readonly dataDir?: string
  readonly env?: Readonly<Record<string, string>>
  /** Options of Node itself, and a program that starts Node with what follows it. */
  readonly nodeOptions?: readonly string[]
  readonly under?: readonly string[]
}

/** A server process that listens. */
export class Server {
  readonly runtime: Runtime
  readonly url: string
  readonly port: number
  readonly dataDir: string
  readonly #child: ChildProcess
  readonly #output: { text: string }

  constructor(of: { runtime: Runtime; url: string; dataDir: string; child: ChildProcess; output: { text: string } }) {
    this.runtime = of.runtime
    this.url = of.url
    this.port = Number(new URL(of.url).port)
    this.dataDir = of.dataDir
    this.#child = of.child
    this.#output = of.output
  }

  /** What it has printed so far. */
  get output(): string {
    return this.#output.text
  }

  /** How the process ended; null while it runs. */
  get exit(): string | null {
    const { exitCode, signalCode } = this.#child
    return exitCode === null && signalCode === null ? null : `exit ${exitCode ?? signalCode}`
  }

  /** Id of the process that runs the server's code. */
  get pid(): number {
    const pid = this.#child.pid ?? 0
    return this.runtime === 'node' ? pid : (childrenOf(pid)[0] ?? pid)
  }

  /** Peak resident memory in MB since the start or `resetPeak`; null where the system does not tell. */
  peakMb(): number | null {
    try {
      const kilobytes = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1]
      return kilobytes === undefined ? null : Math.round(Number(kilobytes) / MB)
    } catch {
      return null
    }
  }

  /** Lets the peak count from now on. */
  resetPeak(): void {
    try {
      writeFileSync(`/proc/${this.pid}/clear_refs`, '5')
    } catch {
      // Then it counts from the start.
    }
  }

  /** Sends a signal to the process that was started. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /** Waits until the process has ended, `ms` at most. */
  async ended(ms: number): Promise<boolean> {
    if (this.exit !== null) return true
    const limit = AbortSignal.timeout(scaled(ms))
    return once(this.#child, 'close', { signal: limit }).then(
      () => true,
      () => false,
    )
  }

  /** Ends the process at once. */
  async kill(): Promise<void> {
    if (this.exit !== null) return
    const closed = once(this.#child, 'close')
    endNow(this.#child)
    await closed
  }
}

let edgeBuild: Promise<string> | undefined

/** Builds the Worker, once a run. */
function builtEdge(): Promise<string> {
  edgeBuild ??= (async () => {
    const folder = join(freshFolder(), 'worker')
    await buildEdge(folder)
    return folder
  })()
  return edgeBuild
}

/** What a program printed, and its process. */
export interface Launched {
  readonly child: ChildProcess
  readonly output: { text: string }
}

/** Starts a program that ends with the run. Only what is given here reaches it. */
export function launch(command: string, args: readonly string[], env: Readonly<Record<string, string>>): Launched {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { PATH, HOME, ...env },
    stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
  })
  children.add(child)
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output.text += text
    })
  }
  child.on('error', (error) => {
    output.text += String(error)
  })
  return { child, output }
}

/** Runs Node's entry to its end: a command, or a start that is refused. */
export async function runEntry(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  limitMs = START_MS,
): Promise<{ code: number | string | null; output: string }> {
  const { child, output } = launch(process.execPath, [NODE_ENTRY, ...args], env)
  const limit = setTimeout(() => endNow(child), limitMs)
  const closed = once(child, 'close')
  // A start that was not refused.
  void ready(child, output).then(
    () => endNow(child),
    () => {},
  )
  await closed
  clearTimeout(limit)
  return { code: child.exitCode ?? child.signalCode, output: output.text }
}

/** Starts a server and waits until it listens. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const { runtime = 'node', env = {}, nodeOptions = [], under = [] } = options
  const dataDir = options.dataDir ?? freshFolder()
  const isNode = runtime === 'node'
  const build: Record<string, string> = isNode ? {} : { WORKER_BUILD: await builtEdge() }
  const [command = process.execPath, ...args] = [
    ...under,
    process.execPath,
    ...nodeOptions,
    isNode ? NODE_ENTRY : EDGE_ENTRY,
  ]
  const { child, output } = launch(command, args, { DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'info', ...build, ...env })
  const url = await ready(child, output)
  return new Server({ runtime, url, dataDir, child, output })
}

/** Waits until a server listens and says that it is ready: it listens before it has opened its database. @returns its address */
async function ready(child: ChildProcess, output: { text: string }): Promise<string> {
  const url = await listening(child, output)
  const end = Date.now() + START_MS
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`The server ended: ${output.text.slice(0, 300)}`)
    const answer = await fetch(new URL('/readyz', url)).catch(() => null)
    await answer?.text().catch(() => '')
    if (answer?.status === 200) return url
    if (Date.now() > end) throw new Error(`The server is not ready: ${output.text.slice(0, 300)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function listening(child: ChildProcess, output: { text: string }): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const limit = setTimeout(() => reject(new Error(`The server did not listen: ${output.text}`)), START_MS)
  const look = () => {
    const url = /listens on (http:\/\/\S+)\n/.exec(output.text)?.[1]
    if (url !== undefined) resolve(url)
  }
  const fail = () => reject(new Error(`The server ended: ${output.text.trim().slice(0, 300)}`))
  child.stdout?.on('data', look)
  child.once('close', fail)
  try {
    return await promise
  } catch (error) {
    endNow(child)
    throw error
  } finally {
    clearTimeout(limit)
    child.off('close', fail)
  }
}

/** A server that probes share, started again after one that ended or was found at fault. */
export class Target {
  readonly runtime: Runtime
  readonly #options: ServerOptions
  #server: Server | null = null

  constructor(options: ServerOptions = {}) {
    this.runtime = options.runtime ?? 'node'
    this.#options = options
  }

  /** The server, which listens. */
  async server(): Promise<Server> {
    if (this.#server !== null && this.#server.exit === null) return this.#server
    this.#server = await startServer(this.#options)
    return this.#server
  }

  /** Ends the server; the next probe gets another. */
  async discard(): Promise<void> {
    await this.#server?.kill()
    this.#server = null
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.discard()
  }
}
