/** The client of batches. */

import type { BatchStatus, StreamLink } from '../features/batches/follow-schemas.ts'
import type { BatchAccepted, DryRunReport, ItemResult } from '../features/batches/schemas.ts'
import type { CalendarQuery, ExtractAccepted, MergedResults } from '../features/heat-sheets/schemas.ts'
import { BatchStream, type FollowOptions } from './batch-stream.ts'
import { Feeds } from './feed.ts'
import { type Call, type ClientOptions, Http, json } from './http.ts'
import { type FollowEvent, type Item, isEnded, type Target } from './items.ts'
import { hex, randomKey } from './keys.ts'
import { OpenBatch } from './open-batch.ts'
import type { AcceptedOf, EventOf, ItemOf, ItemResultOf, OfOperation, TypedOperation } from './operations.ts'
import { Page } from './page.ts'
import { canShare, shareItems } from './tabs.ts'
import type {
  BatchRef,
  BatchSummary,
  CallOptions,
  CreateOptions,
  ExtractRequest,
  ItemsQuery,
  JobItem,
  JobsQuery,
  ListQuery,
  NewBatch,
} from './types.ts'
import { appendFiles } from './uploads.ts'

/**
 * Makes a client of a Millrace server. It holds no connection of its own; there is nothing to close.
 *
 * All methods throw `ApiError`. Requests that fail transiently (no answer, 429, 5xx) are retried after the server's
 * `Retry-After`, or with exponential backoff; creations carry an `Idempotency-Key`, so that this is safe for them too.
 */
export function createClient(options: ClientOptions): Client {
  return new Client(new Http(options))
}

export class Client {
  /** Sends requests; for the clients of the other surfaces. */
  readonly http: Http
  readonly #feeds: Feeds

  /** Use `createClient`. */
  constructor(http: Http) {
    this.http = http
    this.#feeds = new Feeds(http)
  }

  /** Creates a batch with a job for each item. Resolves when all of it is stored. */
  create(batch: NewBatch & { readonly items: readonly unknown[] }, options?: CallOptions): Promise<BatchAccepted>
  /**
   * Creates a batch of a custom operation, whose types apply to the items, the events and the results of the batch.
   * @param operation the operation or, so that a page loads none of its code, its name: `create<typeof resize>('resize', items)`
   */
  create<Op extends TypedOperation>(
    operation: Op | Op['name'],
    items: readonly ItemOf<Op>[],
    options?: CreateOptions<Op>,
  ): Promise<AcceptedOf<Op>>
  create(
    first: (NewBatch & { readonly items: readonly unknown[] }) | TypedOperation | string,
    second?: CallOptions & { readonly length?: number },
    { signal, ...given }: CreateOptions<TypedOperation> = {},
  ): Promise<BatchAccepted> {
    if (typeof first === 'object' && 'operation' in first) return this.#create(first, second)
    return this.#create(
      { ...given, operation: typeof first === 'string' ? first : first.name, items: second },
      { signal },
    )
  }

  /** Checks a batch without making it: all of its items, and how long it would run. */
  dryRun(batch: NewBatch & { readonly items: readonly unknown[] }, options?: CallOptions): Promise<DryRunReport> {
    const { idempotencyKey, ...body } = batch
    return this.http.json('', { method: 'POST', ...json({ ...body, dryRun: true }), ...options })
  }

  /**
   * Opens a batch that takes its items in slices, for more than one request may carry (32 MB) or for items that arrive over time. Seal it
   * after the last; the server seals one that gets no items for an hour. Opened again under the same key, it continues at its `size`.
   */
  async open(batch: NewBatch, options?: CallOptions): Promise<OpenBatch> {
    return new OpenBatch(this.http, await this.#create({ ...batch, open: true }, options))
  }

  /** Submits heat sheets, up to 100 documents of 50 MB each, to extract the events of up to 50 swimmers, or of a team. */
  extract(
    { swimmer, team, pdfs = [], urls, idempotencyKey }: ExtractRequest,
    options?: CallOptions,
  ): Promise<ExtractAccepted> {
    const body = new FormData()
    for (const name of [swimmer ?? []].flat()) body.append('swimmer', name)
    if (team !== undefined) body.set('team', team)
    if (urls !== undefined) body.set('urls', JSON.stringify(urls))
    appendFiles(body, 'pdfs', pdfs, 'document.pdf')
    const headers = { 'Idempotency-Key': idempotencyKey ?? randomKey() }
    return this.http.json('/extract', { method: 'POST', body, headers, answerMs: 0, ...options })
  }

  /**
   * Follows a batch live, from its first event or from the one after `lastEventId`, to its end: `for await (const event of …)`. Connections
   * that break are resumed without a lost or duplicate event; where streams are blocked, it polls. In browsers all tabs share
   * one connection a batch.
   */
  follow<Op extends TypedOperation>(
    batch: BatchRef & OfOperation<Op>,
    options?: FollowOptions,
  ): BatchStream<EventOf<Op>>
  /** Follows a batch of another surface, whose events have the type `Event`. */
  follow<Event extends FollowEvent>(batch: BatchRef, options?: FollowOptions): BatchStream<Event>
  follow(batch: BatchRef, options: FollowOptions = {}): BatchStream {
    const target = this.#target(batch)
    return new BatchStream(options, (cursor, signal) => this.#items(target, cursor, signal))
  }

  /** Waits until a batch has ended. @returns its state */
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

  /** Downloads the swims of a heat-sheet batch as a calendar (RFC 5545). */
  calendar(batch: BatchRef, query: Partial<CalendarQuery> = {}, options?: CallOptions): Promise<Response> {
    return this.http.file(`${pathOf(batch)}/calendar.ics`, { query, ...options })
  }

  /** Makes the public address of a result's page: `resultCode` of a document, or of a swimmer in one. */
  resultUrl(resultCode: string): string {
    return this.http.address(`/results/${encodeURIComponent(resultCode)}`)
  }

  /** Makes an address of a batch's stream that needs no header, good for a day: to hand to a page, or to `EventSource`. */
  async streamUrl(batch: BatchRef, options?: CallOptions): Promise<string> {
    const link: StreamLink = await this.http.json(`${pathOf(batch)}/stream-token`, { method: 'POST', ...options })
    return link.streamUrl
  }

  /** Reads the outcome of each item of a batch, in the order of items; the items of one set. */
  items<Op extends TypedOperation>(
    batch: BatchRef & OfOperation<Op>,
    query: ItemsQuery,
    options?: CallOptions,
  ): Promise<Page<ItemResultOf<Op>, number>>
  async items(batch: BatchRef, query: ItemsQuery, options?: CallOptions): Promise<Page<ItemResult, number>> {
    type Answer = { [set in ItemResult['set']]: ItemResult[] } & { next: number | null }
    const answer: Answer = await this.#read(batch, '/results', { ...query }, options)
    return new Page(answer[query.set], answer.next, (cursor) => this.items(batch, { ...query, cursor }, options))
  }

  /** Reads the jobs of a batch, in the order of their sequence. */
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
    const { batches, next } = await this.http.json<{ batches: BatchSummary[]; next: string | null }>('', {
      query: { ...query },
      ...options,
    })
    return new Page(batches, next, (cursor) => this.list({ ...query, cursor }, options))
  }

  /** Cancels a batch. Waiting jobs end at once; running ones are asked to stop. */
  cancel(batch: BatchRef, options?: CallOptions): Promise<void> {
    return this.#steer(batch, '/cancel', options)
  }

  /** Pauses a batch: no more jobs start until it is resumed; running ones continue. */
  pause(batch: BatchRef, options?: CallOptions): Promise<void> {
    return this.#steer(batch, '/pause', options)
  }

  /** Lets a paused batch go on. */
  resume(batch: BatchRef, options?: CallOptions): Promise<void> {
    return this.#steer(batch, '/resume', options)
  }

  /**
   * Reruns the failed and cancelled jobs of a batch that has ended, and no others.
   * @returns how many jobs that are
   * @throws ApiError CONFLICT when the batch has not ended, or nothing of it failed
   */
  async retry(batch: BatchRef, options?: CallOptions): Promise<number> {
    // Not retried: sent twice it would start a second run, or be refused because the first has begun.
    const { retriedJobs } = await this.http.json<{ retriedJobs: number }>(`${pathOf(batch)}/retry`, {
      method: 'POST',
      again: false,
      ...options,
    })
    return retriedJobs
  }

  /**
   * Deletes a batch that has ended, with its results.
   * @throws ApiError CONFLICT while it runs
   */
  async delete(batch: BatchRef, options?: CallOptions): Promise<void> {
    await this.http.json(pathOf(batch), { method: 'DELETE', again: false, ...options })
  }

  #create(
    { idempotencyKey = randomKey(), ...batch }: NewBatch & { readonly items?: unknown; readonly open?: boolean },
    options?: CallOptions,
  ): Promise<BatchAccepted> {
    const { headers, body } = json(batch)
    return this.http.json('', {
      method: 'POST',
      headers: { ...headers, 'Idempotency-Key': idempotencyKey },
      body,
      ...options,
    })
  }

  #read<T>(batch: BatchRef, path: string, query: Call['query'] = {}, options?: CallOptions): Promise<T> {
    const { token } = this.#target(batch)
    return this.http.json(`${pathOf(batch)}${path}`, { query: { ...query, token }, ...options })
  }

  async #steer(batch: BatchRef, path: string, options?: CallOptions): Promise<void> {
    await this.http.json(`${pathOf(batch)}${path}`, { method: 'POST', ...options })
  }

  /** A key is good for longer than the token of a stream, and stays out of URLs; the token serves where there is no key. */
  #target(batch: BatchRef): Target {
    const streamUrl = typeof batch === 'string' ? '' : (batch.streamUrl ?? '')
    const token = this.http.hasKey ? undefined : new URLSearchParams(streamUrl.split('?')[1]).get('token')
    return { batchId: idOf(batch), token: token ?? undefined }
  }

  async *#items(target: Target, cursor: number, signal: AbortSignal): AsyncGenerator<Item, void, void> {
    const source = (from: number, until: AbortSignal) => this.#feeds.events(target, from, until)
    if (!canShare()) return yield* source(cursor, signal)
    const secret = `${await this.http.identity()}\n${target.token}\n${target.batchId}`
    yield* shareItems(`millrace:${await digest(secret)}`, cursor, source, signal, this.http.timing.tabBeatMs)
  }
}

const idOf = (batch: BatchRef) => (typeof batch === 'string' ? batch : batch.batchId)
const pathOf = (batch: BatchRef) => `/${encodeURIComponent(idOf(batch))}`

async function digest(text: string): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))))
}
