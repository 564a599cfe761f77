/** Repeats the periodic tasks of a worker. */
import type { Log } from '../../ports.ts'
import { findStorageFault } from '../../storage-errors.ts'

/** Between two log lines about a storage fault that lasts. */
const TELL_EVERY_MS = 30_000

/** Calls `run` again and again, `ms` milliseconds after it ended, until the returned function is called. What it throws is logged. */
export function repeat(ms: number, run: () => Promise<void>, log: Log): () => void {
  let timer: ReturnType<typeof setTimeout>
  let stopped = false
  let toldAt = Number.NEGATIVE_INFINITY
  const logError = (error: unknown) => {
    const lasts = findStorageFault(error) !== null && performance.now() - toldAt < TELL_EVERY_MS
    if (lasts) return
    toldAt = performance.now()
    log.error({ err: error }, 'a timed task of the worker failed; it is tried again')
  }
  const next = () => {
    timer = setTimeout(async () => {
      await run().catch(logError)
      if (!stopped) next()
    }, ms)
  }
  next()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
