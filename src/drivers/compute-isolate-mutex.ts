/**
 * One at a time among the invocations of a Worker that run in one isolate. They can wake each other for nothing that may be relied on, and one
 * that the platform ends runs no `finally`: so whoever waits looks again and again, and a turn that is not renewed is over.
 */
import { MillraceError } from '../errors.ts'

const LOOK_MS = 50
const RENEW_MS = 1_000
/** Nobody works so long without a pause, in which it is renewed. */
const BELIEVED_MS = 20_000

/** A turn that is taken by one after the other, in no order. */
export class IsolateMutex {
  readonly #believedMs: number
  #holder: object | null = null
  #until = 0

  /** @param believedMs how long a turn is held that is not renewed */
  constructor(believedMs = BELIEVED_MS) {
    this.#believedMs = believedMs
  }

  /**
   * Does `work` when nobody else does.
   * @throws as `work` does; MillraceError CANCELLED when `signal` aborts before that
   */
  async take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    while (this.#holder !== null && Date.now() < this.#until) {
      if (signal?.aborted) throw new MillraceError('CANCELLED', 'The task was cancelled.', { cause: signal.reason })
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
    const holder = {}
    this.#holder = holder
    const renew = () => {
      if (this.#holder === holder) this.#until = Date.now() + this.#believedMs
    }
    renew()
    const renewing = setInterval(renew, RENEW_MS)
    try {
      return await work()
    } finally {
      clearInterval(renewing)
      if (this.#holder === holder) this.#holder = null
    }
  }
}
