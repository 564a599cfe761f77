/** One process of compute-processes.ts as its parent sees it: started without rights, watched while it works, ended by SIGKILL. */
import { type ChildProcess, fork } from 'node:child_process'
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { isErrorCode, MillraceError } from '../errors.ts'
import type { Compute } from '../ports.ts'
import type { Order, Report, ReportedError } from './compute-processes-entry.ts'
import { COMPUTE_ENTRY } from './files-node.ts'

/** Tasks that processes run, and the resources that each process may use. */
export interface ChildOptions {
  /** A module whose export `computeTasks` is a ComputeTasks. */
  readonly tasks: URL
  /** Files, and folders ending in `/`, that the tasks' code is in, as far as they exist. Nothing else can be read from inside. */
  readonly code: readonly URL[]
  /** Resident memory of one process, Node's own some 80 MB included. */
  readonly memoryMb: number
  /**
   * Memory that a process may occupy after a task; one that has more is replaced, so that it does not count against the next task.
   * @default half of `memoryMb`
   */
  readonly keptMb?: number
  /** CPU time of one task; where the system does not report it (other than Linux), elapsed time. */
  readonly cpuSeconds: number
}

/** A task with those who wait for it. */
export interface Job {
  readonly owner: string
  readonly order: Order
  readonly options: NonNullable<Parameters<Compute['run']>[2]>
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
}

const MB = 1024 * 1024
/** A task that takes longer is not one of a short document. */
const LONG_TASK_MS = 500
/** CPU time after which the priority of a process is lowered, in milliseconds; its own start, of some 500, counts to its first task. */
const HEAVY_TASK_MS = 1_000
/** Scheduling priority (nice value) of every process: the server itself, which answers requests, gets five times its share of a processor. See setpriority(2). */
const PRIORITY = 7
/** Priority of a process that worked on a heavy task: short documents get six times its share. */
const LOW_PRIORITY = PRIORITY + 8
/** Signals that only come from outside: an operator, the kernel's OOM killer. V8 ends itself by others. */
const FROM_OUTSIDE = new Set<NodeJS.Signals | null>(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP'])
/** Signals by which Node ends itself when the heap is full (SIGABRT), or when V8 can't allocate so large an object (the others, by machine). */
const OUT_OF_MEMORY = new Set<NodeJS.Signals | null>(['SIGABRT', 'SIGTRAP', 'SIGILL'])

/** A process that runs one task at a time. */
export class Child {
  /** Task that it runs; null while idle. */
  job: Job | null = null
  /** Owner of its last task; null before the first. */
  lastOwner: string | null = null
  /** After a heavy task. Only root could raise the priority again, so it stays low. */
  isLowPriority = false
  readonly #options: ChildOptions
  readonly #process: ChildProcess
  readonly #on: { onIdle(): void; onGone(): void }
  readonly #ended: Promise<void>
  #givenAt = 0
  #began = { cpuMs: 0, at: 0 }
  /** Time that its task took, when it was last looked at, in milliseconds. */
  #spentMs = 0
  /** When it was paused; null while it may run. */
  #pausedAt: number | null = null
  #gone = false

  /** @param on `onIdle`: it may be given the next task. `onGone`: it runs nothing any more, though the system may take a moment to end it */
  constructor(options: ChildOptions, on: { onIdle(): void; onGone(): void }) {
    this.#options = options
    this.#on = on
    this.#process = fork(COMPUTE_ENTRY, [options.tasks.href], {
      execArgv: flags(options),
      // No secret of the server's gets in.
      env: { TZ: 'UTC' },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      // Never `detached`: in sessions of their own, Linux would give each process as much as the server and all its threads have together,
      // whatever its priority (sched(7), "The autogroup feature"). A Ctrl-C, which reaches them too, is ignored by the entry.
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#ended = promise
    this.#process.on('message', (message) => this.#take(message))
    this.#process.on('error', (error) => {
      // It could not be started, or a message could not be handed over to it.
      if (this.#process.pid === undefined) resolve()
      void this.end(unavailable('No process could be started to read the document.', error))
    })
    this.#process.on('exit', (code, signal) => {
      resolve()
      void this.end(this.#whyEnded(code, signal))
    })
    this.#setPriority(PRIORITY)
    this.#hold(false)
  }

  /** Null until it runs, and once it does no more. */
  get pid(): number | null {
    return this.#gone ? null : (this.#process.pid ?? null)
  }

  /** Its task has taken so long that it is not one of a short document. */
  get isLong(): boolean {
    return this.job !== null && performance.now() - this.#givenAt > LONG_TASK_MS
  }

  /** Begins a task. */
  give(job: Job): void {
    this.job = job
    this.lastOwner = job.owner
    this.#givenAt = performance.now()
    this.#began = { cpuMs: this.#cpuMs(), at: this.#givenAt }
    this.#spentMs = 0
    // It could not be started, which its `error` event is about to say: without file descriptors it has no channel to send on.
    if (this.#process.pid === undefined) return
    try {
      this.#process.send(job.order)
    } catch (error) {
      // Input that can't be cloned. The process never saw it.
      this.#settle((failed) => failed.reject(error))
      return
    }
    // They were copied; the caller must no longer use them, and their memory is freed at once.
    for (const buffer of job.options.transfer ?? []) buffer.transfer(0)
    this.#hold(true)
  }

  /** Ends the process when its task takes too much, and lowers its priority once the task is heavy. */
  look(): void {
    if (this.job === null) return
    const { memoryMb, cpuSeconds } = this.#options
    const maxCpuMs = Math.min(cpuSeconds * 1_000, this.job.options.maxCpuMs ?? Number.POSITIVE_INFINITY)
    this.#measure()
    if (this.#spentMs > HEAVY_TASK_MS && this.job.options.isPart !== true && !this.isLowPriority) {
      this.isLowPriority = true
      this.#setPriority(LOW_PRIORITY)
    }
    if (this.#residentBytes() > memoryMb * MB) void this.end(tooMuchMemory(memoryMb))
    else if (this.#spentMs > maxCpuMs) void this.end(tooMuchTime(maxCpuMs / 1_000))
  }

  /** Stops what runs, or lets it go on from there. Does nothing where the system can't (Windows). */
  pause(paused: boolean): void {
    if (this.#gone || paused === (this.#pausedAt !== null) || process.platform === 'win32') return
    this.#process.kill(paused ? 'SIGSTOP' : 'SIGCONT')
    // Systems that do not report CPU time have elapsed time counted instead, of which a pause must be no part.
    if (this.#pausedAt !== null) this.#began.at += performance.now() - this.#pausedAt
    this.#pausedAt = paused ? performance.now() : null
  }

  /** Kills the process, failing what it runs. Resolves when the system has ended it. */
  async end(error: MillraceError): Promise<void> {
    if (!this.#gone) {
      this.#measure()
      this.#gone = true
      this.#process.kill('SIGKILL')
      this.#settle((job) => job.reject(error))
      // It ends soon, and a caller may await its end.
      this.#process.ref()
      this.#process.channel?.unref()
      this.#on.onGone()
    }
    await this.#ended
  }

  #setPriority(nice: number): void {
    if (this.#process.pid === undefined) return
    try {
      setPriority(this.#process.pid, nice)
    } catch {
      // It has just ended, or the system refuses; then processors are shared equally.
    }
  }

  #take(message: unknown): void {
    const { job } = this
    const report = reportOf(message)
    if (this.#gone || job === null || report?.id !== job.order.id) return
    if (report.kind === 'progress') {
      try {
        job.options.onProgress?.(report.value)
      } catch (error) {
        void this.end(died(error))
      }
      return
    }
    this.#measure()
    this.#settle((job) => {
      if (report.kind === 'completed') job.resolve(report.result)
      else job.reject(errorFrom(report.error))
    })
    this.#hold(false)
    // Memory that a large document leaves behind must not count against the next one.
    const held = this.#residentBytes() || report.residentBytes
    const { memoryMb, keptMb = memoryMb / 2 } = this.#options
    if (held > keptMb * MB) void this.end(unavailable('The process is being replaced.'))
    else this.#on.onIdle()
  }

  #settle(how: (job: Job) => void): void {
    const { job } = this
    this.job = null
    // It may have said its last just before it was stopped.
    this.pause(false)
    if (job === null) return
    job.options.onCpuTime?.(this.#spentMs)
    how(job)
  }

  /** Only a process that works keeps this one alive. */
  #hold(working: boolean): void {
    const verb = working ? 'ref' : 'unref'
    this.#process[verb]()
    this.#process.channel?.[verb]()
  }

  /** Once the process is gone, what was seen last is all there is to know. */
  #measure(): void {
    if (this.job === null) return
    const cpuMs = this.#cpuMs()
    const spentMs =
      cpuMs > 0 ? cpuMs - this.#began.cpuMs : this.#pausedAt === null ? performance.now() - this.#began.at : 0
    this.#spentMs = Math.max(this.#spentMs, spentMs)
  }

  /** Resident memory, swapped-out pages included; 0 where the system does not report it. See proc_pid_status(5). */
  #residentBytes(): number {
    const status = this.#proc('status')
    const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1] ?? 0)
    return (kilobytes('VmRSS') + kilobytes('VmSwap')) * 1024
  }

  /** CPU time in user and kernel mode, by all threads; 0 where the system does not report it. See proc_pid_stat(5): fields 14 and 15, in 1/100 s. */
  #cpuMs(): number {
    const fields = this.#proc('stat').replace(/^.*\)/s, '').split(' ')
    return (Number(fields[12] ?? 0) + Number(fields[13] ?? 0)) * 10
  }

  #proc(file: 'status' | 'stat'): string {
    try {
      return readFileSync(`/proc/${this.#process.pid}/${file}`, 'utf8')
    } catch {
      // No Linux, or the process has ended; its exit event reports the rest.
      return ''
    }
  }

  #whyEnded(code: number | null, signal: NodeJS.Signals | null): MillraceError {
    const cause = new Error(`A process ended with ${signal ?? `code ${code}`}`)
    if (OUT_OF_MEMORY.has(signal)) return tooMuchMemory(this.#options.memoryMb)
    if (FROM_OUTSIDE.has(signal))
      return unavailable('The process that read the document was ended from outside.', cause)
    return died(cause)
  }
}

/**
 * Half the memory for the heap, so that garbage is collected before it counts as too much; the rest is for buffers and Node itself. No
 * permission but to read the code: what gets control of a process can't write files, start programs or load native code.
 */
function flags({ code, memoryMb }: ChildOptions): string[] {
  return [
    `--max-old-space-size=${Math.floor(memoryMb / 2)}`,
    '--max-semi-space-size=8',
    '--permission',
    ...[COMPUTE_ENTRY, ...code].flatMap(readable).map((path) => `--allow-fs-read=${path}`),
    '--no-addons',
    '--disable-proto=delete',
    '--disallow-code-generation-from-strings',
  ]
}

/** A folder may be a link (of a package manager, say): it is looked up by its own path and read by its real one. Empty for what is not there. */
function readable(url: URL): string[] {
  if (!existsSync(url)) return []
  const path = fileURLToPath(url).replace(/[\\/]$/, '')
  const paths = [...new Set([path, realpathSync(path)])]
  return url.pathname.endsWith('/') ? paths.map((one) => `${one}/*`) : paths
}

/** Validates a message of a process, since a document may have got control of it; null where the message is invalid. */
function reportOf(message: unknown): Report | null {
  if (typeof message !== 'object' || message === null || !('id' in message) || typeof message.id !== 'number')
    return null
  const { id } = message
  const kind = 'kind' in message ? message.kind : null
  if (kind === 'progress') return { id, kind, value: 'value' in message ? message.value : undefined }
  const residentBytes = 'residentBytes' in message ? Number(message.residentBytes) : 0
  if (kind === 'completed') return { id, kind, result: 'result' in message ? message.result : undefined, residentBytes }
  const error = 'error' in message ? message.error : null
  return kind === 'failed' ? { id, kind, error: errorIn(error), residentBytes } : null
}

function errorIn(error: unknown): ReportedError {
  const { code, message, stack }: { code?: unknown; message?: unknown; stack?: unknown } =
    typeof error === 'object' && error !== null ? error : {}
  return {
    code: typeof code === 'string' ? code : null,
    message: String(message),
    stack: typeof stack === 'string' ? stack : undefined,
  }
}

function errorFrom({ code, message, stack }: ReportedError): MillraceError {
  if (isErrorCode(code)) return new MillraceError(code, message)
  const cause = new Error(message)
  if (stack !== undefined) cause.stack = stack
  return new MillraceError('UNKNOWN', 'The task failed unexpectedly.', { cause })
}

function tooMuchMemory(memoryMb: number): MillraceError {
  return new MillraceError('TOO_LARGE', `The document needs too much memory: more than ${memoryMb} MB.`)
}

function tooMuchTime(seconds: number): MillraceError {
  return new MillraceError('TOO_LARGE', `The document takes too long to read: more than ${seconds} seconds.`)
}

function died(cause: unknown): MillraceError {
  return new MillraceError('UNKNOWN', 'The task failed unexpectedly: its process ended.', { cause })
}

function unavailable(message: string, cause?: unknown): MillraceError {
  return new MillraceError('SERVICE_UNAVAILABLE', message, { cause })
}
