/** Runs long work in chunks of one short commit each, with pauses in which the event loop and the write lock are free for others. */
import { sleep } from '../backoff.ts'

export { yieldToEventLoop } from '../formats/event-loop.ts'

/** Longest cooldown after a chunk. It is as long as the chunk took, so that the write lock is free half of the time. */
const MAX_COOLDOWN_MS = 50

/**
 * Runs chunk after chunk until one reports that there is no more.
 * @param runChunk does one, in one short commit; returns true while there is more to do
 * @param mayContinue called between chunks; ends the loop where it returns false
 * @returns true where all is done
 */
export async function runInChunks(
  runChunk: () => Promise<boolean>,
  mayContinue: () => boolean = () => true,
): Promise<boolean> {
  while (await withCooldown(runChunk)) if (!mayContinue()) return false
  return true
}

/** Runs one short commit, then pauses, so that others get the event loop and the write lock. */
export async function withCooldown<T>(commit: () => Promise<T>): Promise<T> {
  const began = performance.now()
  const result = await commit()
  await sleep(Math.min(MAX_COOLDOWN_MS, performance.now() - began))
  return result
}
