/**
 * Memory of a Worker's isolate alone, apart from the D1 and R2 that the same process plays: what workerd's inspector counts of it. An answer
 * comes only between turns of the Worker's event loop: see paced-worker.ts.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'

const SAMPLE_MS = 5
/** Collections in a row of which the least that is used counts: the isolate may work between a collection and the reading after it. */
const COLLECTIONS = 3
/** Of the Worker among those that Miniflare runs beside it. */
const OURS = 'core:user:'

const Targets = z.array(z.object({ id: z.string() }))
/** Bytes: V8's heap, what the runtime's own objects take beside it, and the buffers of both. */
const Usage = z.object({ usedSize: z.int(), embedderHeapUsedSize: z.int(), backingStorageSize: z.int() })
const Answer = z.object({ id: z.int(), result: z.unknown() })

/** What an isolate used while some work was done; bytes. */
export interface IsolateUse {
  /** At most, what could have been collected among it. */
  readonly most: number
  /** At most just after a collection; 0 where none was asked for. */
  readonly held: number
}

/** A connection to an isolate's inspector. */
export class IsolateMemory {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (result: unknown) => void>()
  #lastId = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => {
      // Notices have no id.
      const answer = Answer.safeParse(JSON.parse(String(data))).data
      if (answer === undefined) return
      this.#waiting.get(answer.id)?.(answer.result)
      this.#waiting.delete(answer.id)
    })
  }

  /** @param inspector where workerd's inspector listens, as Miniflare says */
  static async attach(inspector: URL): Promise<IsolateMemory> {
    const list = await fetch(`http://${inspector.host}/json`)
    const target = Targets.parse(await list.json()).find(({ id }) => id.startsWith(OURS))
    if (target === undefined) throw new Error('The inspector knows no Worker.')
    const socket = new WebSocket(`ws://${inspector.host}/${target.id}`)
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve)
      socket.addEventListener('error', reject)
    })
    const memory = new IsolateMemory(socket)
    await memory.#ask('HeapProfiler.enable')
    return memory
  }

  /**
   * Watches while `work` is done.
   * @param collectEveryMs how often garbage is collected; null leaves that to V8
   */
  async during(work: () => Promise<unknown>, collectEveryMs: number | null): Promise<IsolateUse> {
    const use = { most: 0, held: 0 }
    let working = true
    const sampling = async () => {
      while (working) {
        use.most = Math.max(use.most, await this.#used())
        await pause(SAMPLE_MS)
      }
    }
    // Done when the isolate next runs, so there may be no end of the last one.
    const collecting = async (everyMs: number) => {
      while (working) {
        let least = Number.POSITIVE_INFINITY
        for (let i = 0; i < COLLECTIONS && working; i++) {
          await this.#ask('HeapProfiler.collectGarbage')
          least = Math.min(least, await this.#used())
        }
        if (working) use.held = Math.max(use.held, least)
        await pause(everyMs)
      }
    }
    const sampled = sampling()
    if (collectEveryMs !== null) void collecting(collectEveryMs)
    try {
      await work()
    } finally {
      working = false
      await sampled
    }
    return use
  }

  close(): void {
    this.#socket.close()
  }

  async #used(): Promise<number> {
    const usage = Usage.parse(await this.#ask('Runtime.getHeapUsage'))
    return usage.usedSize + usage.embedderHeapUsedSize + usage.backingStorageSize
  }

  #ask(method: string): Promise<unknown> {
    const id = ++this.#lastId
    const { promise, resolve } = Promise.withResolvers<unknown>()
    this.#waiting.set(id, resolve)
    this.#socket.send(JSON.stringify({ id, method }))
    return promise
  }
}
