/**
 * CPU-heavy tasks in a few worker threads: Compute on Node. Threads start when they are first needed and are used
 * again; each runs one task at a time, the rest wait in order. A thread is ended, and another started in its place,
 * when its task is aborted or takes too much memory.
 *
 * Not tinypool or piscina: both leave what is queued waiting when the last thread ends by an abort and none has to
 * exist, neither says which thread runs which task, which the watch over memory must know, and error codes, progress
 * and replacement would have been written here all the same.
 */

import { Worker } from 'node:worker_threads'
import { isErrorCode, MillraceError } from '../errors.ts'
import type { Compute } from '../ports.ts'
import type { Order, Report, ReportedError } from './compute-threads-worker.ts'

/** How many threads may run, and what they run. */
export interface ThreadComputeOptions {
  /** A module whose export `computeTasks` is a ComputeTasks. */
  readonly tasks: URL
  readonly threads: number
  /** What one task may hold: heap (garbage that is not yet collected included) and buffers. */
  readonly memoryMb: number
}

type RunOptions = NonNullable<Parameters<Compute['run']>[2]>

interface Job {
  readonly order: Order
  readonly options: RunOptions
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

const MB = 1024 * 1024
const WATCH_MS = 25
const CLOSE_MS = 2_000
// Built for publishing, both modules end in .js.
const WORKER = new URL(`./compute-threads-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

/**
 * Makes the pool; no thread runs yet. Idle threads do not keep the process alive.
 * `close` ends every thread; what still runs or waits fails with SERVICE_UNAVAILABLE, as does everything asked later.
 */
export function createThreadCompute(options: ThreadComputeOptions): Compute & { close(): Promise<void> } {
  const pool = new Pool(options)
  return {
    run: (task, input, runOptions = {}) => pool.run(task, input, runOptions),
    close: () => pool.close(),
  }
}

class Pool {
  readonly #options: ThreadComputeOptions
  readonly #threads = new Set<Thread>()
  readonly #queue = new Set<Job>()
  #lastId = 0
  #closed = false

  constructor(options: ThreadComputeOptions) {
    this.#options = options
  }

  async run(task: string, input: unknown, options: RunOptions): Promise<unknown> {
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
    for (const job of this.#queue) job.reject(closing())
    this.#queue.clear()
    const ended = Promise.all([...this.#threads].map((thread) => thread.end(closing())))
    // A loop that never lets V8 interrupt it outlives terminate(); the process ends without waiting for it.
    await Promise.race([ended, new Promise((resume) => setTimeout(resume, CLOSE_MS).unref())])
  }

  #drop(job: Job, error: MillraceError): void {
    if (this.#queue.delete(job)) job.reject(error)
    else for (const thread of this.#threads) if (thread.job === job) void thread.end(error)
  }

  /** Hands waiting jobs to idle threads, and to new ones while there may be more. */
  #advance(): void {
    for (const job of this.#queue) {
      const thread = this.#idle() ?? this.#start()
      if (thread === null) return
      this.#queue.delete(job)
      thread.give(job)
    }
  }

  #idle(): Thread | null {
    for (const thread of this.#threads) if (thread.job === null) return thread
    return null
  }

  #start(): Thread | null {
    if (this.#threads.size >= this.#options.threads) return null
    const thread = new Thread(this.#options, {
      onIdle: () => this.#advance(),
      onGone: () => {
        this.#threads.delete(thread)
        this.#advance()
      },
    })
    this.#threads.add(thread)
    return thread
  }
}

class Thread {
  /** What it runs; null while idle. */
  job: Job | null = null
  readonly #worker: Worker
  readonly #limitBytes: number
  readonly #on: { onIdle(): void; onGone(): void }
  #watch: NodeJS.Timeout | undefined
  #looking = false
  #gone = false

  constructor({ tasks, memoryMb }: ThreadComputeOptions, on: { onIdle(): void; onGone(): void }) {
    this.#on = on
    this.#limitBytes = memoryMb * MB
    this.#worker = new Worker(WORKER, {
      workerData: tasks.href,
      // Flags of this process (an inspector's, a test runner's) are not meant for threads; .ts needs none.
      execArgv: [],
      // V8 aborts the whole process when one allocation passes this limit, and counts no buffers in it. So the watch
      // keeps the real limit, and this one stays far enough away for the watch to be first.
      resourceLimits: { maxOldGenerationSizeMb: memoryMb * 4 + 1024 },
    })
    this.#worker.unref()
    this.#worker.on('message', (report: Report) => this.#take(report))
    this.#worker.on('messageerror', (error) => void this.end(died(error)))
    this.#worker.on('error', (error) => void this.end(isOutOfMemory(error) ? tooMuchMemory(memoryMb) : died(error)))
    this.#worker.on('exit', (code) => void this.end(died(new Error(`A thread ended with code ${code}`))))
  }

  give(job: Job): void {
    this.job = job
    try {
      this.#worker.postMessage(job.order, [...(job.options.transfer ?? [])])
    } catch (error) {
      // Input that can't be cloned. The thread never saw it.
      this.#settle((failed) => failed.reject(error))
      return
    }
    this.#worker.ref()
    this.#watch = setInterval(() => void this.#look(), WATCH_MS)
    this.#watch.unref()
  }

  /** Ends the thread, failing what it runs. It counts as gone at once, however long V8 takes to stop it. */
  async end(error: MillraceError): Promise<void> {
    if (this.#gone) return
    this.#gone = true
    this.#settle((job) => job.reject(error))
    const terminated = this.#worker.terminate()
    this.#on.onGone()
    await terminated
  }

  #take(report: Report): void {
    const { job } = this
    if (this.#gone || job === null || report.id !== job.order.id) return
    if (report.kind === 'progress') {
      try {
        job.options.onProgress?.(report.value)
      } catch (error) {
        void this.end(died(error))
      }
      return
    }
    this.#settle(() => {
      if (report.kind === 'completed') job.resolve(report.result)
      else job.reject(errorFrom(report.error))
    })
    this.#worker.unref()
    // What a large document leaves behind must not count against the next one.
    if (report.usedBytes > this.#limitBytes / 2) void this.end(closing())
    else this.#on.onIdle()
  }

  #settle(how: (job: Job) => void): void {
    clearInterval(this.#watch)
    const { job } = this
    this.job = null
    if (job !== null) how(job)
  }

  async #look(): Promise<void> {
    const { job } = this
    if (this.#looking) return
    this.#looking = true
    try {
      const heap = await this.#worker.getHeapStatistics()
      const used = heap.used_heap_size + heap.external_memory
      if (used > this.#limitBytes && this.job === job) await this.end(tooMuchMemory(this.#limitBytes / MB))
    } catch {
      // The thread has not begun or is already gone; its exit tells the rest.
    } finally {
      this.#looking = false
    }
  }
}

function errorFrom({ code, message, stack }: ReportedError): MillraceError {
  if (isErrorCode(code)) return new MillraceError(code, message)
  const cause = new Error(message)
  if (stack !== undefined) cause.stack = stack
  return new MillraceError('UNKNOWN', 'The task failed unexpectedly.', { cause })
}

function isOutOfMemory(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY'
}

function tooMuchMemory(memoryMb: number): MillraceError {
  return new MillraceError('UNKNOWN', `The document needs too much memory: more than ${memoryMb} MB.`)
}

function died(cause: unknown): MillraceError {
  return new MillraceError('UNKNOWN', 'The task failed unexpectedly: its thread ended.', { cause })
}

function cancelled(signal: AbortSignal | undefined): MillraceError {
  return new MillraceError('CANCELLED', 'The task was cancelled.', { cause: signal?.reason })
}

function closing(): MillraceError {
  return new MillraceError('SERVICE_UNAVAILABLE', 'The server is shutting down.')
}
