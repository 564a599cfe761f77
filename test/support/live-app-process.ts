/** The server to be followed, as a process of its own: so that what is measured of it is its own. Controlled over IPC. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { openLive } from './live-app.ts'

const Command = z.discriminatedUnion('do', [
  z.object({ do: z.literal('begin') }),
  z.object({ do: z.literal('write'), batchId: z.string(), count: z.int(), filler: z.int().default(0) }),
  z.object({ do: z.literal('finish'), batchId: z.string() }),
  z.object({ do: z.literal('stats') }),
  z.object({ do: z.literal('close') }),
])
type Command = z.input<typeof Command>

/** What a server process holds. Memory is in bytes, after garbage collection. */
const Stats = z.object({
  streams: z.int(),
  watched: z.int(),
  /** Kinds of handles that keep a process alive, with how many there are. */
  resources: z.record(z.string(), z.int()),
  heap: z.number(),
  /** Buffers, outside the heap. */
  buffers: z.number(),
  rss: z.number(),
  /** CPU time spent since the start, in microseconds. */
  cpu: z.number(),
})
export type Stats = z.infer<typeof Stats>
const Answer = z.object({ value: z.unknown() })

async function stats(live: Awaited<ReturnType<typeof openLive>>): Promise<Stats> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const memory = process.memoryUsage()
  const cpu = process.cpuUsage()
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  return {
    streams: live.hub.streams,
    watched: live.hub.watched,
    resources,
    heap: memory.heapUsed,
    buffers: memory.arrayBuffers,
    rss: memory.rss,
    cpu: cpu.user + cpu.system,
  }
}

async function serve(): Promise<void> {
  const { maxStreams } = z.object({ maxStreams: z.int().optional() }).parse(JSON.parse(process.argv[2] ?? '{}'))
  const live = await openLive(maxStreams === undefined ? {} : { maxStreams })
  const run = async (command: z.output<typeof Command>): Promise<unknown> => {
    switch (command.do) {
      case 'begin':
        return live.writer.begin()
      case 'write':
        return live.writer.write(command.batchId, command.count, { filler: 'x'.repeat(command.filler) })
      case 'finish':
        return live.writer.finish(command.batchId)
      case 'stats':
        return stats(live)
      case 'close':
        await live.close()
        process.disconnect()
    }
  }
  process.on('message', (message) => {
    void run(Command.parse(message)).then((value) => {
      if (process.connected) process.send?.({ value: value ?? null })
    })
  })
  process.once('disconnect', () => process.exit())
  process.send?.({ value: live.url })
}

/** A server process and its reins. */
export class ServerProcess {
  readonly #child: ChildProcess
  #url = ''

  constructor(options: { maxStreams?: number } = {}) {
    this.#child = fork(fileURLToPath(import.meta.url), [JSON.stringify(options)], {
      execArgv: ['--expose-gc'],
      env: { ...process.env, MILLRACE_TEST_SERVER: '1' },
    })
  }

  /** Starts one; answers when it listens. */
  static async start(options: { maxStreams?: number } = {}): Promise<ServerProcess> {
    const server = new ServerProcess(options)
    server.#url = z.string().parse(await server.#answer())
    return server
  }

  #answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = () => reject(new Error('The server process has ended.'))
      this.#child.once('exit', onExit)
      this.#child.once('message', (message) => {
        this.#child.off('exit', onExit)
        resolve(Answer.parse(message).value)
      })
    })
  }

  async #do(command: Command): Promise<unknown> {
    const answer = this.#answer()
    this.#child.send(command)
    return answer
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get url(): string {
    return this.#url
  }

  streamUrl(batchId: string): string {
    return `${this.#url}/api/batch/${batchId}/stream`
  }

  async begin(): Promise<string> {
    return z.string().parse(await this.#do({ do: 'begin' }))
  }

  /** @param filler bytes that each event carries */
  async write(batchId: string, count: number, filler = 0): Promise<void> {
    await this.#do({ do: 'write', batchId, count, filler })
  }

  async finish(batchId: string): Promise<void> {
    await this.#do({ do: 'finish', batchId })
  }

  async stats(): Promise<Stats> {
    return Stats.parse(await this.#do({ do: 'stats' }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.send({ do: 'close' })
    await gone
  }
}

if (process.env.MILLRACE_TEST_SERVER === '1') await serve()
