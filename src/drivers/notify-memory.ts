/** The Notifier port within one process. */
import type { Notice, Notifier } from '../ports.ts'

/** Spreads notices among the followers of this process, at once. */
export function createMemoryNotifier(): Notifier {
  const batches = new Map<string, Set<(notice: Notice) => void>>()
  return {
    publish(batchId, notice) {
      for (const listener of batches.get(batchId) ?? []) listener(notice)
    },
    subscribe(batchId, listener) {
      const listeners = batches.get(batchId) ?? new Set()
      batches.set(batchId, listeners.add(listener))
      return () => {
        listeners.delete(listener)
        if (listeners.size === 0 && batches.get(batchId) === listeners) batches.delete(batchId)
      }
    },
  }
}
