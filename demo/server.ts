/** The server of the demo: a child process that is started, waited for, and told to stop. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DemoError } from './client.ts'

const ENTRY = join(import.meta.dirname, '..', 'scripts', 'start.js')
const USUAL_PORT = 8000
const START_MS = 30_000
const POLL_MS = 50
/** How much of what the server says is kept for when it does not start. */
const KEPT_OUTPUT = 4_000
/** Signals closer together than this are one: a terminal and npm both pass a Ctrl-C on. */
const SAME_SIGNAL_MS = 500

/** A server that was started. */
export interface DemoServer {
  /** `http://127.0.0.1:8000`; empty until it answers. */
  readonly url: string
  /** Resolves with the exit code when it has ended. */
  readonly ended: Promise<number>
  /** Whether this process was told to end, which was passed on to it. */
  readonly interrupted: boolean
  /** Lets it write to this process's standard error from now on. */
  show(): void
  /**
   * Waits until it answers.
   * @throws DemoError with what it said, when it does not
   */
  answers(): Promise<void>
  /** Ends it in order. */
  stop(): Promise<number>
}

/** The ports to try: the one asked for, else the server's own choice where the usual one is free, else any that is. */
async function portVariable(): Promise<{ PORT?: string }> {
  const { PORT = '' } = process.env
  if (PORT !== '') return { PORT }
  return (await isFree(USUAL_PORT)) ? {} : { PORT: '0' }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  try {
    probe.listen(port, '127.0.0.1')
    await once(probe, 'listening')
    return true
  } catch {
    return false
  } finally {
    probe.close()
  }
}

/** Starts the server on this machine alone. */
export async function startServer(dataDir: string): Promise<DemoServer> {
  const child = spawn(process.execPath, [ENTRY], {
    env: {
      LOG_LEVEL: 'warn',
      ...process.env,
      ...(await portVariable()),
      HOST: '127.0.0.1',
      MILLRACE_AUTH: 'open',
      DATA_DIR: dataDir,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Out of the terminal's group: a Ctrl-C reaches it once, from here, since a second one would end it without order.
    detached: true,
  })
  return new Server(child)
}

class Server implements DemoServer {
  readonly ended: Promise<number>
  readonly #child: ChildProcess
  #said = ''
  #shown = false
  #url = ''
  #signalled = 0
  #over = false

  constructor(child: ChildProcess) {
    this.#child = child
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.#said += error.message
        resolve(1)
      })
      child.once('close', (code) => {
        this.#over = true
        resolve(code ?? 1)
      })
    })
    // At once: nobody else could end a server that has a group of its own.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => this.#forward(signal))
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#hear(text))
    }
  }

  get url(): string {
    return this.#url
  }

  get interrupted(): boolean {
    return this.#signalled > 0
  }

  show(): void {
    this.#shown = true
  }

  /** Passes on what would end this process; the server's end then ends it. */
  #forward(signal: NodeJS.Signals): void {
    const now = performance.now()
    if (this.interrupted && now - this.#signalled < SAME_SIGNAL_MS) return
    this.#signalled = now
    this.#child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal)
  }

  async stop(): Promise<number> {
    this.#child.kill('SIGTERM')
    return this.ended
  }

  async answers(): Promise<void> {
    const gone = this.ended.then((code) => {
      throw new DemoError(`The server ended with code ${code} before it answered. It said:\n${this.#said.trim()}`)
    })
    await Promise.race([this.#healthy(), gone])
  }

  async #healthy(): Promise<void> {
    const until = performance.now() + START_MS
    while (performance.now() < until && !this.#over) {
      if (this.#url !== '' && (await this.#isHealthy())) return
      await sleep(POLL_MS)
    }
    throw new DemoError(`The server did not answer within ${START_MS / 1_000} seconds. It said:\n${this.#said.trim()}`)
  }

  async #isHealthy(): Promise<boolean> {
    const answer = await fetch(new URL('/healthz', this.#url)).catch(() => null)
    await answer?.body?.cancel()
    return answer?.ok === true
  }

  #hear(text: string): void {
    if (this.#shown) process.stderr.write(text)
    this.#said = (this.#said + text).slice(-KEPT_OUTPUT)
    if (this.#url === '') this.#url = /listens on (http:\/\/\S+)\n/.exec(this.#said)?.[1] ?? ''
  }
}
