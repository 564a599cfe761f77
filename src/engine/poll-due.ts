/** Runs what is due at its times, in a process that stays. */
import type { Clock, Log } from '../ports.ts'

/** Longest time between two looks, in milliseconds: other processes make and change what is due too. */
const MAX_WAIT_MS = 5_000
/** Shortest, so that what cannot be begun is not tried without a pause. */
const MIN_WAIT_MS = 100

/**
 * Polls for what is due.
 * @param what names it in the log, in the plural: its failures have the event `what.failed`
 * @param runDue runs what is due while `goOn` returns true; returns when the next is, in milliseconds since the epoch, null where none is
 * @returns a function that ends the polling, and resolves once it has ended
 */
export function pollDue(
  deps: { readonly clock: Clock; readonly log: Log },
  what: 'schedules' | 'syncs',
  runDue: (goOn: () => boolean) => Promise<number | null>,
): () => Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  let stopped = false
  const look = async () => {
    let next: number | null = null
    try {
      next = await runDue(() => !stopped)
    } catch (error) {
      deps.log.error({ event: `${what}.failed`, err: error }, `polling for due ${what} failed; the next poll retries`)
      next = deps.clock.now() + MAX_WAIT_MS
    }
    const wait = next === null ? MAX_WAIT_MS : Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, next - deps.clock.now()))
    if (!stopped) timer = setTimeout(start, wait)
  }
  let looking = Promise.resolve()
  const start = () => {
    looking = look()
  }
  start()
  return async () => {
    stopped = true
    clearTimeout(timer)
    await looking
  }
}
