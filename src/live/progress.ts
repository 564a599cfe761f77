/** Progress of running jobs as frames: the latest of each, sent to a client at most once for each change. */

import { presentJobFacts } from '../events.ts'
import { encodeEvent } from '../formats/sse.ts'
import type { Progress } from '../ports.ts'
import { join, type Piece } from './ring.ts'

/** Jobs that ended are remembered this long, in jobs. */
const ENDED_REMEMBERED = 2_000

/** The latest progress of each running job, numbered by when it came. */
export class ProgressFrames {
  /** In the order of their versions. */
  readonly #frames = new Map<string, { version: number; bytes: Uint8Array; data: string; stored: boolean }>()
  /** Jobs that ended recently: their end must not be followed by a late progress notice. */
  readonly #ended = new Set<string>()
  #version = 0
  #cached: (Piece & { after: number }) | null = null

  /** Grows with every change. */
  get version(): number {
    return this.#version
  }

  /** Takes in how far a job is. */
  put(batchId: string, progress: Progress): void {
    this.#put(batchId, progress, false)
  }

  /** Takes in what was stored, which is older than what was put, and newer than what was stored before. */
  putStored(batchId: string, progress: Progress): void {
    if (this.#frames.get(progress.jobId)?.stored !== false) this.#put(batchId, progress, true)
  }

  #put(batchId: string, { jobId, sequence, percent, message, stage, ...facts }: Progress, stored: boolean): void {
    if (this.#ended.has(jobId)) return
    const body = {
      type: 'job_progress',
      batchId,
      jobId,
      sequence,
      ...presentJobFacts({ ...facts, finishedAt: null }),
      status: stage ?? 'processing',
      progressPercent: percent,
      progressMessage: message,
    }
    const data = JSON.stringify(body)
    if (stored && this.#frames.get(jobId)?.data === data) return
    this.#frames.delete(jobId)
    this.#frames.set(jobId, {
      version: ++this.#version,
      bytes: encodeEvent({ event: 'job_progress', data }),
      data,
      stored,
    })
  }

  /** Forgets a job that ended. */
  end(jobId: string): void {
    if (this.#frames.delete(jobId)) this.#cached = null
    this.#ended.add(jobId)
    for (const oldest of this.#ended) {
      if (this.#ended.size <= ENDED_REMEMBERED) break
      this.#ended.delete(oldest)
    }
  }

  /** Jobs that ended run again. */
  restart(): void {
    this.#ended.clear()
  }

  /** Joins the frames that came after a version into one piece; all callers at the same version share it. */
  after(version: number): Piece {
    const cached = this.#cached
    if (cached !== null && cached.after === version && cached.end === this.#version) return cached
    const fresh = [...this.#frames.values()].filter((frame) => frame.version > version)
    this.#cached = { after: version, end: this.#version, bytes: join(fresh.map(({ bytes }) => bytes)) }
    return this.#cached
  }
}
