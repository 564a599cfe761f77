/** Long work in slices: a commit each, with time between them for whatever else the process, or another on the same database, has to do. */

/** The rest between two slices is as long as the slice took, at most this: half of the time the write lock is free for others. */
const LONGEST_REST_MS = 50

/**
 * Does slice after slice until one says that there is no more.
 * @param slice does one, in one short commit; returns whether there is more to do
 * @param goOn asked between slices
 * @returns whether all is done
 */
export async function runInChunks(slice: () => Promise<boolean>, goOn: () => boolean = () => true): Promise<boolean> {
  while (await withCooldown(slice)) if (!goOn()) return false
  return true
}

/** Does one short commit, then leaves the event loop and the write lock to others. */
export async function withCooldown<T>(commit: () => Promise<T>): Promise<T> {
  const began = performance.now()
  const result = await commit()
  await rest(performance.now() - began)
  return result
}

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

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.min(LONGEST_REST_MS, ms)))
}
