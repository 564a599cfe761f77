/** Polyfills of combined signals: Safari before 17.4 and React Native have neither `AbortSignal.any` nor `AbortSignal.timeout`. */

/** A signal, and what ends what it waits for. */
export interface LinkedSignal {
  readonly signal: AbortSignal
  /** Removes the listeners and the timer. To be called when the signal is no longer used. */
  release(): void
}

/**
 * Makes a signal that aborts when one of several does, for the same reason, or after a time.
 * @param limitMs milliseconds; 0 or left out: no limit
 */
export function linkSignals(signals: readonly (AbortSignal | undefined)[], limitMs = 0): LinkedSignal {
  const controller = new AbortController()
  const sources = signals.filter((signal) => signal !== undefined)
  const links = sources.map((source) => ({ source, abort: () => controller.abort(source.reason) }))
  const timer =
    limitMs > 0 ? setTimeout(() => controller.abort(new Error(`No answer came in ${limitMs} ms.`)), limitMs) : undefined
  for (const { source, abort } of links) {
    if (source.aborted) abort()
    else source.addEventListener('abort', abort, { once: true })
  }
  return {
    signal: controller.signal,
    release() {
      clearTimeout(timer)
      for (const { source, abort } of links) source.removeEventListener('abort', abort)
    },
  }
}

/** `signal.throwIfAborted()`, which Safari 15 and React Native lack. @throws the signal's reason */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw signal.reason ?? new Error('This was aborted.')
}
