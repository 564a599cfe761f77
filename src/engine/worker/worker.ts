/** A worker: claims jobs as it has slots for them, runs them, renews their leases, and commits their outcomes. */

import { sleep } from '../../backoff.ts'
import { findStorageFault } from '../../storage-errors.ts'
import { advanceAllTransitions } from '../transitions/bulk-transitions.ts'
import { type ClaimedJob, type ClaimRequest, claim } from '../transitions/claim.ts'
import { type Heartbeat, heartbeat, stoppedAmong } from '../transitions/heartbeat.ts'
import { sweepLeftovers, sweepRateWindows, sweepRetention } from '../transitions/retention.ts'
import type { StopCode } from '../transitions/stop-codes.ts'
import { signIn, signOut, sweepBatches, sweepLeases } from '../transitions/sweep.ts'
import { continueLater, endedAttempt, notStarted, runAttempt, stoppedOutcome } from './attempt.ts'
import { GroupCommit } from './group-commit.ts'
import { repeat } from './interval.ts'
import { type LeasedJob, LeasedJobs } from './leased-jobs.ts'
import { OutageWatch } from './outage.ts'
import { ProgressBoard } from './progress.ts'
import { defaultReserve } from './reserve.ts'
import { openRunContext } from './run-context.ts'
import { WakeupTimer } from './wakeup-timer.ts'
import type { WorkerDeps, WorkerOptions } from './worker-options.ts'

/** Time that handing back unfinished jobs may take when a worker stops, in milliseconds. */
const HAND_BACK_MS = 2_000

const ORPHANS_EVERY_MS = 60 * 60 * 1_000

/** Prefetched jobs that waited for so long, in milliseconds, are released: those before them are not as quick as expected. */
const LONGEST_WAIT_MS = 1_000

/** Runs jobs until stopped. */
export class Worker {
  readonly #deps: WorkerDeps
  readonly #options: WorkerOptions
  readonly #leased: LeasedJobs
  readonly #committer: GroupCommit
  readonly #board: ProgressBoard
  #claims = 0
  /** Places that claims under way may fill. */
  #asked = 0
  #pumping: Promise<void> | null = null
  #pumpAgain = false
  readonly #due: WakeupTimer
  /** True while transitions of whole batches are being advanced. */
  #transitioning = false
  #stopping = false
  #orphansDueAt = 0
  readonly #outage: OutageWatch
  #timers: (() => void)[] = []

  constructor(deps: WorkerDeps, options: WorkerOptions) {
    this.#deps = deps
    this.#options = options
    this.#board = new ProgressBoard(deps.notifier)
    this.#outage = new OutageWatch(deps.clock, options.leaseMs)
    const { concurrency: slots, reserve = defaultReserve(slots), meanMs } = options
    this.#leased = new LeasedJobs(
      { slots, reserve, meanMs },
      { run: (held) => this.#run(held), stuck: () => this.#pump() },
    )
    this.#due = new WakeupTimer(deps, {
      readied: () => this.#pump(),
      mayLook: () => !this.#stopping && !this.#budgetExhausted,
    })
    this.#committer = new GroupCommit(deps, {
      order: (freed) => this.#order(freed),
      idle: () => this.#leased.starved,
      written: (waitedMs) => this.#leased.written(waitedMs),
      done: (outcomes, order, claimed) => {
        for (const outcome of outcomes) this.#leased.drop(outcome)
        if (order !== null) this.#take(order, claimed)
        // A budget that this group exceeded pauses or stops its batch.
        if (outcomes.some(({ hasBudget }) => hasBudget)) this.#advanceTransitions()
        // Jobs to be tried again, and deliveries of what this group came to, are due soon.
        if (outcomes.some(({ kind, hasFollowUp }) => kind === 'retry' || hasFollowUp)) this.#due.look()
        if (order === null || order.passedOwners !== undefined || claimed.length === order.limit) this.#pump()
      },
    })
  }

  /** Signs in and begins to claim. */
  async start(): Promise<void> {
    await signIn(this.#deps, this.#options)
    this.#timers = [
      this.#deps.dispatcher.onWake(() => {
        // A wake-up may announce ready jobs, or scheduled ones that are due at once.
        this.#pump()
        this.#due.look()
        // Or of a large batch, whose jobs are made ready some at a time.
        this.#advanceTransitions()
      }),
      repeat(this.#options.beatMs, () => this.#beat(), this.#deps.log),
      repeat(this.#options.sweepMs, () => this.#sweep(), this.#deps.log),
      repeat(this.#options.retentionMs, () => this.#retain(), this.#deps.log),
    ]
    this.#due.look()
    this.#pump()
  }

  /**
   * Claims no more, lets what runs end for at most `graceMs`, then hands the rest back to be run elsewhere. What the database does
   * not take within two more seconds is left to its lease.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true
    this.#handBack(0)
    this.#committer.flush()
    const end = performance.now() + graceMs
    while (this.#leased.size > 0 && performance.now() < end) await sleep(20)
    await this.#pumping
    const last = performance.now() + HAND_BACK_MS
    while (this.#leased.size > 0 && performance.now() < last) {
      // Again and again: a claim that was under way may bring more.
      for (const held of this.#leased) this.#leased.stop(held, 'shutdown')
      await sleep(5)
    }
    for (const cancel of this.#timers) cancel()
    this.#due.stop()
    this.#leased.close()
    this.#board.stop()
    this.#committer.close()
    await signOut(this.#deps.db, [this.#options.id]).catch((error: unknown) => {
      if (findStorageFault(error) === null) throw error
      // The next start sees that the process is gone.
      this.#deps.log.warn(
        { event: 'worker.sign_out_failed', err: error },
        'the storage takes nothing; what ran is left to its leases',
      )
    })
  }

  /** Number of leased jobs. */
  get running(): number {
    return this.#leased.size
  }

  /** Moving mean of the duration of a job, in milliseconds. */
  get meanMs(): number {
    return this.#leased.meanMs
  }

  /**
   * Starts, works until nothing is ready or running, and stops: for runtimes where a worker lives no longer than there is work. What falls
   * due later is not waited for (see `readNextRunAt`).
   * @param goOn asked many times a second; once it says no, nothing more is claimed
   * @param graceMs what runs then gets to end by itself
   */
  async drain(goOn: () => boolean, graceMs: number): Promise<void> {
    await this.start()
    await this.#lookAround()
    const busy = () => this.#leased.size > 0 || this.#pumping !== null || this.#due.looking || this.#transitioning
    while (busy() && goOn()) await sleep(20)
    await this.stop(graceMs)
  }

  /** Claims while there are free slots and ready jobs. At most one claim at a time. */
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
      let claimed: readonly ClaimedJob[] = []
      try {
        claimed = await claim(this.#deps, order)
      } finally {
        this.#take(order, claimed)
      }
      // Of the reserve each claim takes a job an owner, so that the next one knows who has how many.
      if (claimed.length < (order.passedOwners === undefined ? order.limit : 1)) return
    }
  }

  /**
   * A claim for every slot that is free, or will be once `freed` jobs are written, and for what may wait for one; where there is none, for
   * those of the reserve. A claim beside no outcomes is a commit of its own, which jobs that would wait are not worth.
   */
  #order(freed: number): ClaimRequest | null {
    if (this.#stopping || this.#budgetExhausted) return null
    const limit = this.#leased.room - this.#asked + freed
    if (limit > 0 && (freed > 0 || this.#leased.idle > this.#asked)) return this.#ask({ limit })
    const { reserve } = this.#leased
    if (reserve === null) this.#leased.watch()
    else if (reserve.room > this.#asked) {
      return this.#ask({ limit: reserve.room - this.#asked, passedOwners: reserve.ownersAtShare })
    }
    return null
  }

  #ask(order: Omit<ClaimRequest, 'lease' | 'leaseMs'>): ClaimRequest {
    this.#asked += order.limit
    return { lease: `${this.#options.id}.${++this.#claims}`, leaseMs: this.#options.leaseMs, ...order }
  }

  #take(order: ClaimRequest, claimed: readonly ClaimedJob[]): void {
    this.#asked -= order.limit
    const now = this.#deps.clock.now()
    for (const job of claimed) {
      const held = this.#leased.hold(job, now)
      if (job.stopCode === null) this.#leased.enqueue(held)
      else this.#committer.add(notStarted(stoppedOutcome(job, job.stopCode)))
    }
    if (this.#stopping) this.#handBack(0)
    this.#leased.fill()
  }

  /** Releases jobs that have waited for a slot for so long. */
  #handBack(longerThanMs: number): void {
    for (const job of this.#leased.takeWaiting(longerThanMs))
      this.#committer.add(notStarted(continueLater(this.#deps.clock, job)))
  }

  #run(held: LeasedJob): void {
    const { job, stop } = held
    const { clock } = this.#deps
    const { ctx, close } = openRunContext(this.#deps, this.#board, held, () => this.#budgetExhausted)
    const began = performance.now()
    const beganAt = clock.now()
    void runAttempt(this.#deps, job, stop, ctx).then((outcome) => {
      const ms = performance.now() - began
      const renamedTo = close()
      if (outcome !== null) {
        this.#deps.meter.add(job.operation, outcome.kind, ms)
        this.#deps.onAttempt?.(endedAttempt(job, outcome, beganAt, clock.now()))
      }
      this.#board.remove(job.jobId)
      // Its slot first: a commit waits for more outcomes while the slots are taken.
      this.#leased.ended(held, ms)
      if (outcome === null) this.#leased.drop(job)
      else this.#committer.add(renamedTo === null ? outcome : { ...outcome, renamedTo })
    })
  }

  get #budgetExhausted(): boolean {
    return this.#options.budgetExhausted?.() ?? false
  }

  /** Stores progress that changed and renews leases that are a third spent; once the worker has had its share, the one with the other. */
  async #beat(): Promise<void> {
    this.#handBack(LONGEST_WAIT_MS)
    const now = this.#deps.clock.now()
    const beats = [...this.#leased]
      .map(({ job, renewedAt }) => ({ job, renewedAt, moved: this.#board.moved(job.jobId) }))
      .filter(
        ({ renewedAt, moved }) => (moved && !this.#budgetExhausted) || now - renewedAt > this.#options.leaseMs / 3,
      )
      .map(({ job, moved }) => ({ ...this.#board.of(job), batchId: job.batchId, lease: job.lease, moved }))
    if (beats.length > 0) await this.#renew(beats)
    // Elsewhere the sweep looks as often.
    if (this.#options.sweepMs > this.#options.beatMs && this.#leased.size > 0 && !this.#budgetExhausted) {
      this.#stopLeased(await stoppedAmong(this.#deps.db, new Set([...this.#leased].map(({ job }) => job.batchId))))
      // No wake-up reaches a busy worker there: it finds by itself that another owner waits.
      if (this.#leased.reserve !== null) this.#pump()
    }
  }

  async #renew(beats: readonly Heartbeat[]): Promise<void> {
    const now = this.#deps.clock.now()
    this.#board.stored(beats)
    const verdict = await heartbeat(this.#deps, beats, this.#options.leaseMs)
    for (const { jobId } of beats) {
      const held = this.#leased.get(jobId)
      if (held === undefined) continue
      const code = verdict.stopped.get(jobId)
      if (code !== undefined) this.#leased.stop(held, code)
      else if (!verdict.held.has(jobId)) this.#leased.stop(held, 'lost')
      else held.renewedAt = now
    }
  }

  async #sweep(): Promise<void> {
    if (this.#budgetExhausted) return
    await signIn(this.#deps, this.#options)
    this.#outage.written()
    await this.#lookAround()
  }

  /** Finds jobs that lost their worker, were stopped or are due. */
  async #lookAround(): Promise<void> {
    await this.#renewExpired()
    if (!this.#outage.recent) await sweepLeases(this.#deps)
    this.#stopLeased(await sweepBatches(this.#deps))
    this.#advanceTransitions()
    this.#due.look()
    this.#pump()
  }

  /** Renews what ran out here while the database took nothing, or because the clock jumped: no other worker has claimed it yet. */
  async #renewExpired(): Promise<void> {
    const before = this.#deps.clock.now() - this.#options.leaseMs
    const expired = [...this.#leased].filter(({ renewedAt }) => renewedAt <= before)
    if (expired.length === 0) return
    await this.#renew(
      expired.map(({ job }) => ({ ...this.#board.of(job), batchId: job.batchId, lease: job.lease, moved: false })),
    )
  }

  /** Goes on with what is to be done to large batches, beside all else. */
  #advanceTransitions(): void {
    if (this.#transitioning) return
    this.#transitioning = true
    advanceAllTransitions(this.#deps, () => !this.#stopping && !this.#budgetExhausted)
      .catch((error: unknown) =>
        this.#deps.log.error({ err: error }, 'a bulk transition could not be advanced; the next sweep tries again'),
      )
      .finally(() => {
        this.#transitioning = false
      })
  }

  /** Stops the running jobs of these batches. */
  #stopLeased(stopped: ReadonlyMap<string, StopCode>): void {
    for (const held of this.#leased) {
      const code = stopped.get(held.job.batchId)
      if (code !== undefined) this.#leased.stop(held, code)
    }
  }

  async #retain(): Promise<void> {
    await sweepRetention(this.#deps, this.#options.keepMs, () => !this.#stopping)
    await sweepRateWindows(this.#deps)
    const now = this.#deps.clock.now()
    if (now < this.#orphansDueAt) return
    this.#orphansDueAt = now + ORPHANS_EVERY_MS
    await sweepLeftovers(this.#deps)
  }
}
