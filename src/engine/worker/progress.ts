/** Tracks the progress of a worker's jobs: published at once, but at most ten times a second; stored at the heartbeat. */
import type { Notifier, Progress } from '../../ports.ts'

const TELL_EVERY_MS = 100

interface Place {
  readonly jobId: string
  readonly batchId: string
  readonly sequence: number
}

/** The latest progress of each running job of a worker. */
export class ProgressBoard {
  readonly #notifier: Notifier
  readonly #latest = new Map<string, Progress & { batchId: string }>()
  /** Jobs whose progress is not stored yet. */
  readonly #moved = new Set<string>()
  /** Jobs whose progress was not told yet. */
  #untold = new Set<string>()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** When progress was told last, by `performance.now`. */
  #toldAt = Number.NEGATIVE_INFINITY

  constructor(notifier: Notifier) {
    this.#notifier = notifier
  }

  /** Notes how far a job is. Percent is kept within 0–100. */
  put(job: Place, value: { percent: number; message: string; stage: string | null }): void {
    const percent = Math.min(100, Math.max(0, Math.round(value.percent)))
    const { jobId, batchId, sequence } = job
    this.#latest.set(jobId, { jobId, batchId, sequence, ...value, percent })
    this.#moved.add(jobId)
    this.#untold.add(jobId)
    // A job that is done in less is told of too, once.
    this.#timer ??= setTimeout(() => this.#tell(), Math.max(0, this.#toldAt + TELL_EVERY_MS - performance.now()))
  }

  /** The latest of a job; at its start when it has said nothing yet. */
  of(job: Place): Progress {
    return (
      this.#latest.get(job.jobId) ?? { jobId: job.jobId, sequence: job.sequence, percent: 0, message: '', stage: null }
    )
  }

  /** Returns true where a job's progress changed since it was stored. */
  moved(jobId: string): boolean {
    return this.#moved.has(jobId)
  }

  /** Notes that the latest progress of these jobs is being stored. */
  stored(jobs: readonly { readonly jobId: string }[]): void {
    for (const { jobId } of jobs) this.#moved.delete(jobId)
  }

  /** Forgets a job that ended. */
  remove(jobId: string): void {
    this.#latest.delete(jobId)
    this.#moved.delete(jobId)
    this.#untold.delete(jobId)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #tell(): void {
    this.#timer = undefined
    this.#toldAt = performance.now()
    const batches = new Map<string, Progress[]>()
    for (const jobId of this.#untold) {
      const latest = this.#latest.get(jobId)
      if (latest === undefined) continue
      const { batchId, ...progress } = latest
      const list = batches.get(batchId)
      if (list === undefined) batches.set(batchId, [progress])
      else list.push(progress)
    }
    this.#untold.clear()
    for (const [batchId, progress] of batches) this.#notifier.publish(batchId, { progress })
  }
}
