/** Tracks the progress of a worker's jobs: published at once, but at most ten times a second; stored at the heartbeat. */
import type { Notifier, Progress } from '../../ports.ts'

const PUBLISH_EVERY_MS = 100

type JobRef = Omit<Progress, 'percent' | 'message' | 'stage'> & { readonly batchId: string }

/** The latest progress of each running job of a worker. */
export class ProgressBoard {
  readonly #notifier: Notifier
  readonly #latest = new Map<string, Progress & { batchId: string }>()
  /** Jobs whose progress is not stored yet. */
  readonly #moved = new Set<string>()
  /** Jobs whose progress is not published yet. */
  #unpublished = new Set<string>()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** When progress was last published, by `performance.now`. */
  #publishedAt = Number.NEGATIVE_INFINITY

  constructor(notifier: Notifier) {
    this.#notifier = notifier
  }

  /** Notes how far a job is. Percent is kept within 0–100. */
  put(job: JobRef, value: { percent: number; message: string; stage: string | null }): void {
    const percent = Math.min(100, Math.max(0, Math.round(value.percent)))
    const { jobId, batchId } = job
    this.#latest.set(jobId, { batchId, ...refOf(job), ...value, percent })
    this.#moved.add(jobId)
    this.#unpublished.add(jobId)
    // A job that is done in less is published too, once.
    this.#timer ??= setTimeout(
      () => this.#publish(),
      Math.max(0, this.#publishedAt + PUBLISH_EVERY_MS - performance.now()),
    )
  }

  /** Notes that a job has another name. */
  rename(job: JobRef): void {
    const { percent, message, stage } = this.of(job)
    this.put(job, { percent, message, stage })
  }

  /** The latest of a job; at its start when it has said nothing yet. */
  of(job: JobRef): Progress {
    return this.#latest.get(job.jobId) ?? { ...refOf(job), percent: 0, message: '', stage: null }
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
    this.#unpublished.delete(jobId)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #publish(): void {
    this.#timer = undefined
    this.#publishedAt = performance.now()
    const batches = new Map<string, Progress[]>()
    for (const jobId of this.#unpublished) {
      const latest = this.#latest.get(jobId)
      if (latest === undefined) continue
      const { batchId, ...progress } = latest
      const list = batches.get(batchId)
      if (list === undefined) batches.set(batchId, [progress])
      else list.push(progress)
    }
    this.#unpublished.clear()
    for (const [batchId, progress] of batches) this.#notifier.publish(batchId, { progress })
  }
}

/** Picks the fields of a claimed job that its progress carries; the rest of it may be large. */
function refOf(job: JobRef): Omit<JobRef, 'batchId'> {
  const { jobId, sequence, itemId, filename, url, attempt, maxAttempts, startedAt } = job
  return { jobId, sequence, itemId, filename, url, attempt, maxAttempts, startedAt }
}
