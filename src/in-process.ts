/** Submitting and following batches from within the program that a server is part of, without HTTP. */

import type { EventOf, InputOf, ItemOf, OfOperation, TypedOperation } from './client/operations.ts'
import { Parser } from './client/sse.ts'
import type { BatchRef } from './client/types.ts'
import { invalidRequest, MillraceError } from './errors.ts'
import { CreateBatch } from './features/batches/schemas.ts'
import { submitBatch } from './features/batches/submit-batch.ts'
import type { AppDeps } from './http/context.ts'
import { findBatch } from './http/request/find-batch.ts'
import { checkCallersKey } from './http/request/idempotency-key.ts'
import { safeParse } from './http/request/safe-parse.ts'
import type { EndReason, Sink } from './ports.ts'
import { surfaces } from './surfaces.ts'

/** Owner of what a program does for itself. */
const LOCAL = 'local'
/** Bytes of events that wait for a reader; then the log keeps them. */
const WAITING_BYTES = 64 * 1024

/** Options of a batch that a program makes. */
export interface SubmitOptions<Op extends TypedOperation = TypedOperation> {
  /** Input that holds for the whole batch. */
  readonly input?: InputOf<Op>
  /** Priority, time, attempts and so on, as over HTTP. */
  readonly options?: CreateBatch['options']
  /** The program's own name for the batch; the same request under the same key makes it once. */
  readonly idempotencyKey?: string
  /** Owner of the batch. @default `local`, who also owns what is called for without a key */
  readonly owner?: string
}

/** A batch that was accepted, and is on disk. */
export interface Submitted<Op extends TypedOperation = TypedOperation> extends OfOperation<Op> {
  readonly batchId: string
  readonly totalJobs: number
  /** False where the same request under the same key made it before. */
  readonly created: boolean
}

/** Options for following a batch from within the program. */
export interface FollowBatchOptions {
  /** Number of the last event that the follower has. @default 0: everything is sent */
  readonly lastEventId?: number
  /** Ends the iteration, which then throws the signal's reason. */
  readonly signal?: AbortSignal
  /** @default `local` */
  readonly owner?: string
}

/**
 * Accepts a batch: a job for each item. When it resolves, all of it is on disk.
 * @throws MillraceError naming the field that is wrong
 */
export async function submitItems<Op extends TypedOperation>(
  deps: AppDeps,
  operation: Op | Op['name'],
  items: readonly ItemOf<Op>[],
  { owner = LOCAL, idempotencyKey, ...given }: SubmitOptions<Op> = {},
): Promise<Submitted<Op>> {
  const name = typeof operation === 'string' ? operation : operation.name
  // As JSON has it: what a job is given must be what was checked.
  const { items: sent, ...rest } = { operation: name, ...given, items }
  const parsed = safeParse(CreateBatch, asJson(rest))
  const issue = parsed.error?.issues[0]
  if (issue !== undefined || parsed.data === undefined) {
    const field = issue?.path.join('.') ?? ''
    throw invalidRequest(field, `${field}: ${issue?.message}.`)
  }
  const plain = asJson(sent)
  if (!Array.isArray(plain)) throw invalidRequest('items', 'items: expected an array with one item a job.')
  const body = { ...parsed.data, items: plain }
  if (idempotencyKey !== undefined) checkCallersKey(surfaces.reservedIds, 'idempotencyKey', idempotencyKey)
  return submitBatch(deps, body, {
    owner,
    largest: Number.POSITIVE_INFINITY,
    idempotency:
      idempotencyKey === undefined ? undefined : { key: idempotencyKey, content: body, field: 'idempotencyKey' },
  })
}

function asJson(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value))
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw invalidRequest('items', `items: expected what JSON can hold: ${reason}.`)
  }
}

/**
 * Follows a batch from its first event, or from the one after `lastEventId`, to its end. Each event comes once and in order.
 * @throws MillraceError NOT_FOUND where there is no such batch; SERVICE_UNAVAILABLE where the server stops meanwhile
 */
export async function* followBatch<Op extends TypedOperation>(
  deps: AppDeps,
  ref: BatchRef & OfOperation<Op>,
  { lastEventId = 0, signal, owner = LOCAL }: FollowBatchOptions = {},
): AsyncGenerator<EventOf<Op>, void, void> {
  signal?.throwIfAborted()
  const batch = await findBatch(deps, owner, typeof ref === 'string' ? ref : ref.batchId)
  if (!Number.isSafeInteger(lastEventId) || lastEventId < 0 || lastEventId > batch.lastSeq) {
    throw invalidRequest('lastEventId', `lastEventId: expected the number of an event, from 0 to ${batch.lastSeq}.`)
  }
  if (batch.finished && lastEventId === batch.lastSeq) return
  const sink = new EventSink<EventOf<Op>>()
  const onAbort = () => sink.end('unknown')
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    deps.hub.follow(batch, sink, lastEventId)
    for (;;) {
      const event = await sink.next()
      signal?.throwIfAborted()
      if (event !== null) yield event
      if (event?.type === 'batch_completed') return
      if (event === null && sink.closed) throw stopped()
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    sink.end()
  }
}

const stopped = () =>
  new MillraceError('SERVICE_UNAVAILABLE', 'The server stops. Follow again from the last event when it is back.')

/** The end of a stream in this process: reads the frames, and keeps the events until they are asked for. */
class EventSink<Event> implements Sink {
  readonly #parser = new Parser()
  readonly #utf8 = new TextDecoder()
  readonly #events: { readonly event: Event; readonly bytes: number }[] = []
  readonly #closers: (() => void)[] = []
  #waitingBytes = 0
  #onDrain: () => void = () => {}
  #onNews: () => void = () => {}
  closed = false

  write(bytes: Uint8Array): boolean {
    if (this.closed) return false
    for (const { type, data } of this.#parser.push(this.#utf8.decode(bytes, { stream: true }))) {
      this.#events.push({ event: { ...JSON.parse(data), type }, bytes: data.length })
      this.#waitingBytes += data.length
    }
    if (this.#events.length > 0) this.#onNews()
    return this.#waitingBytes < WAITING_BYTES
  }

  onDrain(listener: () => void): void {
    this.#onDrain = listener
  }

  onClose(listener: () => void): void {
    if (this.closed) listener()
    else this.#closers.push(listener)
  }

  end(_reason?: EndReason): void {
    if (this.closed) return
    this.closed = true
    for (const close of this.#closers.splice(0)) close()
    this.#onNews()
  }

  /** Waits for the next event; null where the stream has ended. */
  async next(): Promise<Event | null> {
    while (this.#events.length === 0 && !this.closed) {
      await new Promise<void>((resolve) => {
        this.#onNews = resolve
      })
    }
    const first = this.#events.shift()
    if (first === undefined) return null
    const wasFull = this.#waitingBytes >= WAITING_BYTES
    this.#waitingBytes -= first.bytes
    if (wasFull && this.#waitingBytes < WAITING_BYTES) this.#onDrain()
    return first.event
  }
}
