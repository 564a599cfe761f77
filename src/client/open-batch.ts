/** A batch too large for one request: its items go in slices, each safe to retry because it names its offset. */
import type { BatchAccepted } from '../features/batches/schemas.ts'
import { ApiError } from './errors.ts'
import { type Http, json } from './http.ts'
import type { CallOptions } from './types.ts'

const MAX_ITEMS = 1_000
/** Characters at which a slice is full. */
const ENOUGH_TEXT = 1_000_000

interface Slice {
  readonly count: number
  readonly text: string
}

/** Takes the items of a batch until it is sealed. */
export class OpenBatch {
  readonly batchId: string
  readonly streamUrl: string
  readonly #http: Http
  #size: number
  /** A slice that may or may not have arrived. It must be sent first, or the next one would be taken for it. */
  #unsure: Slice | null = null
  #last: Promise<unknown> = Promise.resolve()

  constructor(http: Http, accepted: BatchAccepted) {
    this.#http = http
    this.batchId = accepted.batchId
    this.streamUrl = accepted.streamUrl
    this.#size = accepted.totalJobs
  }

  /** Items that the batch has, those among them that are still to be confirmed. */
  get size(): number {
    return this.#size + (this.#unsure?.count ?? 0)
  }

  /**
   * Adds items; concurrent calls are serialized. Slices are retried after transient failures.
   * @returns `size` after it
   * @throws ApiError; of these items, those below `size` are added or will be by the next call, so that it can continue from there
   */
  add(items: Iterable<unknown> | AsyncIterable<unknown>, { signal }: CallOptions = {}): Promise<number> {
    return this.#oneAtATime(async () => {
      await this.#settle(signal)
      for await (const slice of slicesOf(items)) {
        this.#unsure = slice
        await this.#settle(signal)
      }
      return this.size
    })
  }

  /**
   * Declares the batch complete. Jobs run from the first slice on; the batch ends with the last of them.
   * @throws ApiError CONFLICT when the server has another number of items than `size`
   */
  seal({ signal }: CallOptions = {}): Promise<void> {
    return this.#oneAtATime(async () => {
      await this.#settle(signal)
      await this.#http.json(`/${encodeURIComponent(this.batchId)}/seal`, {
        method: 'POST',
        ...json({ total: this.#size }),
        signal,
      })
    })
  }

  #oneAtATime<T>(act: () => Promise<T>): Promise<T> {
    const call = this.#last.then(act, act)
    this.#last = call
    // The caller gets the error; this copy of the promise, which only orders calls, must not report it as unhandled.
    call.catch(() => {})
    return call
  }

  async #settle(signal: AbortSignal | undefined): Promise<void> {
    const slice = this.#unsure
    if (slice === null) return
    try {
      await this.#http.json(`/${encodeURIComponent(this.batchId)}/items`, {
        method: 'POST',
        query: { from: this.#size },
        headers: { 'Content-Type': 'application/x-ndjson' },
        body: slice.text,
        signal,
      })
    } catch (error) {
      if (error instanceof ApiError && !error.transient) this.#unsure = null
      throw error
    }
    this.#size += slice.count
    this.#unsure = null
  }
}

async function* slicesOf(items: Iterable<unknown> | AsyncIterable<unknown>): AsyncGenerator<Slice, void, void> {
  let text = ''
  let count = 0
  for await (const item of items) {
    const line: string | undefined = JSON.stringify(item)
    if (line === undefined) throw new TypeError(`Item ${count} of a slice is not JSON: ${typeof item}.`)
    text += `${line}\n`
    if (++count === MAX_ITEMS || text.length >= ENOUGH_TEXT) {
      yield { count, text }
      text = ''
      count = 0
    }
  }
  if (count > 0) yield { count, text }
}
