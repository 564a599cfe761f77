/** Waits and timeouts of the client. */

/** Waits in milliseconds; the defaults fit ordinary networks. */
export interface Timing {
  /** First pause before a failed request is sent again; doubles with each failure. */
  readonly retryMs: number
  /** Longest such pause. */
  readonly mostRetryMs: number
  /** A request without an upload that has no answer by then has failed. */
  readonly answerMs: number
  /** A stream of which nothing has come by then does not come through: something on the way holds it back. */
  readonly firstByteMs: number
  /** A stream that is silent for so long is dead; the server writes every 15 seconds. */
  readonly silenceMs: number
  /** Longest time that the server holds a poll until something changes. */
  readonly pollMs: number
  /** Shortest time from one poll to the next. */
  readonly betweenPollsMs: number
  /** After streams were found not to come through, how long none is tried. */
  readonly blockedMs: number
  /** Interval of the heartbeat that the tab with the connection sends to the others; after three missed ones another takes over. */
  readonly tabBeatMs: number
}

export const TIMING: Timing = {
  retryMs: 500,
  mostRetryMs: 30_000,
  answerMs: 60_000,
  firstByteMs: 5_000,
  silenceMs: 45_000,
  pollMs: 25_000,
  betweenPollsMs: 1_000,
  blockedMs: 300_000,
  tabBeatMs: 10_000,
}

/** A pause that doubles with each failure and is never the same for two clients: 50 to 100 % of its length. */
export function backoff(firstMs: number, failures: number, mostMs: number): number {
  return Math.min(mostMs, firstMs * 2 ** (failures - 1)) * (0.5 + Math.random() / 2)
}

/** @throws the signal's reason as soon as it aborts */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}
