/** The process that watches servers while they are probed. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import * as z from 'zod'
import { children, type Server } from './server.ts'

/** Begins to watch an address under a number, or ends what was begun. */
export const WatchCommand = z.object({ id: z.int(), url: z.string(), pid: z.int(), isNode: z.boolean() })

const Watched = z.object({ id: z.int(), stallMs: z.number(), cpuMs: z.number(), idleMs: z.number() })
type Watched = z.infer<typeof Watched>

/** Watches servers, several at once. */
export interface Watch {
  /**
   * Watches a server until `close`, which answers in ms the longest wait, the most CPU time the server used during one, and the longest wait
   * for an idle server.
   */
  open(server: Pick<Server, 'url' | 'pid' | 'runtime'>): { close(): Promise<Omit<Watched, 'id'>> }
  end(): Promise<void>
}

/** Starts the process. */
export async function startWatch(): Promise<Watch> {
  const child = fork(join(import.meta.dirname, 'watch-process.ts'))
  children.add(child)
  await once(child, 'message')
  let last = 0
  const waiting = new Map<number, (watched: Watched) => void>()
  child.on('message', (message) => {
    const watched = Watched.parse(message)
    waiting.get(watched.id)?.(watched)
    waiting.delete(watched.id)
  })
  return {
    open({ url, pid, runtime }) {
      const id = ++last
      const command = { id, url, pid, isNode: runtime === 'node' }
      child.send(command)
      return {
        close: () =>
          new Promise((resolve) => {
            waiting.set(id, resolve)
            child.send(command)
          }),
      }
    },
    async end() {
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
}
