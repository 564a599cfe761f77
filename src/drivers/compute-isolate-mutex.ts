/**
 * Mutex among the invocations of a Worker that run in one isolate. They have no reliable way to wake each other, and one that the platform
 * ends runs no `finally`: so waiting invocations poll, and a lock that is not renewed expires.
 */
import { sleep } from '../backoff.ts'
import { MillraceError } from '../errors.ts'

const LOOK_MS = 50
const RENEW_MS = 1_000
/** Expiry of a lock. No task works so long without yielding, at which the lock is renewed. */
const BELIEVED_MS = 20_000

/** A lock with an expiry; waiters get it in no particular order. */
export class IsolateMutex {
  readonly #believedMs: number
  #holder: object | null = null
  #until = 0

  /** @param believedMs time after which a lock that is not renewed expires */
  constructor(believedMs = BELIEVED_MS) {
    this.#believedMs = believedMs
  }

  /**
   * Runs `work` under the lock.
   * @throws as `work` does; MillraceError CANCELLED when `signal` aborts before that
   */
  async take<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    while (this.#holder !== null && Date.now() < this.#until) {
      if (signal?.aborted) throw new MillraceError('CANCELLED', 'The task was cancelled.', { cause: signal.reason })
      await sleep(LOOK_MS)
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
