/** Waits between attempts; also of the client, in browsers. */

/** Bounds of an exponential backoff. */
export interface BackoffBounds {
  /** Milliseconds after the first failure, doubled by each further one. */
  readonly firstMs: number
  /** Milliseconds at most. Default: no bound. */
  readonly mostMs?: number
}

/**
 * Computes the wait before the next try: exponential, with half of it at random ("equal jitter", Brooker, "Exponential Backoff and Jitter",
 * AWS 2015), so that what failed together does not return together.
 * @param failures tries so far, from 1
 * @param random from 0 to 1
 * @returns milliseconds
 *
 * @example
 * backoff(3, { firstMs: 100 }) // from 200 to 400
 */
export function backoff(
  failures: number,
  { firstMs, mostMs = Number.POSITIVE_INFINITY }: BackoffBounds,
  random = Math.random(),
): number {
  return jitter(Math.min(mostMs, firstMs * 2 ** (failures - 1)), random)
}

/** Takes up to half of a wait off, at random. */
export function jitter(ms: number, random = Math.random()): number {
  return Math.round(ms * (0.5 + random / 2))
}

/**
 * Waits.
 * @param ms milliseconds
 * @throws the reason of `signal`, as soon as it aborts
 */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.reject(signal.reason)
  // Not Promise.withResolvers, which browsers that the client runs in may lack.
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', giveUp)
      resolve()
    }, ms)
    signal?.addEventListener('abort', giveUp, { once: true })
  })
}
