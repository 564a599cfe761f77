/** Requests that wait until a batch is no longer as its caller knows it. */
import type { Notifier } from '../ports.ts'

/** A batch as a caller knows it. */
export interface KnownState {
  readonly id: string
  readonly lastSeq: number
  readonly progressVersion: number
}

interface Waiter {
  readonly known: KnownState
  /** Answers the wait: true when the batch may have changed. */
  readonly settle: (changed: boolean) => void
}

/** The waiting requests of this process. */
export class LongPollWaiters {
  readonly #notifier: Notifier
  readonly #waiting = new Set<Waiter>()

  constructor(notifier: Notifier) {
    this.#notifier = notifier
  }

  /** Requests that wait now. */
  get size(): number {
    return this.#waiting.size
  }

  /** The batches that are waited for. */
  get batchIds(): string[] {
    return [...this.#waiting].map(({ known }) => known.id)
  }

  /**
   * Waits until the batch has another event or progress than `known`, is gone, or the time is over.
   * @param signal aborts when the caller went away
   * @returns whether it is worth a look; false after `ms` in vain
   */
  wait(known: KnownState, ms: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (changed: boolean) => {
        clearTimeout(timer)
        unsubscribe()
        signal.removeEventListener('abort', onAbort)
        this.#waiting.delete(waiter)
        resolve(changed)
      }
      const onAbort = () => done(false)
      const waiter: Waiter = { known, settle: done }
      const timer = setTimeout(() => done(false), ms)
      // Published progress is stored a little later; the comparison finds it then.
      const unsubscribe = this.#notifier.subscribe(known.id, (notice) => {
        if ('seq' in notice && (notice.seq === 0 || notice.seq > known.lastSeq)) done(true)
      })
      signal.addEventListener('abort', onAbort)
      this.#waiting.add(waiter)
      if (signal.aborted) onAbort()
    })
  }

  /** Compares what callers know with where the batches stand; one that is not in the list is gone. */
  compare(heads: ReadonlyMap<string, KnownState>): void {
    for (const { known, settle } of [...this.#waiting]) {
      const head = heads.get(known.id)
      if (head?.lastSeq !== known.lastSeq || head.progressVersion !== known.progressVersion) settle(true)
    }
  }

  /** Answers all. */
  close(): void {
    for (const { settle } of [...this.#waiting]) settle(false)
  }
}
