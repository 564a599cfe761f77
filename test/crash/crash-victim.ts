/** A server process that is killed again and again, on one data folder and one port. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const ENTRY = join(import.meta.dirname, '..', '..', 'scripts', 'start.js')
const END_WITH_TESTS = pathToFileURL(join(import.meta.dirname, '..', 'support', 'end-with-tests.js')).href
/** What is kept of what the process says, in characters. */
const OUTPUT_KEPT = 4_000

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  if (address === null || typeof address === 'string') throw new Error('A TCP server has a port.')
  return address.port
}

/** `node scripts/start.js`, started anew after every death. */
export class MortalServer {
  readonly url: string
  readonly #environment: NodeJS.ProcessEnv
  #child: ChildProcess | null = null
  #output = ''

  constructor(options: { dataDir: string; port: number; env?: Readonly<Record<string, string>> }) {
    this.url = `http://127.0.0.1:${options.port}`
    this.#environment = {
      PATH: process.env.PATH,
      DATA_DIR: options.dataDir,
      PORT: String(options.port),
      LOG_LEVEL: 'warn',
      ...options.env,
    }
  }

  /** The end of what all its lives have said. */
  get output(): string {
    return this.#output
  }

  /** Starts a life. @returns a promise that it is ready for work; false when it ended before it was */
  async start(): Promise<boolean> {
    const child = spawn(process.execPath, ['--import', END_WITH_TESTS, ENTRY], {
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    if (child.stdout === null || child.stderr === null) throw new Error('The server has no output to be read.')
    const { stdout, stderr } = child
    this.#child = child
    const listens = await new Promise<boolean>((resolve) => {
      for (const stream of [stdout, stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          if (text.includes('listens on')) resolve(true)
          else this.#output = (this.#output + text).slice(-OUTPUT_KEPT)
        })
      }
      child.once('close', () => resolve(false))
    })
    // It listens before it has opened its database; until then it holds this question.
    return (
      listens &&
      fetch(`${this.url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
  }

  /** `kill -9`. Resolves when the process is gone; its exit code where it had ended by itself, which no test wants. */
  async kill(): Promise<number | null> {
    const child = this.#child
    this.#child = null
    if (child === null) return null
    const gone = child.exitCode !== null ? Promise.resolve() : once(child, 'close')
    child.kill('SIGKILL')
    await gone
    return child.exitCode
  }
}
