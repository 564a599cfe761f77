/** What a worker does again and again. */
import type { Log } from '../../ports.ts'

/** Calls `run` again and again, `ms` milliseconds after it ended, until the returned function is called. What it throws is logged. */
export function every(ms: number, run: () => Promise<void>, log: Log): () => void {
  let timer: ReturnType<typeof setTimeout>
  let stopped = false
  const next = () => {
    timer = setTimeout(async () => {
      await run().catch((error: unknown) =>
        log.error({ err: error }, 'a timed task of the worker failed; it is tried again'),
      )
      if (!stopped) next()
    }, ms)
  }
  next()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
