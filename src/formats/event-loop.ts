/** Yielding to the event loop, for long work that awaits nothing. */

/**
 * Yields to the event loop: where the runtime has `setImmediate`, until pending I/O is handled, and without the millisecond that a timer takes
 * at least. Awaiting a database that answers at once does not yield to the event loop.
 */
export function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve)
    else setTimeout(resolve, 0)
  })
}
