/** The Dispatcher port within one process: the jobs table is the queue, and a wake-up is a call. */
import type { Dispatcher } from '../ports.ts'

/** Wakes the workers of this process. */
export function createLocalDispatcher(): Dispatcher {
  const listeners = new Set<() => void>()
  return {
    wake() {
      for (const listener of listeners) listener()
    },
    onWake(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
