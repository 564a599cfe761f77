/** The client: one method for each thing that can be done with a batch. */

import type { BatchStatus } from '../features/batches/follow-schemas.ts'
import type { BatchAccepted, ItemResult } from '../features/batches/schemas.ts'
import type { ExtractAccepted, MergedResults } from '../features/heat-sheets/schemas.ts'
import { BatchStream, type FollowOptions } from './batch-stream.ts'
import { Feeds } from './feed.ts'
import { type Call, type ClientOptions, Http, json } from './http.ts'
import { type Item, isEnded, type Target } from './items.ts'
import { OpenBatch } from './open-batch.ts'
import { Page } from './page.ts'
import { canShare, shareItems } from './tabs.ts'
import type {
  BatchRef,
  BatchSummary,
  CallOptions,
  ExtractRequest,
  ItemsQuery,
  JobItem,
  JobsQuery,
  ListQuery,
  NewBatch,
} from './types.ts'

/**
 * Makes a client of a Millrace server. It holds no connection of its own; there is nothing to close.
 *
 * All methods throw `ApiError`. Requests that fail in a way that may pass (no answer, 429, 5xx) are sent again, as the server's
 * `Retry-After` says or with growing pauses; creations carry an `Idempotency-Key`, so that this is safe for them too.
 */
export function createClient(options: ClientOptions): Client {
  return new Client(new Http(options))
}

export class Client {
  readonly #http: Http
  readonly #feeds: Feeds

  /** Use `createClient`. */
  constructor(http: Http) {
    this.#http = http
    this.#feeds = new Feeds(http)
  }

  /** Hands over a batch: a job for each item. Resolves when all of it is safely accepted. */
  create(batch: NewBatch & { readonly items: readonly unknown[] }, options?: CallOptions): Promise<BatchAccepted> {
    return this.#create(batch, {}, options)
  }

  /**
   * Begins a batch that takes its items in slices, for what is too much for one request (32 MB) or comes little by little. Seal it when
   * all are there; one that gets nothing for an hour is sealed by the server. Opened again under the same key, it goes on at its `size`.
   */
  async open(batch: NewBatch, options?: CallOptions): Promise<OpenBatch> {
    return new OpenBatch(this.#http, await this.#create(batch, { open: true }, options))
  }

  /** Hands over heat sheets, up to 100 documents of 50 MB each, to find a swimmer's events in. */
  extract(
    { swimmer, pdfs = [], urls, idempotencyKey }: ExtractRequest,
    options?: CallOptions,
  ): Promise<ExtractAccepted> {
    const body = new FormData()
    body.set('swimmer', swimmer)
    if (urls !== undefined) body.set('urls', JSON.stringify(urls))
    for (const pdf of pdfs) {
      if (pdf instanceof Blob) body.append('pdfs', pdf, pdf instanceof File ? pdf.name : 'document.pdf')
      else body.append('pdfs', new Blob([ownBytes(pdf.bytes)], { type: 'application/pdf' }), pdf.name)
    }
    const headers = { 'Idempotency-Key': idempotencyKey ?? randomKey() }
    return this.#http.json('/extract', { method: 'POST', body, headers, answerMs: 0, ...options })
  }

  /**
   * Follows a batch live, from its first event or from the one after `lastEventId`, to its end: `for await (const event of …)`. Connections
   * that break are resumed without losing or doubling an event; where streams do not come through, it polls. In browsers all tabs share
   * one connection a batch.
   */
  follow(batch: BatchRef, options: FollowOptions = {}): BatchStream {
    const target = this.#target(batch)
    return new BatchStream(options, (cursor, signal) => this.#items(target, cursor, signal))
  }

  /** Waits until a batch has ended, and gives its state. */
  async wait(batch: BatchRef, options: CallOptions = {}): Promise<BatchStatus> {
    for (;;) {
      const status = await this.status(batch, options)
      if (isEnded(status)) return status
      // Follows from the last event of the status just read: earlier events need not be sent again.
      for await (const _ of this.follow(batch, { ...options, lastEventId: status.batch.lastEventId })) {
      }
    }
  }

  /** Reads the state of a batch and of its first 1,000 jobs. */
  status(batch: BatchRef, options?: CallOptions): Promise<BatchStatus> {
    return this.#read(batch, '', {}, options)
  }

  /** Reads the results of a batch's jobs, merged as its operation does; for heat sheets the swimmer's schedule. */
  results<Merged = MergedResults>(batch: BatchRef, options?: CallOptions): Promise<Merged> {
    return this.#read(batch, '/results', {}, options)
  }

  /** Reads the outcome of each item of a batch, in the order of items; the items of one set. */
  async items(batch: BatchRef, query: ItemsQuery, options?: CallOptions): Promise<Page<ItemResult, number>> {
    type Answer = { [set in ItemResult['set']]: ItemResult[] } & { next: number | null }
    const answer: Answer = await this.#read(batch, '/results', { ...query }, options)
    return new Page(answer[query.set], answer.next, (cursor) => this.items(batch, { ...query, cursor }, options))
  }

  /** The jobs of a batch, by their place in it. */
  async jobs(batch: BatchRef, query: JobsQuery = {}, options?: CallOptions): Promise<Page<JobItem, number>> {
    const { jobs, next } = await this.#read<{ jobs: JobItem[]; next: number | null }>(
      batch,
      '/jobs',
      { ...query },
      options,
    )
    return new Page(jobs, next, (cursor) => this.jobs(batch, { ...query, cursor }, options))
  }

  /** The caller's batches, newest first. */
  async list(query: ListQuery = {}, options?: CallOptions): Promise<Page<BatchSummary, string>> {
    const { batches, next } = await this.#http.json<{ batches: BatchSummary[]; next: string | null }>('', {
      query: { ...query },
      ...options,
    })
    return new Page(batches, next, (cursor) => this.list({ ...query, cursor }, options))
  }

  /** Ends a batch early. What waits is cancelled at once; what runs is told. */
  cancel(batch: BatchRef, options?: CallOptions): Promise<void> {
    return this.#steer(batch, '/cancel', options)
  }

  /** Starts no more jobs of a batch until it is resumed; what runs goes on. */
  pause(batch: BatchRef, options?: CallOptions): Promise<void> {
    return this.#steer(batch, '/pause', options)
  }

  /** Lets a paused batch go on. */
  resume(batch: BatchRef, options?: CallOptions): Promise<void> {
    return this.#steer(batch, '/resume', options)
  }

  /**
   * Runs again what failed or was cancelled of a batch that has ended, and nothing else.
   * @returns how many jobs that are
   * @throws ApiError CONFLICT when the batch has not ended, or nothing of it failed
   */
  async retry(batch: BatchRef, options?: CallOptions): Promise<number> {
    // Sent twice it would start a second run, or be refused because the first has begun.
    const { retriedJobs } = await this.#http.json<{ retriedJobs: number }>(`${pathOf(batch)}/retry`, {
      method: 'POST',
      again: false,
      ...options,
    })
    return retriedJobs
  }

  /**
   * Deletes a batch that has ended, with all it came to.
   * @throws ApiError CONFLICT while it runs
   */
  async delete(batch: BatchRef, options?: CallOptions): Promise<void> {
    await this.#http.json(pathOf(batch), { method: 'DELETE', again: false, ...options })
  }

  #create(
    { operation, input, options, idempotencyKey = randomKey(), ...rest }: NewBatch,
    open: { open?: boolean },
    callOptions?: CallOptions,
  ): Promise<BatchAccepted> {
    const { headers, body } = json({ operation, input, options, ...rest, ...open })
    return this.#http.json('', {
      method: 'POST',
      headers: { ...headers, 'Idempotency-Key': idempotencyKey },
      body,
      ...callOptions,
    })
  }

  #read<T>(batch: BatchRef, path: string, query: Call['query'] = {}, options?: CallOptions): Promise<T> {
    const { token } = this.#target(batch)
    return this.#http.json(`${pathOf(batch)}${path}`, { query: { ...query, token }, ...options })
  }

  async #steer(batch: BatchRef, path: string, options?: CallOptions): Promise<void> {
    await this.#http.json(`${pathOf(batch)}${path}`, { method: 'POST', ...options })
  }

  /** A key is good for longer than the token of a stream, and stays out of URLs; the token serves where there is no key. */
  #target(batch: BatchRef): Target {
    const streamUrl = typeof batch === 'string' ? '' : (batch.streamUrl ?? '')
    const token = this.#http.hasKey ? undefined : new URLSearchParams(streamUrl.split('?')[1]).get('token')
    return { batchId: idOf(batch), token: token ?? undefined }
  }

  async *#items(target: Target, cursor: number, signal: AbortSignal): AsyncGenerator<Item, void, void> {
    const source = (from: number, until: AbortSignal) => this.#feeds.events(target, from, until)
    if (!canShare()) return yield* source(cursor, signal)
    const secret = `${await this.#http.identity()}\n${target.token}\n${target.batchId}`
    yield* shareItems(`millrace:${await digest(secret)}`, cursor, source, signal, this.#http.timing.tabBeatMs)
  }
}

const idOf = (batch: BatchRef) => (typeof batch === 'string' ? batch : batch.batchId)
const pathOf = (batch: BatchRef) => `/${encodeURIComponent(idOf(batch))}`

/** Bytes of which nobody else holds the buffer, as a `Blob` wants them. */
const ownBytes = (bytes: Uint8Array | ArrayBuffer | string) => (bytes instanceof Uint8Array ? bytes.slice() : bytes)

/** 128 random bits. Not `randomUUID`, which pages without TLS lack. */
const randomKey = () => hex(crypto.getRandomValues(new Uint8Array(16)))

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

async function digest(text: string): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))))
}
