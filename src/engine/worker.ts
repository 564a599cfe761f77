/** A worker: claims jobs as it has places for them, runs them, keeps their leases, and hands in what they came to. */
import type { BlobStore, Clock, Compute, Database, Dispatcher, Fetcher, Log, Notifier, Operations } from '../ports.ts'
import { runAttempt, Stopped, type StopReason, stoppedOutcome } from './attempt.ts'
import { type Claimed, type ClaimOrder, claim, readyDue } from './claim.ts'
import { Committer } from './committer.ts'
import { heartbeat, keepCheckpoint } from './heartbeat.ts'
import type { Meter } from './meter.ts'
import { ProgressBoard } from './progress.ts'
import { sweepOrphans, sweepRateWindows, sweepRetention } from './retention.ts'
import { signIn, signOut, sweepBatches, sweepLeases } from './sweep.ts'

/** What a worker needs of the world. */
export interface WorkerDeps {
  readonly db: Database
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  readonly notifier: Notifier
  readonly blobs: BlobStore
  readonly fetcher: Fetcher
  readonly compute: Compute
  readonly log: Log
  readonly operations: Operations
  readonly meter: Meter
}

/** Times are milliseconds. */
export interface WorkerOptions {
  /** A UUID, new for every worker. */
  readonly id: string
  readonly host: string
  readonly pid: number
  /** Jobs run at once. */
  readonly concurrency: number
  /** How long a lease lasts without a heartbeat. */
  readonly leaseMs: number
  /** Between heartbeats; progress is stored as often. */
  readonly beatMs: number
  /** Between sweeps for lost leases and due jobs that no wake-up told of. */
  readonly sweepMs: number
  /** How long ended batches are kept. */
  readonly keepMs: number
  /** Between sweeps for what is kept no longer. */
  readonly retentionMs: number
}

/** The times a server uses unless a test turns them. */
export const WORKER_TIMES = { leaseMs: 15_000, beatMs: 1_000, sweepMs: 1_000, retentionMs: 60_000 }

/** What handing back unfinished jobs may take when a worker stops. */
const HAND_BACK_MS = 2_000

const ORPHANS_EVERY_MS = 60 * 60 * 1_000

interface Running {
  readonly job: Claimed
  readonly stop: AbortController
  /** When its lease was last renewed. */
  renewedAt: number
}

/** Runs jobs until stopped. */
export class Worker {
  readonly #deps: WorkerDeps
  readonly #options: WorkerOptions
  readonly #running = new Map<string, Running>()
  readonly #committer: Committer
  readonly #board: ProgressBoard
  #claims = 0
  /** Places that claims under way may fill. */
  #asked = 0
  #pumping: Promise<void> | null = null
  #pumpAgain = false
  /** Looks for due jobs that are under way. */
  #looks = 0
  #stopping = false
  #orphansDueAt = 0
  #timers: (() => void)[] = []
  #dueTimer: ReturnType<typeof setTimeout> | undefined

  constructor(deps: WorkerDeps, options: WorkerOptions) {
    this.#deps = deps
    this.#options = options
    this.#board = new ProgressBoard(deps.notifier)
    this.#committer = new Committer(deps, {
      order: (freed) => this.#order(freed),
      done: (outcomes, order, claimed) => {
        for (const outcome of outcomes) this.#drop(outcome)
        if (order !== null) this.#take(order, claimed)
        // Jobs to be tried again, and deliveries of what this group came to, are due soon.
        if (outcomes.some(({ kind, hooked }) => kind === 'again' || hooked)) this.#wakeAtNextDue()
        if (order === null || claimed.length === order.limit) this.#pump()
      },
    })
  }

  /** Signs in and begins to claim. */
  async start(): Promise<void> {
    await signIn(this.#deps, this.#options)
    this.#timers = [
      // A wake-up may tell of ready jobs or of scheduled ones that are due at once: making those ready pumps again.
      this.#deps.dispatcher.onWake(() => this.#wakeAtNextDue()),
      every(this.#options.beatMs, () => this.#beat(), this.#deps.log),
      every(this.#options.sweepMs, () => this.#sweep(), this.#deps.log),
      every(this.#options.retentionMs, () => this.#retain(), this.#deps.log),
    ]
    this.#wakeAtNextDue()
    this.#pump()
  }

  /**
   * Claims no more, lets what runs end for at most `graceMs`, then hands the rest back to be run elsewhere. What the database does
   * not take within two more seconds is left to its lease.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    const end = performance.now() + graceMs
    while (this.#running.size > 0 && performance.now() < end) await pause(20)
    await this.#pumping
    const last = performance.now() + HAND_BACK_MS
    while (this.#running.size > 0 && performance.now() < last) {
      // Again and again: a claim that was under way may bring more.
      for (const { stop } of this.#running.values()) stop.abort(new Stopped('shutdown'))
      await pause(5)
    }
    for (const cancel of this.#timers) cancel()
    clearTimeout(this.#dueTimer)
    this.#board.stop()
    await signOut(this.#deps.db, [this.#options.id])
  }

  /** Jobs that run now. */
  get running(): number {
    return this.#running.size
  }

  /**
   * Starts, works until nothing is ready or running, and stops: for homes where a worker lives no longer than there is work. What falls
   * due later is not waited for (see `nextDue`).
   * @param goOn asked many times a second; once it says no, nothing more is claimed
   * @param graceMs what runs then gets to end by itself
   */
  async drain(goOn: () => boolean, graceMs: number): Promise<void> {
    await this.start()
    await this.#sweep()
    while ((this.#running.size > 0 || this.#pumping !== null || this.#looks > 0) && goOn()) await pause(20)
    await this.stop(graceMs)
  }

  /** Claims while there are places and something to claim. At most one claim at a time. */
  #pump(): void {
    if (this.#stopping) return
    if (this.#pumping !== null) {
      this.#pumpAgain = true
      return
    }
    this.#pumping = this.#claimAll()
      .catch((error: unknown) => this.#deps.log.error({ err: error }, 'claiming failed; the next sweep tries again'))
      .finally(() => {
        this.#pumping = null
        if (this.#pumpAgain) {
          this.#pumpAgain = false
          this.#pump()
        }
      })
  }

  async #claimAll(): Promise<void> {
    for (;;) {
      const order = this.#order(0)
      if (order === null) return
      let claimed: readonly Claimed[] = []
      try {
        claimed = await claim(this.#deps, order)
      } finally {
        this.#take(order, claimed)
      }
      if (claimed.length < order.limit) return
    }
  }

  /** An order for every place that is free, or will be once `freed` jobs are written. */
  #order(freed: number): ClaimOrder | null {
    const limit = this.#options.concurrency - this.#running.size - this.#asked + freed
    if (limit <= 0 || this.#stopping) return null
    this.#asked += limit
    return { lease: `${this.#options.id}.${++this.#claims}`, limit, leaseMs: this.#options.leaseMs }
  }

  #take(order: ClaimOrder, claimed: readonly Claimed[]): void {
    this.#asked -= order.limit
    for (const job of claimed) this.#run(job)
  }

  #run(job: Claimed): void {
    const stop = new AbortController()
    // Its lease ran out here, and it is claimed again: the older run may write nothing.
    this.#stop(job.jobId, 'lost')
    this.#running.set(job.jobId, { job, stop, renewedAt: this.#deps.clock.now() })
    const operation = this.#deps.operations[job.operation]
    if (operation === undefined) {
      const message = `This server does not know the operation "${job.operation}".`
      this.#committer.add({ ...job, kind: 'failed', code: 'UNKNOWN', message })
      return
    }
    if (job.stopCode !== null) {
      this.#committer.add(stoppedOutcome(job, job.stopCode))
      return
    }
    const { clock, db, blobs, fetcher, compute } = this.#deps
    const progress = (percent: number, message: string, stage?: string) => {
      if (!stop.signal.aborted) this.#board.put(job, { percent, message, stage: stage ?? null })
    }
    const checkpoint = async (state: unknown) => {
      if (!(await keepCheckpoint(db, job, state))) {
        stop.abort(new Stopped('lost'))
        stop.signal.throwIfAborted()
      }
    }
    const ctx = { signal: stop.signal, progress, checkpoint, clock, db, blobs, fetcher, compute }
    const began = performance.now()
    void runAttempt(this.#deps, job, operation, stop, ctx).then((outcome) => {
      if (outcome !== null) this.#deps.meter.add(job.operation, outcome.kind, performance.now() - began)
      this.#board.remove(job.jobId)
      if (outcome === null) this.#drop(job)
      else this.#committer.add(outcome)
    })
  }

  #drop({ jobId, lease }: { readonly jobId: string; readonly lease: string }): void {
    if (this.#running.get(jobId)?.job.lease === lease) this.#running.delete(jobId)
  }

  #stop(jobId: string, reason: StopReason): void {
    this.#running.get(jobId)?.stop.abort(new Stopped(reason))
  }

  /** Stores progress that changed and renews leases that are a third spent. */
  async #beat(): Promise<void> {
    const now = this.#deps.clock.now()
    const moved = this.#board.takeMoved()
    const beats = [...this.#running.values()]
      .filter(({ job, renewedAt }) => moved.has(job.jobId) || now - renewedAt > this.#options.leaseMs / 3)
      .map(({ job }) => ({
        ...this.#board.of(job),
        batchId: job.batchId,
        lease: job.lease,
        moved: moved.has(job.jobId),
      }))
    if (beats.length === 0) return
    const verdict = await heartbeat(this.#deps, beats, this.#options.leaseMs)
    for (const { jobId } of beats) {
      const running = this.#running.get(jobId)
      const code = verdict.stopped.get(jobId)
      if (code !== undefined) this.#stop(jobId, code)
      else if (!verdict.held.has(jobId)) this.#stop(jobId, 'lost')
      else if (running !== undefined) running.renewedAt = now
    }
  }

  async #sweep(): Promise<void> {
    await signIn(this.#deps, this.#options)
    await sweepLeases(this.#deps)
    const stopped = await sweepBatches(this.#deps)
    for (const { job, stop } of this.#running.values()) {
      const code = stopped.get(job.batchId)
      if (code !== undefined) stop.abort(new Stopped(code))
    }
    this.#wakeAtNextDue()
    this.#pump()
  }

  async #retain(): Promise<void> {
    await sweepRetention(this.#deps, this.#options.keepMs)
    await sweepRateWindows(this.#deps)
    const now = this.#deps.clock.now()
    if (now < this.#orphansDueAt) return
    this.#orphansDueAt = now + ORPHANS_EVERY_MS
    await sweepOrphans(this.#deps)
  }

  #wakeAtNextDue(): void {
    if (this.#stopping) return
    this.#looks++
    const look = readyDue(this.#deps).finally(() => this.#looks--)
    look.then(
      (due) => {
        clearTimeout(this.#dueTimer)
        if (due !== null && !this.#stopping) {
          const wait = Math.max(0, due - this.#deps.clock.now())
          this.#dueTimer = setTimeout(() => this.#wakeAtNextDue(), Math.min(wait, 60_000))
        }
        this.#pump()
      },
      (error: unknown) =>
        this.#deps.log.error({ err: error }, 'due jobs could not be read; the next sweep tries again'),
    )
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Calls `run` again and again, `ms` after it ended, until the returned function is called. */
function every(ms: number, run: () => Promise<void>, log: Log): () => void {
  let timer: ReturnType<typeof setTimeout>
  let stopped = false
  const next = () => {
    timer = setTimeout(async () => {
      await run().catch((error: unknown) =>
        log.error({ err: error }, 'a timed task of the worker failed; it is tried again'),
      )
      if (!stopped) next()
    }, ms)
  }
  next()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
