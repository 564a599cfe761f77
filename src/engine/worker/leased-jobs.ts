/** The jobs that a worker holds: those that run in its places, those that wait here for one, those whose end is being written. */

import type { Claimed } from '../transitions/claim.ts'
import { Stopped, type StopReason } from './attempt.ts'
import { LookAhead } from './prefetch.ts'

/** A job under the lease it was claimed under. */
export interface HeldJob {
  readonly job: Claimed
  readonly stop: AbortController
  /** When it was claimed, by `performance.now()`. */
  readonly since: number
  /** When its lease was last renewed. */
  renewedAt: number
}

/** Keeps the places filled, lowest turn first. */
export class HeldJobs {
  readonly #places: number
  readonly #run: (held: HeldJob) => void
  readonly #ahead: LookAhead
  readonly #held = new Map<string, HeldJob>()
  #waiting: HeldJob[] = []
  #running = 0

  /**
   * @param places jobs that run at once
   * @param run runs a job that has got its place, and calls {@link ended} afterwards. A job that was told to stop before it began comes
   * here too, beyond all places
   * @param meanMs see {@link LookAhead}
   */
  constructor(places: number, run: (held: HeldJob) => void, meanMs?: number) {
    this.#places = places
    this.#run = run
    this.#ahead = new LookAhead(places, meanMs)
  }

  /** How long a job takes, in milliseconds. */
  get meanMs(): number {
    return this.#ahead.meanMs
  }

  get size(): number {
    return this.#held.size
  }

  get(jobId: string): HeldJob | undefined {
    return this.#held.get(jobId)
  }

  [Symbol.iterator](): Iterator<HeldJob> {
    return this.#held.values()
  }

  /** Jobs that may be claimed: for the free places, and for as many as may wait for one. */
  get room(): number {
    return this.#places + this.#ahead.jobs - this.#held.size
  }

  /** Holds a job. An older run of it lost its lease and may write nothing. */
  hold(job: Claimed, now: number): HeldJob {
    const older = this.#held.get(job.jobId)
    if (older !== undefined) this.stop(older, 'lost')
    const held = { job, stop: new AbortController(), since: performance.now(), renewedAt: now }
    this.#held.set(job.jobId, held)
    return held
  }

  /** Lets a job that is held wait for a place. */
  enqueue(held: HeldJob): void {
    this.#waiting.push(held)
  }

  /** Runs what waits, as far as there are places. */
  fill(): void {
    while (this.#running < this.#places) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#begin(next)
    }
  }

  #begin(held: HeldJob): void {
    this.#running++
    this.#run(held)
  }

  /** A run ended, and its place is free. @param ms how long it took */
  ended(ms: number): void {
    this.#running--
    this.#ahead.note(ms)
    this.fill()
  }

  /** Lets go of a job, unless it is held under another lease by now. */
  drop({ jobId, lease }: { readonly jobId: string; readonly lease: string }): void {
    if (this.#held.get(jobId)?.job.lease === lease) this.#held.delete(jobId)
  }

  /** Tells a job to stop. One that waits ends before it begins. */
  stop(held: HeldJob, reason: StopReason): void {
    held.stop.abort(new Stopped(reason))
    const place = this.#waiting.indexOf(held)
    if (place === -1) return
    this.#waiting.splice(place, 1)
    this.#begin(held)
  }

  /** Takes out what waits, if the first of it waits for longer than so many milliseconds, to be handed back: another worker may have places. */
  takeWaiting(longerThanMs: number): readonly Claimed[] {
    const first = this.#waiting[0]
    if (first === undefined || performance.now() - first.since <= longerThanMs) return []
    this.#ahead.reset()
    return this.#waiting.splice(0).map(({ job }) => job)
  }
}
