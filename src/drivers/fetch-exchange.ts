/**
 * One exchange with a foreign server, from the first look-up to the last byte: its time limit, its caller's signal, what
 * must be closed at its end, and the bound on its body. Runtime-free, so that every Fetcher keeps time and size alike.
 */
import { MillraceError } from '../errors.ts'
import { FairSemaphore } from '../fair-semaphore.ts'
import { tooLarge } from './fetch-response.ts'

/** `User-Agent` header that Fetchers send. */
export const USER_AGENT = 'Millrace/0.1'
/** Of the answer to a POST no more is read than this, in bytes. It is read at all so that the receiver may finish in peace. */
export const MAX_DROPPED = 16 * 1024
/** `setTimeout` takes no more than this, and takes more than this for 1. */
const MAX_DELAY_MS = 2 ** 31 - 1

/** The life of one fetch. It ends once: by its last byte, a failure, its time limit or its caller. */
export interface Exchange {
  /** Aborts at the time limit and when the caller aborts; its reason is the MillraceError to throw. */
  readonly signal: AbortSignal
  /** Waits for a promise no longer than the exchange lasts. */
  race<T>(promise: Promise<T>): Promise<T>
  /** Notes that the head of the answer has arrived: from now on a time-out means a slow download. */
  answered(): void
  /** Holds once `answered` was called. */
  readonly hasAnswer: boolean
  /** Something to close at the end, or with the next `release`. */
  onRelease(close: () => void): void
  /** Closes what was opened so far: between two hops, and at the end. */
  release(): void
  /** Stops the clock, forgets the caller's signal and releases. Safe to call twice. */
  end(): void
}

/** Default of an owner's requests in flight. */
const MAX_PER_OWNER = 16

/** Makes what holds each owner to so many exchanges at once. @param perOwner default 16 */
export function createFetchSlots(perOwner = MAX_PER_OWNER): FairSemaphore {
  return new FairSemaphore({ slots: Number.MAX_SAFE_INTEGER, perOwner }, cancellation)
}

/**
 * Waits for a slot of the owner, then starts the time-out. The slot is released at the end of the exchange.
 * @param limits `timeoutMs` from the slot until `end`; `signal` of the caller
 * @throws the error for the caller's signal, when it is aborted before
 */
export async function openExchange(
  slots: FairSemaphore,
  limits: { timeoutMs: number; signal?: AbortSignal | undefined; owner?: string | undefined },
): Promise<Exchange> {
  const { timeoutMs, signal, owner = '' } = limits
  const leave = await slots.acquire(owner, signal)
  try {
    return startExchange(timeoutMs, signal, leave)
  } catch (error) {
    leave()
    throw error
  }
}

/** @param onEnd called at the end; may be called again */
function startExchange(timeoutMs: number, signal: AbortSignal | undefined, onEnd: () => void): Exchange {
  if (signal?.aborted) throw cancellation(signal)
  const stop = new AbortController()
  let closers: (() => void)[] = []
  let answered = false

  const onCallerAbort = () => signal && stop.abort(cancellation(signal))
  const timer = setTimeout(() => stop.abort(timeout(timeoutMs, answered)), Math.min(timeoutMs, MAX_DELAY_MS))
  signal?.addEventListener('abort', onCallerAbort, { once: true })

  const release = () => {
    const closing = closers
    closers = []
    for (const close of closing) close()
  }
  const end = () => {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onCallerAbort)
    release()
    onEnd()
  }
  // At a time-out or an abort connections close at once, also without a reader.
  stop.signal.addEventListener('abort', end, { once: true })
  return {
    signal: stop.signal,
    race: (promise) => raceAbort(promise, stop.signal),
    answered: () => {
      answered = true
    },
    get hasAnswer() {
      return answered
    },
    onRelease: (close) => {
      closers.push(close)
    },
    release,
    end,
  }
}

/**
 * The body as the caller reads it: pulled only when asked for, never more than `maxBytes`.
 * @param source decoded bytes
 * @param explain what an error of `source` is to the caller
 * @returns a stream that fails with TOO_LARGE at the first byte over, with the exchange's reason when that is aborted,
 * else with what `explain` says; the exchange ends with it in every case, cancelling included
 */
export function limitedBody(
  source: AsyncIterable<Uint8Array>,
  exchange: Exchange,
  maxBytes: number,
  explain: (error: unknown) => Error,
): ReadableStream<Uint8Array> {
  const chunks = limited(source, maxBytes)
  const fail = (controller: ReadableStreamDefaultController<Uint8Array>, error: unknown) => {
    exchange.end()
    controller.error(exchange.signal.aborted ? exchange.signal.reason : explain(error))
  }
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        exchange.signal.addEventListener('abort', () => fail(controller, null), { once: true })
      },
      async pull(controller) {
        try {
          const next = await exchange.race(chunks.next())
          if (!next.done) return controller.enqueue(next.value)
          exchange.end()
          controller.close()
        } catch (error) {
          fail(controller, error)
        }
      },
      cancel() {
        exchange.end()
      },
    },
    // Nothing is read ahead of the reader: its memory is one chunk.
    { highWaterMark: 0 },
  )
}

/**
 * Passes chunks on while they are no more than `maxBytes` together.
 * @throws MillraceError TOO_LARGE
 */
export async function* limited(source: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Uint8Array, void> {
  let total = 0
  for await (const chunk of source) {
    total += chunk.byteLength
    if (total > maxBytes) throw tooLarge(maxBytes)
    yield chunk
  }
}

/**
 * Reads a body whole.
 * @throws MillraceError TOO_LARGE beyond `maxBytes`
 */
export async function readWhole(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of limited(source, maxBytes)) {
    chunks.push(chunk)
    size += chunk.byteLength
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}

function cancellation(signal: AbortSignal | undefined): MillraceError {
  if (signal?.reason instanceof MillraceError) return signal.reason
  return new MillraceError('CANCELLED', 'The download was called off.', { cause: signal?.reason })
}

function timeout(timeoutMs: number, answered: boolean): MillraceError {
  const seconds = Math.max(1, Math.round(timeoutMs / 1000))
  const limit = seconds === 1 ? '1 second' : `${seconds} seconds`
  const what = answered ? `The download was not finished within ${limit}.` : `The link did not answer within ${limit}.`
  return new MillraceError('TIMEOUT', `${what} Try again later, or send the file itself.`)
}

function raceAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
