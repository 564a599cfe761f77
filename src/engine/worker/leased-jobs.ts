/** Tracks the jobs leased by a worker: those that run in its slots, those prefetched that wait for one, those whose outcome is being written. */

import type { ClaimedJob } from '../transitions/claim.ts'
import { Stopped, type StopReason } from './attempt.ts'
import { PrefetchSizer } from './prefetch.ts'
import { Reserve, STUCK_MS } from './reserve.ts'

/** A job under the lease it was claimed under. */
export interface LeasedJob {
  readonly job: ClaimedJob
  readonly stop: AbortController
  /** When it was claimed, by `performance.now()`. */
  readonly since: number
  /** When its lease was last renewed. */
  renewedAt: number
  /** True where it runs in a slot of the reserve. */
  reserved: boolean
}

/** Runner of the jobs that {@link LeasedJobs} hands out. */
export interface Runner {
  /**
   * Runs a job that has a slot, and calls {@link LeasedJobs.ended} afterwards. Also called for a job that is stopped before it began, without
   * a slot.
   */
  run(leased: LeasedJob): void
  /** Called when the reserve has opened. */
  stuck(): void
}

/** Fills the slots, lowest virtual time first, and those of the reserve. */
export class LeasedJobs {
  readonly #slots: number
  readonly #runner: Runner
  readonly #ahead: PrefetchSizer
  readonly #reserve: Reserve
  readonly #leased = new Map<string, LeasedJob>()
  #waiting: LeasedJob[] = []
  #watch: ReturnType<typeof setTimeout> | undefined

  /**
   * @param options.slots jobs that run at once
   * @param options.reserve jobs that may run beyond that, see {@link Reserve}
   * @param options.meanMs see {@link PrefetchSizer}
   */
  constructor(options: { slots: number; reserve: number; meanMs?: number | undefined }, runner: Runner) {
    this.#slots = options.slots
    this.#runner = runner
    this.#ahead = new PrefetchSizer(options.slots, options.meanMs)
    this.#reserve = new Reserve(options.slots, options.reserve)
  }

  /** Moving mean of the duration of a job, in milliseconds. */
  get meanMs(): number {
    return this.#ahead.meanMs
  }

  get size(): number {
    return this.#leased.size
  }

  get(jobId: string): LeasedJob | undefined {
    return this.#leased.get(jobId)
  }

  [Symbol.iterator](): Iterator<LeasedJob> {
    return this.#leased.values()
  }

  /** Jobs that may be claimed: for the free slots, and for as many as may wait for one. */
  get room(): number {
    return this.#slots + this.#ahead.jobs - this.#leased.size
  }

  /** Slots without a job, which nothing here waits for. */
  get idle(): number {
    return this.#waiting.length > 0 ? 0 : Math.max(0, this.#slots - this.#reserve.running)
  }

  /** True where so many slots are idle that filling them is worth a commit of its own: all of those that have nothing to run, or a quarter. */
  get starved(): boolean {
    return this.idle >= Math.ceil(this.#slots / 4)
  }

  /** Slots of the reserve that may be claimed for, and owners who may have none of them; null while the reserve is closed. */
  get reserve(): { readonly room: number; readonly ownersAtShare: readonly string[] } | null {
    return this.#reserve.open ? { room: this.#reserve.free, ownersAtShare: this.#reserve.ownersAtShare } : null
  }

  /** Adds a claimed job. An older run of it has lost its lease and may write nothing. */
  hold(job: ClaimedJob, now: number): LeasedJob {
    const older = this.#leased.get(job.jobId)
    if (older !== undefined) this.stop(older, 'lost')
    const leased = { job, stop: new AbortController(), since: performance.now(), renewedAt: now, reserved: false }
    this.#leased.set(job.jobId, leased)
    return leased
  }

  /** Queues a leased job until a slot is free. */
  enqueue(leased: LeasedJob): void {
    this.#waiting.push(leased)
  }

  /** Runs what waits, as far as there are slots. */
  fill(): void {
    while (!this.#reserve.full) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#begin(next, false)
    }
    if (this.#waiting.length === 0) return
    if (!this.#reserve.open) this.watch()
    else this.#lend()
  }

  /** Runs what waits of owners who may have a slot of the reserve. */
  #lend(): void {
    for (;;) {
      const next = this.#waiting.findIndex(({ job }) => this.#reserve.mayRun(job.owner))
      if (next === -1) return
      for (const leased of this.#waiting.splice(next, 1)) this.#begin(leased, true)
    }
  }

  /** Checks soon whether the slots are stuck, and calls `stuck` then: for jobs without a slot, here or in the database. */
  watch(): void {
    if (!this.#reserve.exists || this.#watch !== undefined) return
    this.#watch = setTimeout(() => {
      this.#watch = undefined
      if (!this.#reserve.full) return
      if (!this.#reserve.open) return this.watch()
      this.#lend()
      this.#runner.stuck()
    }, STUCK_MS + 1)
  }

  /** Stops checking. */
  close(): void {
    clearTimeout(this.#watch)
  }

  #begin(leased: LeasedJob, reserved: boolean): void {
    leased.reserved = reserved
    this.#reserve.begin(leased.job.owner, reserved)
    this.#runner.run(leased)
  }

  /** Frees the slot of a run that ended. @param ms its duration */
  ended({ job, reserved }: LeasedJob, ms: number): void {
    this.#reserve.end(job.owner, reserved)
    // The reserve says nothing of how soon the other slots are free.
    if (!reserved) this.#ahead.note(ms)
    this.fill()
  }

  /** Notes how long outcomes waited until they were written, in milliseconds. */
  written(ms: number): void {
    this.#ahead.noteCommit(ms)
  }

  /** Removes a job, unless it is leased under another token by now. */
  drop({ jobId, lease }: { readonly jobId: string; readonly lease: string }): void {
    if (this.#leased.get(jobId)?.job.lease === lease) this.#leased.delete(jobId)
  }

  /** Aborts a job. One that waits ends before it begins. */
  stop(leased: LeasedJob, reason: StopReason): void {
    leased.stop.abort(new Stopped(reason))
    const at = this.#waiting.indexOf(leased)
    if (at === -1) return
    this.#waiting.splice(at, 1)
    this.#begin(leased, false)
  }

  /** Takes out what waits, if the first of it waits for longer than so many milliseconds, to be released: another worker may have slots. */
  takeWaiting(longerThanMs: number): readonly ClaimedJob[] {
    const first = this.#waiting[0]
    if (first === undefined || performance.now() - first.since <= longerThanMs) return []
    this.#ahead.reset()
    return this.#waiting.splice(0).map(({ job }) => job)
  }
}
