/** Runs schedules at their times, in a process that stays. */
import { type RunnerDeps, runDueSchedules } from './run.ts'

/** Longest time between two looks, in milliseconds: other processes make and change schedules too. */
const MAX_WAIT_MS = 5_000
/** Shortest, so that what cannot be begun is not tried without a pause. */
const MIN_WAIT_MS = 100

/**
 * Polls for schedules that are due.
 * @returns a function that ends the polling, and resolves once it has ended
 */
export function watchSchedules(deps: RunnerDeps): () => Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  let stopped = false
  const look = async () => {
    let next: number | null = null
    try {
      next = await runDueSchedules(deps, () => !stopped)
    } catch (error) {
      deps.log.error(
        { event: 'schedules.failed', err: error },
        'polling for due schedules failed; the next poll retries',
      )
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
