/**
 * Mutex among the invocations of a Worker that run in one isolate, fair between owners: the lock goes to the waiting owner that had it longest
 * ago. Invocations have no reliable way to wake each other, and one that the platform ends runs no `finally`: so those that wait poll, a lock
 * that is not renewed expires, and one that polls no more waits no more.
 */
import { sleep } from '../backoff.ts'
import { MillraceError } from '../errors.ts'

const LOOK_MS = 20
const RENEW_MS = 1_000
/** Expiry of a lock. No task works so long without yielding, at which the lock is renewed. */
const BELIEVED_MS = 20_000
/** Expiry of a waiter that has not polled. */
const WAITER_MS = 5_000
/** Owners whose last lock is remembered. */
const MAX_SERVED = 1_000

interface Waiter {
  readonly owner: string
  lookedAt: number
}

/** A lock with an expiry. */
export class IsolateMutex {
  readonly #believedMs: number
  #holder: object | null = null
  #until = 0
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiter>()
  /** Owners that had the lock, the last one last. */
  readonly #served = new Map<string, number>()
  #locks = 0

  /** @param believedMs time after which a lock that is not renewed expires */
  constructor(believedMs = BELIEVED_MS) {
    this.#believedMs = believedMs
  }

  /**
   * Runs `work` under the lock.
   * @throws as `work` does; MillraceError CANCELLED when `signal` aborts before that
   */
  async take<T>(work: () => Promise<T>, options: { owner?: string; signal?: AbortSignal } = {}): Promise<T> {
    const { owner = '', signal } = options
    const holder = {}
    const renew = () => {
      if (this.#holder === holder) this.#until = Date.now() + this.#believedMs
    }
    await this.#acquire(owner, signal, () => {
      this.#holder = holder
      renew()
    })
    const renewing = setInterval(renew, RENEW_MS)
    try {
      return await work()
    } finally {
      clearInterval(renewing)
      if (this.#holder === holder) this.#holder = null
    }
  }

  /** Says whether another owner waits for the lock. */
  othersWait(owner: string): boolean {
    this.#forgetGone()
    return [...this.#waiting].some((waiter) => waiter.owner !== owner)
  }

  /** @param lock called at once where the lock is free: after an await, another could have it */
  async #acquire(owner: string, signal: AbortSignal | undefined, lock: () => void): Promise<void> {
    const waiter: Waiter = { owner, lookedAt: Date.now() }
    this.#waiting.add(waiter)
    try {
      while (this.#isHeld() || this.#next() !== waiter) {
        if (signal?.aborted) throw new MillraceError('CANCELLED', 'The task was cancelled.', { cause: signal.reason })
        await sleep(LOOK_MS)
        waiter.lookedAt = Date.now()
        // One that was forgotten meanwhile, because the isolate was busy, waits again.
        this.#waiting.add(waiter)
      }
      this.#noteServed(owner)
      lock()
    } finally {
      this.#waiting.delete(waiter)
    }
  }

  #isHeld(): boolean {
    return this.#holder !== null && Date.now() < this.#until
  }

  /** Returns the waiter whose owner had the lock longest ago, the first of these. */
  #next(): Waiter | null {
    this.#forgetGone()
    let next: Waiter | null = null
    for (const waiter of this.#waiting) {
      if (next === null || this.#servedAt(waiter) < this.#servedAt(next)) next = waiter
    }
    return next
  }

  #servedAt({ owner }: Waiter): number {
    return this.#served.get(owner) ?? 0
  }

  #noteServed(owner: string): void {
    this.#served.delete(owner)
    this.#served.set(owner, ++this.#locks)
    const [oldest] = this.#served.keys()
    if (this.#served.size > MAX_SERVED && oldest !== undefined) this.#served.delete(oldest)
  }

  #forgetGone(): void {
    const since = Date.now() - WAITER_MS
    for (const waiter of this.#waiting) if (waiter.lookedAt < since) this.#waiting.delete(waiter)
  }
}
