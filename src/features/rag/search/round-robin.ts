/** Schedules concurrent searches round-robin over the iterations of the event loop. */
import { yieldToEventLoop } from '../../../engine/chunked-work.ts'

let last: Promise<void> = Promise.resolve()

/**
 * Yields the event loop, and then to every search that yielded before: one search continues in each iteration of the loop. With a plain
 * yield all of them would continue in the same iteration, and together block the process. Not for isolates, where a request must not wait
 * for the promise of another.
 */
export function yieldRoundRobin(): Promise<void> {
  last = last.then(yieldToEventLoop)
  return last
}
