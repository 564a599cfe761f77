/**
 * CPU-heavy tasks in a few child processes: Compute on Node. Processes start when they are first needed and are reused; each runs
 * one task at a time, and queued tasks are scheduled fairly between owners. A process is killed and replaced when its task is aborted or
 * takes too much memory or time.
 *
 * An owner's long tasks must not keep another's short one waiting for their end. So there are a few processes more than may be used by one
 * owner, and while they make for more tasks than processors, those owners that run several have some of theirs paused. A process whose task
 * turns out to be heavy goes on at a low priority.
 *
 * Not worker threads, and so neither tinypool nor piscina: a thread shares its process. V8 does not let itself be interrupted in every
 * loop, its limits count no buffers, one allocation that is too large ends the server, and a thread has the rights and secrets of all of
 * it. A process can be killed whatever it does. A sheet takes as long in one; 50 MB take 0.1 s to get there.
 */
import { MillraceError } from '../errors.ts'
import { FairQueue, FairSemaphore } from '../fair-semaphore.ts'
import type { Compute } from '../ports.ts'
import { Child, type ChildOptions, type Job } from './compute-processes-child.ts'
import { Guard } from './compute-processes-guard.ts'

/** Number of processes that may run, the tasks that they run, and the resources that each may use. */
export interface ProcessComputeOptions extends ChildOptions {
  /** Processes that one owner may use at once. There are up to two more, each for an owner that uses none. */
  readonly processes: number
  /**
   * Processes beyond `processes`, for owners that have none.
   * @default 2
   */
  readonly spare?: number
  /**
   * True where idle processes are all ended after a minute, since each occupies much memory. Else one is kept.
   * @default false
   */
  readonly endsIdle?: boolean
}

const SPARE_PROCESSES = 2
const WATCH_MS = 25
/** Between looks for processes that have nothing to do; all of them but one are ended then. */
const SHRINK_MS = 60_000

/**
 * Makes the pool; no process runs yet. Idle processes do not keep this one alive, and none outlives it.
 * `close` ends every process; what still runs or waits fails with SERVICE_UNAVAILABLE, as does everything asked later.
 */
export function createProcessCompute(options: ProcessComputeOptions): Compute & { close(): Promise<void> } {
  const pool = new Pool(options)
  const { processes, spare = SPARE_PROCESSES } = options
  const semaphore = new FairSemaphore({ slots: processes, spare }, cancelled)
  return {
    documentCpuMs: options.cpuSeconds * 1_000,
    run: (task, input, runOptions = {}) => pool.run(task, input, runOptions),
    withSlot: (work, { signal, owner = '' } = {}) => semaphore.withSlot(owner, work, signal),
    close: () => pool.close(),
  }
}

class Pool {
  readonly #options: ProcessComputeOptions
  readonly #children = new Set<Child>()
  readonly #queue: FairQueue<Job>
  /** Jobs that left the queue and hold a slot. */
  readonly #begun = new Set<Job>()
  #guard: Guard | null = null
  #watch: NodeJS.Timeout | undefined
  #shrink: NodeJS.Timeout | undefined
  #lastId = 0
  #closed = false
  readonly #spare: number

  constructor(options: ProcessComputeOptions) {
    this.#options = options
    this.#spare = options.spare ?? SPARE_PROCESSES
    this.#queue = new FairQueue({ slots: options.processes, spare: this.#spare })
  }

  async run(task: string, input: unknown, options: Job['options']): Promise<unknown> {
    const { signal, owner = '' } = options
    if (this.#closed) throw closing()
    if (signal?.aborted) throw cancelled(signal)
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const job: Job = { owner, order: { id: ++this.#lastId, task, input }, options, resolve, reject }
    const abort = () => this.#drop(job, cancelled(signal))
    signal?.addEventListener('abort', abort)
    this.#queue.add(owner, job)
    this.#advance()
    try {
      return await promise
    } finally {
      signal?.removeEventListener('abort', abort)
      if (this.#begun.delete(job)) {
        this.#queue.leave(owner)
        this.#advance()
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#shrink)
    for (const job of this.#queue.clear()) job.reject(closing())
    await Promise.all([...this.#children].map((child) => child.end(closing())))
    this.#guard?.end()
  }

  #drop(job: Job, error: MillraceError): void {
    if (this.#queue.remove(job.owner, job)) job.reject(error)
    else for (const child of this.#children) if (child.job === job) void child.end(error)
  }

  /** Assigns the next jobs to idle processes, and to new ones while there may be more. There are never more jobs than processes. */
  #advance(): void {
    for (let next = this.#queue.take(); next !== null; next = this.#queue.take()) {
      const job = next.item
      this.#begun.add(job)
      try {
        this.#childFor(job.owner).give(job)
        this.#watch ??= setInterval(() => this.#look(), WATCH_MS).unref()
      } catch (cause) {
        // The system has no process or memory left; it may have later.
        job.reject(new MillraceError('SERVICE_UNAVAILABLE', 'No process could be started for this.', { cause }))
      }
    }
    this.#pauseSurplus()
  }

  /** While more tasks run than processors are meant for them, pauses the newest of owners that run several; resumes what need not wait. */
  #pauseSurplus(): void {
    const busy = [...this.#children].flatMap((child) => (child.job === null ? [] : [{ child, job: child.job }]))
    const running = new Map<string, typeof busy>()
    for (const one of busy.toSorted((a, b) => a.job.order.id - b.job.order.id)) {
      running.set(one.job.owner, [...(running.get(one.job.owner) ?? []), one])
    }
    const paused = new Set<Child>()
    for (let surplus = busy.length - this.#options.processes; surplus > 0; surplus--) {
      const most = [...running.values()].reduce((a, b) => (b.length > a.length ? b : a))
      const newest = most.length > 1 ? most.pop() : undefined
      if (newest === undefined) break
      paused.add(newest.child)
    }
    for (const { child } of busy) child.pause(paused.has(child))
  }

  /** An idle process, or a new one. One of low priority is for the owner whose heavy task made it so; for others it is replaced. */
  #childFor(owner: string): Child {
    const idle = this.#idle()
    const slow = idle.filter((child) => child.isLowPriority)
    const fit = slow.find((child) => child.lastOwner === owner) ?? idle.find((child) => !child.isLowPriority)
    if (fit !== undefined) return fit
    void slow[0]?.end(closing())
    return this.#start()
  }

  #idle(): Child[] {
    return [...this.#children].filter(({ job }) => job === null)
  }

  #start(): Child {
    const child = new Child(this.#options, {
      onIdle: () => {
        this.#advance()
        this.#shrink ??= setTimeout(() => this.#endIdle(), SHRINK_MS).unref()
      },
      onGone: () => {
        this.#children.delete(child)
        this.#tellGuard()
        if (!this.#closed) this.#advance()
      },
    })
    this.#children.add(child)
    this.#guard ??= new Guard()
    this.#tellGuard()
    return child
  }

  #tellGuard(): void {
    this.#guard?.watch([...this.#children].flatMap(({ pid }) => pid ?? []))
  }

  #look(): void {
    for (const child of this.#children) child.look()
    this.#startSpare()
    if (this.#idle().length < this.#children.size) return
    clearInterval(this.#watch)
    this.#watch = undefined
  }

  /**
   * Once a task is not short, others find processes that have started beside it: a start takes longer than a short document.
   */
  #startSpare(): void {
    const { processes } = this.#options
    const long = [...this.#children].filter((child) => child.isLong).length
    const usable = [...this.#children].filter((child) => child.job !== null || !child.isLowPriority).length
    const isEnough = long === 0 || usable >= Math.min(long, processes) + this.#spare
    if (this.#closed || isEnough) return
    try {
      this.#start()
    } catch {
      // The next check retries; no caller waits for it yet.
    }
  }

  #endIdle(): void {
    this.#shrink = undefined
    const idle = this.#idle().toSorted((a, b) => Number(a.isLowPriority) - Number(b.isLowPriority))
    const busy = this.#children.size - idle.length
    const kept = this.#options.endsIdle === true ? 0 : busy === 0 ? 1 : this.#spare
    for (const child of idle.slice(kept)) void child.end(closing())
  }
}

function cancelled(signal: AbortSignal | undefined): MillraceError {
  return new MillraceError('CANCELLED', 'The task was cancelled.', { cause: signal?.reason })
}

function closing(): MillraceError {
  return new MillraceError('SERVICE_UNAVAILABLE', 'The server is shutting down.')
}
