/** The jobs that a worker holds: those that run in its places, those that wait here for one, those whose end is being written. */

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
   * Runs a job that has got its place, and calls {@link LeasedJobs.ended} afterwards. A job that was told to stop before it began comes here
   * too, beyond all places.
   */
  run(held: LeasedJob): void
  /** Called when the reserve has opened. */
  stuck(): void
}

/** Keeps the places filled, lowest turn first, and lends those of the reserve. */
export class LeasedJobs {
  readonly #places: number
  readonly #runner: Runner
  readonly #ahead: PrefetchSizer
  readonly #reserve: Reserve
  readonly #held = new Map<string, LeasedJob>()
  #waiting: LeasedJob[] = []
  #watch: ReturnType<typeof setTimeout> | undefined

  /**
   * @param options.places jobs that run at once
   * @param options.reserve jobs that may run beyond that, see {@link Reserve}
   * @param options.meanMs see {@link PrefetchSizer}
   */
  constructor(options: { places: number; reserve: number; meanMs?: number | undefined }, runner: Runner) {
    this.#places = options.places
    this.#runner = runner
    this.#ahead = new PrefetchSizer(options.places, options.meanMs)
    this.#reserve = new Reserve(options.places, options.reserve)
  }

  /** Moving mean of the duration of a job, in milliseconds. */
  get meanMs(): number {
    return this.#ahead.meanMs
  }

  get size(): number {
    return this.#held.size
  }

  get(jobId: string): LeasedJob | undefined {
    return this.#held.get(jobId)
  }

  [Symbol.iterator](): Iterator<LeasedJob> {
    return this.#held.values()
  }

  /** Jobs that may be claimed: for the free places, and for as many as may wait for one. */
  get room(): number {
    return this.#places + this.#ahead.jobs - this.#held.size
  }

  /** Places of the reserve that may be claimed for, and owners who may have none of them; null while the reserve is closed. */
  get reserve(): { readonly room: number; readonly ownersAtShare: readonly string[] } | null {
    return this.#reserve.open ? { room: this.#reserve.free, ownersAtShare: this.#reserve.ownersAtShare } : null
  }

  /** Holds a job. An older run of it lost its lease and may write nothing. */
  hold(job: ClaimedJob, now: number): LeasedJob {
    const older = this.#held.get(job.jobId)
    if (older !== undefined) this.stop(older, 'lost')
    const held = { job, stop: new AbortController(), since: performance.now(), renewedAt: now, reserved: false }
    this.#held.set(job.jobId, held)
    return held
  }

  /** Lets a job that is held wait for a place. */
  enqueue(held: LeasedJob): void {
    this.#waiting.push(held)
  }

  /** Runs what waits, as far as there are places. */
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

  /** Runs what waits of owners who may have a place of the reserve. */
  #lend(): void {
    for (;;) {
      const next = this.#waiting.findIndex(({ job }) => this.#reserve.mayRun(job.owner))
      if (next === -1) return
      for (const held of this.#waiting.splice(next, 1)) this.#begin(held, true)
    }
  }

  /** Looks soon if the places are stuck, and tells so: for jobs that find no place, here or in the database. */
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

  /** Looks no more. */
  close(): void {
    clearTimeout(this.#watch)
  }

  #begin(held: LeasedJob, reserved: boolean): void {
    held.reserved = reserved
    this.#reserve.begin(held.job.owner, reserved)
    this.#runner.run(held)
  }

  /** A run ended, and its place is free. @param ms how long it took */
  ended({ job, reserved }: LeasedJob, ms: number): void {
    this.#reserve.end(job.owner, reserved)
    // The reserve says nothing of how soon the other places are free.
    if (!reserved) this.#ahead.note(ms)
    this.fill()
  }

  /** Lets go of a job, unless it is held under another lease by now. */
  drop({ jobId, lease }: { readonly jobId: string; readonly lease: string }): void {
    if (this.#held.get(jobId)?.job.lease === lease) this.#held.delete(jobId)
  }

  /** Tells a job to stop. One that waits ends before it begins. */
  stop(held: LeasedJob, reason: StopReason): void {
    held.stop.abort(new Stopped(reason))
    const place = this.#waiting.indexOf(held)
    if (place === -1) return
    this.#waiting.splice(place, 1)
    this.#begin(held, false)
  }

  /** Takes out what waits, if the first of it waits for longer than so many milliseconds, to be handed back: another worker may have places. */
  takeWaiting(longerThanMs: number): readonly ClaimedJob[] {
    const first = this.#waiting[0]
    if (first === undefined || performance.now() - first.since <= longerThanMs) return []
    this.#ahead.reset()
    return this.#waiting.splice(0).map(({ job }) => job)
  }
}
