/**
 * Asks servers for `/healthz` from a process of its own, so that what is measured is theirs: the longest wait of each, and beside it that of
 * an idle server, which tells how much of the wait is the machine's. Steered over IPC.
 */
import { fork } from 'node:child_process'
import { Agent, createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { WatchCommand } from './watch.ts'

const EVERY_MS = 15

/** Asks an address again and again until it is stopped. */
class Poll {
  readonly #url: string
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  #sentAt: number | null = null
  #worst = 0
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(url: string) {
    this.#url = new URL('/healthz', url).href
    this.#ask()
  }

  #ask(): void {
    if (this.#stopped) return
    this.#sentAt = performance.now()
    const done = () => {
      if (this.#sentAt === null) return
      this.#worst = Math.max(this.#worst, performance.now() - this.#sentAt)
      this.#sentAt = null
      this.#timer = setTimeout(() => this.#ask(), EVERY_MS)
    }
    get(this.#url, { agent: this.#agent }, (response) => response.resume().on('close', done)).on('error', done)
  }

  /** Ends it. A question that is still open counts as long as it has waited. */
  stop(): number {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#agent.destroy()
    const waiting = this.#sentAt === null ? 0 : performance.now() - this.#sentAt
    return Math.round(Math.max(this.#worst, waiting))
  }
}

/** An idle server in a process of its own. */
function beIdle(): void {
  const server = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (typeof address === 'object' && address !== null) process.send?.({ port: address.port } satisfies Port)
  })
  process.on('disconnect', () => process.exit())
}

type Port = Pick<AddressInfo, 'port'>

async function watch(): Promise<void> {
  const idle = fork(fileURLToPath(import.meta.url), ['idle'])
  const port = await new Promise<number>((resolve) => {
    idle.once('message', (message) => resolve(z.object({ port: z.int() }).parse(message).port))
  })
  const polls = new Map<number, readonly [Poll, Poll]>()
  process.on('message', (message) => {
    const { id, url } = WatchCommand.parse(message)
    const open = polls.get(id)
    if (open === undefined) {
      polls.set(id, [new Poll(url), new Poll(`http://127.0.0.1:${port}`)])
      return
    }
    const [stallMs = 0, idleMs = 0] = open.map((poll) => poll.stop())
    polls.delete(id)
    process.send?.({ id, stallMs, idleMs })
  })
  process.on('disconnect', () => {
    idle.kill()
    process.exit()
  })
  process.send?.({ id: 0, stallMs: 0, idleMs: 0 })
}

if (process.argv[2] === 'idle') beIdle()
else await watch()
