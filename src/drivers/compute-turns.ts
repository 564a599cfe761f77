/** Who waits for a place among the tasks of a Compute: so many at once, the rest in order, holding nothing meanwhile. */
import { MillraceError } from '../errors.ts'

/** Places, taken in the order they are asked for. */
export class Turns {
  #free: number
  readonly #waiting = new Set<() => void>()

  /** @param places how many may work at once */
  constructor(places: number) {
    this.#free = places
  }

  /**
   * Does `work` when it is its turn.
   * @throws as `work` does; MillraceError CANCELLED when `signal` aborts before that
   */
  async take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#wait(signal)
    try {
      return await work()
    } finally {
      const [next] = this.#waiting
      if (next === undefined) this.#free++
      else next()
    }
  }

  async #wait(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw cancelled(signal)
    if (this.#free > 0) {
      this.#free--
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const go = () => {
      this.#waiting.delete(go)
      signal?.removeEventListener('abort', stop)
      resolve()
    }
    const stop = () => {
      this.#waiting.delete(go)
      reject(cancelled(signal))
    }
    this.#waiting.add(go)
    signal?.addEventListener('abort', stop, { once: true })
    return promise
  }
}

function cancelled(signal: AbortSignal | undefined): MillraceError {
  return new MillraceError('CANCELLED', 'The task was cancelled.', { cause: signal?.reason })
}
