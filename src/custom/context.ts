/** Makes the context that a run of a custom operation gets, from the engine's. */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { failureOf } from '../drivers/fetch-response.ts'
import { MillraceError } from '../errors.ts'
import type { Attempt, RunContext, RunResult } from '../operation.ts'
import type { BlobInfo, GuardedAnswer, Log } from '../ports.ts'
import { CONTINUED } from './continue-later.ts'
import type { GuardedFetchOptions, OperationBlobs, OperationContext } from './types.ts'

const MAX_FETCHED_BYTES = 10 * 1024 * 1024
const FETCH_MS = 30_000
/** Tally of `ctx.emit` where none is named. */
const TOTAL = 'total'
const MAX_TALLY_NAME = 64
const MAX_FILENAME = 200

/** A stored blob, and the name it is downloaded under. */
type Kept = BlobInfo & { readonly key: string; readonly filename: string }

/** Context of one run, and what it left behind. */
export class CustomRun<Input> {
  readonly ctx: OperationContext<Input>
  readonly tallies: Record<string, number> = {}
  readonly #job: Attempt
  readonly #engine: RunContext
  readonly #kept: Kept[] = []
  /** Errors of the engine's own parts: what the operation lets through of them is judged by the engine. */
  readonly #ofEngine = new WeakSet<object>()

  /** @param operation name of the operation, for its lines in the log */
  constructor(operation: string, job: Attempt, engine: RunContext, input: Input) {
    this.#job = job
    this.#engine = engine
    const { jobId, batchId, owner, attempt, sequence } = job
    const checkpoint = (state: unknown) => this.#watched(() => engine.checkpoint(state ?? null))
    this.ctx = {
      input,
      ...{ batchId, jobId, owner, attempt },
      index: sequence - 1,
      signal: engine.signal,
      state: job.checkpoint,
      progress: (percent, message = '') => engine.progress(boundedPercent(percent), message),
      checkpoint,
      continueLater: async (...state) => {
        if (state.length > 0) await checkpoint(state[0])
        return CONTINUED
      },
      get budgetExhausted() {
        return engine.budgetExhausted()
      },
      emit: (amount, name = TOTAL) => this.#emit(amount, name),
      blobs: this.#blobs(),
      fetch: (url, options = {}) => this.#fetch(String(url), options),
      log: logOf(engine.log, { operation, batchId, jobId, attempt }),
    }
  }

  /** Holds for an error that came from a part of the engine, such as its storage. */
  isOfEngine(error: unknown): boolean {
    return typeof error === 'object' && error !== null && this.#ofEngine.has(error)
  }

  /** Makes the statements that have what was stored belong to the batch. */
  writes(): Pick<RunResult, 'writes'> {
    const kept = this.#kept
    if (kept.length === 0) return {}
    const { batchId, owner } = this.#job
    const { db, clock } = this.#engine
    return {
      writes: (held) => [
        db.run(sql`
          INSERT INTO uploads (key, owner, batch_id, filename, size, md5, sha256, created_at)
          SELECT r.value ->> 'key', ${owner}, ${batchId}, r.value ->> 'filename', r.value ->> 'size', r.value ->> 'md5', r.value ->> 'sha256', ${clock.now()}
          FROM json_each(${JSON.stringify(kept)}) r WHERE ${held} ON CONFLICT DO NOTHING`),
      ],
    }
  }

  async #watched<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      if (typeof error === 'object' && error !== null) this.#ofEngine.add(error)
      throw error
    }
  }

  #emit(amount: number, name: string): void {
    if (!Number.isFinite(amount)) throw new RangeError(`ctx.emit: expected a finite number, not ${amount}.`)
    if (name === '' || name.length > MAX_TALLY_NAME) {
      throw new RangeError(`ctx.emit: expected a name of 1 to ${MAX_TALLY_NAME} characters.`)
    }
    this.tallies[name] = (this.tallies[name] ?? 0) + amount
  }

  #blobs(): OperationBlobs {
    const { blobs } = this.#engine
    return {
      put: async (filename, body) => {
        if (filename === '' || filename.length > MAX_FILENAME) {
          throw new RangeError(`ctx.blobs.put: expected a file name of 1 to ${MAX_FILENAME} characters.`)
        }
        // Swept unless a row names it: a run that fails leaves nothing for good.
        const key = `uploads/${uuidv7()}`
        const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
        const { size, md5, sha256 } = await this.#watched(() => blobs.put(key, bytes))
        this.#kept.push({ key, filename, size, md5, sha256 })
        return { key, size, md5, sha256 }
      },
      get: (key, range) => this.#watched(() => blobs.get(key, range)),
    }
  }

  async #fetch(url: string, options: GuardedFetchOptions): Promise<Response> {
    const { method = 'GET', headers, body, maxBytes = MAX_FETCHED_BYTES, timeoutMs = FETCH_MS } = options
    const limits = { maxBytes, timeoutMs, signal: this.#engine.signal }
    if (method === 'GET' && headers === undefined && body === undefined) {
      const fetched = await this.#engine.fetcher.fetch(url, limits)
      const type = fetched.contentType === '' ? {} : { 'Content-Type': fetched.contentType }
      return new Response(fetched.body, { headers: type })
    }
    const request = { method, ...(headers === undefined ? {} : { headers }), body, ...limits }
    return responseOf(await this.#engine.fetcher.request(url, request), this.#engine.clock.now())
  }
}

/** Statuses of answers that have no body, as `Response` has it. */
const WITHOUT_BODY = new Set([204, 205, 304])

/** @throws MillraceError where the status is no success */
function responseOf(answer: GuardedAnswer, now: number): Response {
  const { status, headers, body } = answer
  const failure = failureOf(status, headers['retry-after'], now)
  if (failure !== null) {
    const { details = {} } = failure
    throw new MillraceError(failure.code, `The server answered ${status}.`, { details: { ...details } })
  }
  // A packed body was unpacked: neither its coding nor its length holds.
  const { 'content-encoding': _coding, 'content-length': _length, ...rest } = headers
  return new Response(WITHOUT_BODY.has(status) ? null : body, { status, headers: rest })
}

function boundedPercent(percent: number): number {
  return Number.isFinite(percent) ? Math.min(100, Math.max(0, percent)) : 0
}

/** A log whose lines carry the same fields. */
function logOf(log: Log, fields: Readonly<Record<string, unknown>>): Log {
  return {
    info: (more, message) => log.info({ ...fields, ...more }, message),
    warn: (more, message) => log.warn({ ...fields, ...more }, message),
    error: (more, message) => log.error({ ...fields, ...more }, message),
  }
}
