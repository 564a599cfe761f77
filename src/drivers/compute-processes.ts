/**
 * CPU-heavy tasks in a few child processes: Compute on Node. Processes start when they are first needed and are used again; each runs
 * one task at a time, the rest wait in order. A process is killed, and another started in its place, when its task is aborted or takes
 * too much memory or time.
 *
 * Not worker threads, and so neither tinypool nor piscina: a thread shares its process. V8 does not let itself be interrupted in every
 * loop, its limits count no buffers, one allocation that is too large ends the server, and a thread has the rights and secrets of all of
 * it. A process can be killed whatever it does. A sheet takes as long in one; 50 MB take 0.1 s to get there.
 */
import { MillraceError } from '../errors.ts'
import type { Compute } from '../ports.ts'
import { Child, type ChildOptions, type Job } from './compute-processes-child.ts'
import { Guard } from './compute-processes-guard.ts'
import { Turns } from './compute-turns.ts'

/** How many processes may run, what they run, and what each may take. */
export interface ProcessComputeOptions extends ChildOptions {
  readonly processes: number
}

const WATCH_MS = 25
/** Between looks for processes that have nothing to do; all of them but one are ended then. */
const SHRINK_MS = 60_000

/**
 * Makes the pool; no process runs yet. Idle processes do not keep this one alive, and none outlives it.
 * `close` ends every process; what still runs or waits fails with SERVICE_UNAVAILABLE, as does everything asked later.
 */
export function createProcessCompute(options: ProcessComputeOptions): Compute & { close(): Promise<void> } {
  const pool = new Pool(options)
  const turns = new Turns(options.processes)
  return {
    run: (task, input, runOptions = {}) => pool.run(task, input, runOptions),
    inTurn: (work, signal) => turns.take(work, signal),
    close: () => pool.close(),
  }
}

class Pool {
  readonly #options: ProcessComputeOptions
  readonly #children = new Set<Child>()
  readonly #queue = new Set<Job>()
  #guard: Guard | null = null
  #watch: NodeJS.Timeout | undefined
  #shrink: NodeJS.Timeout | undefined
  #lastId = 0
  #closed = false

  constructor(options: ProcessComputeOptions) {
    this.#options = options
  }

  async run(task: string, input: unknown, options: Job['options']): Promise<unknown> {
    const { signal } = options
    if (this.#closed) throw closing()
    if (signal?.aborted) throw cancelled(signal)
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const job: Job = { order: { id: ++this.#lastId, task, input }, options, resolve, reject }
    const abort = () => this.#drop(job, cancelled(signal))
    signal?.addEventListener('abort', abort)
    this.#queue.add(job)
    this.#advance()
    try {
      return await promise
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#shrink)
    for (const job of this.#queue) job.reject(closing())
    this.#queue.clear()
    await Promise.all([...this.#children].map((child) => child.end(closing())))
    this.#guard?.end()
  }

  #drop(job: Job, error: MillraceError): void {
    if (this.#queue.delete(job)) job.reject(error)
    else for (const child of this.#children) if (child.job === job) void child.end(error)
  }

  /** Hands waiting jobs to idle processes, and to new ones while there may be more. */
  #advance(): void {
    for (const job of this.#queue) {
      let child: Child | null
      try {
        child = this.#idle()[0] ?? this.#start()
      } catch (cause) {
        // The system has no process or memory left; it may have later.
        this.#drop(job, new MillraceError('SERVICE_UNAVAILABLE', 'No process could be started for this.', { cause }))
        continue
      }
      if (child === null) return
      this.#queue.delete(job)
      child.give(job)
      this.#watch ??= setInterval(() => this.#look(), WATCH_MS).unref()
    }
  }

  #idle(): Child[] {
    return [...this.#children].filter(({ job }) => job === null)
  }

  #start(): Child | null {
    if (this.#children.size >= this.#options.processes) return null
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
    if (this.#idle().length < this.#children.size) return
    clearInterval(this.#watch)
    this.#watch = undefined
  }

  #endIdle(): void {
    this.#shrink = undefined
    const idle = this.#idle()
    const kept = idle.length === this.#children.size ? 1 : 0
    for (const child of idle.slice(kept)) void child.end(closing())
  }
}

function cancelled(signal: AbortSignal | undefined): MillraceError {
  return new MillraceError('CANCELLED', 'The task was cancelled.', { cause: signal?.reason })
}

function closing(): MillraceError {
  return new MillraceError('SERVICE_UNAVAILABLE', 'The server is shutting down.')
}
