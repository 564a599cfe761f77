/** A worker over HTTP in TypeScript: claims jobs, runs a function for each, renews their leases, hands in what they came to. */
import { sleep } from '../backoff.ts'
import type { ClaimedJob, Ended } from '../features/workers/schemas.ts'
import type { Client } from './client.ts'
import { type WorkersClient, workersClient } from './workers.ts'

/** Outcomes in one request. */
const MAX_ENDED = 200
/** Seconds that a claim waits at the server. */
const CLAIM_WAIT_SECONDS = 20
/** Pause after a claim that failed, in milliseconds. */
const FAILED_CLAIM_MS = 1_000

/** A claimed job, as its function gets it. */
export interface WorkerJob<Item = unknown, Input = unknown>
  extends Pick<ClaimedJob, 'id' | 'batchId' | 'operation' | 'owner' | 'index' | 'itemId' | 'attempt' | 'maxAttempts'> {
  readonly item: Item
  /** Input that holds for the whole batch. */
  readonly input: Input
  /** State that an earlier run kept; null for none. */
  readonly state: unknown
  /** Aborts when the job was cancelled or lost, and when the worker stops. */
  readonly signal: AbortSignal
  /** Shows how far it is, with the next heartbeat. @param percent 0 to 100 */
  progress(percent: number, message?: string, stage?: string): void
  /** Keeps JSON from which a later run starts, with the next heartbeat or the outcome. */
  checkpoint(state: unknown): void
  /** Adds to a sum over the batch; sent with the result. */
  emit(amount: number, name?: string): void
  /** Makes an outcome that continues the job in a fresh run, which is no attempt. @param delaySeconds until then */
  continueLater(state: unknown, delaySeconds?: number): ContinueLater
}

/** Outcome of a run that continues later; made by `job.continueLater`. */
export class ContinueLater {
  readonly state: unknown
  readonly delaySeconds: number

  /** Use `job.continueLater`. */
  constructor(state: unknown, delaySeconds: number) {
    this.state = state
    this.delaySeconds = delaySeconds
  }
}

/**
 * Runs a job. What it returns is the result; what it throws fails the attempt. An error with `retryable: false` fails the job at once, one with
 * `retryAfterSeconds` sets the pause before the next attempt.
 */
export type WorkerHandler = (job: WorkerJob) => unknown

/** Settings of a worker. */
export interface WorkerSettings {
  /** Jobs run at once. @default 8 */
  readonly concurrency?: number
  /** Seconds that a job is this worker's without a heartbeat, 5 to 3,600. @default 30 */
  readonly leaseSeconds?: number
  /** Stops the worker when it aborts. */
  readonly signal?: AbortSignal
  /** Called with what went wrong and is tried again: a claim, a heartbeat, an outcome. */
  readonly onError?: (error: unknown) => void
}

/** A worker that runs. */
export interface RunningWorker {
  /**
   * Claims no more, lets jobs end for so long, and releases the others.
   * @param graceMs milliseconds. @default 5,000
   */
  stop(graceMs?: number): Promise<void>
}

/**
 * Runs a worker of one or more operations until it is stopped.
 *
 * @param handlers a function for each operation, by its name
 * @example
 * const worker = runWorker(client, { resize: async ({ item, signal }) => resize(item, signal) }, { concurrency: 16 })
 * process.once('SIGTERM', () => worker.stop())
 */
export function runWorker(
  client: Client,
  handlers: Readonly<Record<string, WorkerHandler>>,
  settings: WorkerSettings = {},
): RunningWorker {
  const worker = new HttpWorker(workersClient(client), handlers, settings)
  settings.signal?.addEventListener('abort', () => void worker.stop(), { once: true })
  return worker
}

interface Held {
  readonly job: ClaimedJob
  readonly abort: AbortController
  readonly tallies: Record<string, number>
  progress: { percent: number; message?: string; stage?: string } | undefined
  /** Kept with the next call; undefined where there is none. */
  checkpoint: { readonly state: unknown } | undefined
}

class HttpWorker implements RunningWorker {
  readonly #calls: WorkersClient
  readonly #handlers: ReadonlyMap<string, WorkerHandler>
  readonly #settings: Required<Pick<WorkerSettings, 'concurrency' | 'leaseSeconds' | 'onError'>>
  readonly #held = new Map<string, Held>()
  readonly #ended: Ended[] = []
  readonly #stopping = new AbortController()
  #writing: Promise<void> | null = null
  #onFree: () => void = () => {}
  readonly #claiming: Promise<void>
  readonly #beats: ReturnType<typeof setInterval>

  constructor(calls: WorkersClient, handlers: Readonly<Record<string, WorkerHandler>>, settings: WorkerSettings) {
    this.#calls = calls
    this.#handlers = new Map(Object.entries(handlers))
    const { concurrency = 8, leaseSeconds = 30, onError = () => {} } = settings
    this.#settings = { concurrency, leaseSeconds, onError }
    this.#claiming = this.#claimAll()
    this.#beats = setInterval(() => void this.#beat(), (leaseSeconds * 1_000) / 3)
  }

  async stop(graceMs = 5_000): Promise<void> {
    this.#stopping.abort(new Error('The worker stops.'))
    this.#onFree()
    await this.#claiming
    const until = Date.now() + graceMs
    while (this.#held.size > 0 && Date.now() < until) await sleep(20)
    for (const { job, abort, checkpoint } of [...this.#held.values()]) {
      abort.abort(new Error('The worker stops.'))
      this.#end(job, { release: true, ...(checkpoint === undefined ? {} : { checkpoint: checkpoint.state }) })
    }
    await this.#writing
    clearInterval(this.#beats)
  }

  /** Claims for the slots that are free, until the worker stops. */
  async #claimAll(): Promise<void> {
    const { concurrency, leaseSeconds, onError } = this.#settings
    const { signal } = this.#stopping
    while (!signal.aborted) {
      const free = concurrency - this.#held.size
      if (free <= 0) {
        await new Promise<void>((resolve) => {
          this.#onFree = resolve
        })
        continue
      }
      try {
        const operations = [...this.#handlers.keys()]
        const max = Math.min(free, MAX_ENDED)
        const jobs = await this.#calls.claim({ operations, max, leaseSeconds, wait: CLAIM_WAIT_SECONDS }, { signal })
        for (const job of jobs) void this.#run(job)
      } catch (error) {
        if (signal.aborted) return
        onError(error)
        await sleep(FAILED_CLAIM_MS)
      }
    }
  }

  async #run(job: ClaimedJob): Promise<void> {
    const held: Held = { job, abort: new AbortController(), tallies: {}, progress: undefined, checkpoint: undefined }
    this.#held.set(job.id, held)
    let end: Omit<Ended, 'id' | 'lease'>
    try {
      const handler = this.#handlers.get(job.operation)
      if (handler === undefined) throw new Error(`This worker has no function for "${job.operation}".`)
      const returned = await handler(presentJob(held))
      end = outcomeOf(returned, held)
    } catch (error) {
      end = { error: errorOf(error), ...(held.checkpoint === undefined ? {} : { checkpoint: held.checkpoint.state }) }
    }
    // Nothing is taken of a job that was cancelled or lost, or was released.
    if (this.#held.get(job.id) === held) this.#end(job, end)
  }

  /** Hands in an outcome, with those that end while an earlier request is under way. */
  #end({ id, lease }: ClaimedJob, end: Omit<Ended, 'id' | 'lease'>): void {
    this.#held.delete(id)
    this.#ended.push({ id, lease, ...end })
    this.#onFree()
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null
    })
  }

  async #writeAll(): Promise<void> {
    // Outcomes of the same turn of the event loop go together.
    await Promise.resolve()
    while (this.#ended.length > 0) {
      const some = this.#ended.splice(0, MAX_ENDED)
      try {
        const written = await this.#calls.complete(some)
        const wrong = written.filter(({ status }) => status === 422)
        for (const { id, message = 'The result is not as declared.' } of wrong) {
          const lease = some.find((one) => one.id === id)?.lease
          // Its lease is still good: the job fails, since another run would give the same.
          if (lease !== undefined) this.#ended.push({ id, lease, error: { message, retryable: false } })
        }
      } catch (error) {
        // Their leases end, and the jobs are run again.
        this.#settings.onError(error)
      }
    }
  }

  /** Renews the leases, and learns which jobs to stop. */
  async #beat(): Promise<void> {
    const held = [...this.#held.values()]
    if (held.length === 0) return
    const jobs = held.map(({ job: { id, lease }, progress, checkpoint }) => ({
      ...{ id, lease },
      ...(progress === undefined ? {} : { progress }),
      ...(checkpoint === undefined ? {} : { checkpoint: checkpoint.state }),
    }))
    try {
      for (let at = 0; at < jobs.length; at += MAX_ENDED) {
        const some = jobs.slice(at, at + MAX_ENDED)
        const { cancelled, lost } = await this.#calls.heartbeat({
          jobs: some,
          leaseSeconds: this.#settings.leaseSeconds,
        })
        for (const { id, reason } of cancelled) this.#drop(id, `The job was stopped: ${reason}.`)
        for (const id of lost) this.#drop(id, 'The lease of the job was lost.')
      }
    } catch (error) {
      this.#settings.onError(error)
    }
  }

  #drop(id: string, reason: string): void {
    const held = this.#held.get(id)
    this.#held.delete(id)
    held?.abort.abort(new Error(reason))
    this.#onFree()
  }
}

function presentJob(held: Held): WorkerJob {
  const { id, batchId, operation, owner, index, itemId, attempt, maxAttempts, item, input, checkpoint } = held.job
  return {
    ...{ id, batchId, operation, owner, index, itemId, attempt, maxAttempts, item, input },
    state: checkpoint,
    signal: held.abort.signal,
    progress(percent, message, stage) {
      held.progress = {
        percent,
        ...(message === undefined ? {} : { message }),
        ...(stage === undefined ? {} : { stage }),
      }
    },
    checkpoint(state) {
      held.checkpoint = { state }
    },
    emit(amount, name = 'total') {
      held.tallies[name] = (held.tallies[name] ?? 0) + amount
    },
    continueLater: (state, delaySeconds = 0) => new ContinueLater(state, delaySeconds),
  }
}

function outcomeOf(returned: unknown, { tallies }: Held): Omit<Ended, 'id' | 'lease'> {
  if (returned instanceof ContinueLater) {
    const { state, delaySeconds } = returned
    return { continue: true, checkpoint: state, ...(delaySeconds > 0 ? { delaySeconds } : {}) }
  }
  return { result: returned ?? null, ...(Object.keys(tallies).length === 0 ? {} : { tallies }) }
}

const MAX_MESSAGE = 10_000

function errorOf(thrown: unknown): NonNullable<Ended['error']> {
  const said = thrown instanceof Error ? thrown.message || thrown.name : String(thrown)
  const message = (said === '' ? 'The job failed.' : said).slice(0, MAX_MESSAGE)
  const facts: { readonly retryable?: unknown; readonly retryAfterSeconds?: unknown } = Object(thrown)
  const { retryable, retryAfterSeconds } = facts
  return {
    message,
    ...(retryable === false ? { retryable } : {}),
    ...(typeof retryAfterSeconds === 'number' ? { retryAfterSeconds } : {}),
  }
}
