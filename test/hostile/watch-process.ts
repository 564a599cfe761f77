/**
 * Asks servers for `/healthz` from a process of its own, so that what is measured is theirs: the longest wait of each, the most CPU time that
 * it used during one, and beside it the wait for an idle server, which tells how much of it is the machine's. Controlled over IPC.
 */
import { fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Agent, createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import * as z from 'zod'
import { WatchCommand } from './watch.ts'

const EVERY_MS = 15

/** Asks an address again and again until it is stopped. */
class Poll {
  readonly #url: string
  readonly #cpuMs: () => number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  #sentAt: number | null = null
  #cpuAt = 0
  #worst = 0
  #worstCpu = 0
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  /** @param cpuMs tells the CPU time that the server has used */
  constructor(url: string, cpuMs: () => number) {
    this.#cpuMs = cpuMs
    this.#url = new URL('/healthz', url).href
    this.#ask()
  }

  #ask(): void {
    if (this.#stopped) return
    this.#sentAt = performance.now()
    this.#cpuAt = this.#cpuMs()
    const done = () => {
      if (this.#sentAt === null) return
      this.#worst = Math.max(this.#worst, performance.now() - this.#sentAt)
      this.#worstCpu = Math.max(this.#worstCpu, this.#cpuMs() - this.#cpuAt)
      this.#sentAt = null
      this.#timer = setTimeout(() => this.#ask(), EVERY_MS)
    }
    get(this.#url, { agent: this.#agent }, (response) => response.resume().on('close', done)).on('error', done)
  }

  /** Ends it. A question that is still open counts as long as it has waited. */
  stop(): { ms: number; cpuMs: number } {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#agent.destroy()
    const waiting = this.#sentAt === null ? 0 : performance.now() - this.#sentAt
    const used = this.#sentAt === null ? 0 : this.#cpuMs() - this.#cpuAt
    return { ms: Math.round(Math.max(this.#worst, waiting)), cpuMs: Math.round(Math.max(this.#worstCpu, used)) }
  }
}

/** CPU time that a process has used, in ms: of Node, that of the thread of its event loop; 0 where the system does not tell. */
function cpuMsOf(pid: number, isNode: boolean): number {
  try {
    if (isNode) return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) * 10
  } catch {
    return 0
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
    const { id, url, pid, isNode } = WatchCommand.parse(message)
    const open = polls.get(id)
    if (open === undefined) {
      const ours = new Poll(url, () => cpuMsOf(pid, isNode))
      polls.set(id, [ours, new Poll(`http://127.0.0.1:${port}`, () => 0)])
      return
    }
    const [watched, idle] = open
    polls.delete(id)
    const { ms: stallMs, cpuMs } = watched.stop()
    process.send?.({ id, stallMs, cpuMs, idleMs: idle.stop().ms })
  })
  process.on('disconnect', () => {
    idle.kill()
    process.exit()
  })
  process.send?.({ id: 0, stallMs: 0, cpuMs: 0, idleMs: 0 })
}

if (process.argv[2] === 'idle') beIdle()
else await watch()
