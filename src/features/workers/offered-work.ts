/** Finds work for workers over HTTP: reads which queues hold offered jobs, and waits until one does. */
import { sql } from 'drizzle-orm'
import { readyDue } from '../../engine/transitions/claim.ts'
import { type OfferedQueue, offeredIn } from '../../engine/transitions/fair-queue.ts'
import type { Clock, Database, Dispatcher, Log } from '../../ports.ts'

/** Poll interval for work that came without a wake-up, in milliseconds. */
const POLL_MS = 1_000
/** Poll interval of a request with its own database session, whose queries are limited. */
const POLL_ALONE_MS = 2_500

interface OfferedWorkDeps {
  readonly db: Database
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  readonly log: Log
  /** True where requests share no memory, so that each polls by itself. */
  readonly workersOnDemand?: boolean
}

interface Waiter {
  readonly queues: readonly OfferedQueue[]
  readonly settle: (found: boolean) => void
}

/**
 * Coalesces the long polls of this process. One query serves all requests that wait, and of those for the same queue one is released at a
 * time; it calls {@link OfferedWork.poll} where more jobs may be there. So many idle workers cost as much as one.
 */
export class OfferedWork {
  readonly #deps: OfferedWorkDeps
  readonly #waiting = new Set<Waiter>()
  #polling = false
  #pollOnceMore = false
  #stop: (() => void) | null = null

  constructor(deps: OfferedWorkDeps) {
    this.#deps = deps
  }

  /** Filters the queues that hold jobs. Due jobs are made ready first. */
  async among(queues: readonly OfferedQueue[]): Promise<OfferedQueue[]> {
    // In this order, so that jobs which another worker makes ready meanwhile are seen as well.
    await readyDue(this.#deps)
    return offered(this.#deps.db, queues)
  }

  /**
   * Waits until one of the queues may hold a job.
   * @param signal aborts when the caller went away, or the server stops
   * @returns false after `ms` without one
   */
  wait(queues: readonly OfferedQueue[], ms: number, signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (found: boolean) => {
        clearTimeout(timer)
        signal.removeEventListener('abort', giveUp)
        this.#waiting.delete(waiter)
        if (this.#waiting.size === 0) {
          this.#stop?.()
          this.#stop = null
        }
        resolve(found)
      }
      const giveUp = () => settle(false)
      const timer = setTimeout(giveUp, ms)
      const waiter = { queues, settle }
      signal.addEventListener('abort', giveUp)
      this.#waiting.add(waiter)
      this.#stop ??= this.#watch()
      if (signal.aborted) giveUp()
    })
  }

  /** Queries for work of all requests that wait; a call during a query causes one more after it. */
  poll(): void {
    if (this.#waiting.size === 0) return
    if (this.#polling) {
      this.#pollOnceMore = true
      return
    }
    this.#polling = true
    this.#pollForAll()
      .catch((error: unknown) =>
        this.#deps.log.error(
          { event: 'offered_jobs.poll_failed', err: error },
          'polling for offered jobs failed; the next poll retries',
        ),
      )
      .finally(() => {
        this.#polling = false
        if (!this.#pollOnceMore) return
        this.#pollOnceMore = false
        this.poll()
      })
  }

  async #pollForAll(): Promise<void> {
    const wanted = new Map([...this.#waiting].flatMap(({ queues }) => queues.map((queue) => [keyOf(queue), queue])))
    const found = new Set((await this.among([...wanted.values()])).map(keyOf))
    for (const { queues, settle } of [...this.#waiting]) {
      const first = queues.map(keyOf).find((key) => found.has(key))
      if (first === undefined) continue
      found.delete(first)
      settle(true)
    }
  }

  /** Polls at each wake-up and at an interval. @returns a function that stops it */
  #watch(): () => void {
    const every = this.#deps.workersOnDemand === true ? POLL_ALONE_MS : POLL_MS
    const timer = setInterval(() => this.poll(), every)
    const cancel = this.#deps.dispatcher.onWake(() => this.poll())
    return () => {
      clearInterval(timer)
      cancel()
    }
  }
}

const keyOf = ({ name, owner }: OfferedQueue) => `${name} ${owner ?? ''}`

async function offered(db: Database, queues: readonly OfferedQueue[]): Promise<OfferedQueue[]> {
  const rows = JSON.stringify(queues.map(({ name, owner }) => [name, owner]))
  const own = offeredIn({ name: sql`q.value ->> 0`, owner: sql`q.value ->> 1` })
  const any = offeredIn({ name: sql`q.value ->> 0`, owner: null })
  const found = await db.all<{ index: number }>(sql`
    SELECT q.key AS "index" FROM json_each(${rows}) q
    WHERE CASE WHEN q.value ->> 1 IS NULL THEN EXISTS (SELECT 1 FROM jobs WHERE ${any}) ELSE EXISTS (SELECT 1 FROM jobs WHERE ${own}) END`)
  const indexes = new Set(found.map(({ index }) => index))
  return queues.filter((_, index) => indexes.has(index))
}
