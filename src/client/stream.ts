/** Follows a batch by server-sent events, read by `fetch`, which sends headers; `EventSource` cannot. */
import type { BatchEvent, BatchStatus } from '../features/batches/follow-schemas.ts'
import { ApiError } from './errors.ts'
import { type Call, failure, type Http } from './http.ts'
import { type Item, logged, type Position, resynced, type Target } from './items.ts'
import { linkSignals } from './signals.ts'
import { type Message, Parser } from './sse.ts'

/** Thrown where an intermediary buffers streams, or answers instead of the server. */
export class Blocked extends Error {
  constructor() {
    super('Streams do not come through.')
  }
}

/**
 * Reads one stream to its end.
 * @returns whether the batch is over and the follower has all of it
 * @throws Blocked; ApiError for what the server answers, for a connection that breaks or falls silent
 */
export async function* readStream(
  http: Http,
  { batchId, token }: Target,
  at: Position,
  signal: AbortSignal,
): AsyncGenerator<Item, boolean, void> {
  const { firstByteMs, silenceMs } = http.timing
  const watch = new Watch(firstByteMs)
  const either = linkSignals([signal, watch.signal])
  try {
    const response = await sendOrBlocked(http, `/${encodeURIComponent(batchId)}/stream`, {
      query: { token },
      headers: { Accept: 'text/event-stream', ...(at.cursor > 0 ? { 'Last-Event-ID': String(at.cursor) } : {}) },
      signal: either.signal,
    })
    if (response.status === 204) return true
    // React Native has no `body`; a proxy may answer with an error page of its own.
    if (!response.body || !/^text\/event-stream\b/.test(response.headers.get('Content-Type') ?? '')) {
      throw new Blocked()
    }
    const parser = new Parser()
    for await (const text of textOf(response.body)) {
      watch.restart(silenceMs)
      for (const message of parser.push(text)) {
        const item = itemOf(message, at)
        if (item !== null) yield item
        if (item?.event.type === 'batch_completed') return true
      }
      at.retryMs = parser.retryMs ?? at.retryMs
    }
    return false
  } catch (error) {
    throw watch.ranOutAtFirst ? new Blocked() : error
  } finally {
    watch.end()
    either.release()
  }
}

/** @throws Blocked for an error that does not pass and is not the server's own; ApiError for others */
async function sendOrBlocked(http: Http, path: string, call: Call): Promise<Response> {
  try {
    return await http.send(path, call)
  } catch (error) {
    throw error instanceof ApiError && error.isForeign && !error.transient ? new Blocked() : error
  }
}

/** Watchdog: aborts what it watches when nothing arrives for too long. */
class Watch {
  readonly #controller = new AbortController()
  #timer: ReturnType<typeof setTimeout>
  #restarted = false

  constructor(ms: number) {
    this.#timer = this.#start(ms)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get ranOutAtFirst(): boolean {
    return this.signal.reason instanceof Silence && !this.#restarted
  }

  restart(ms: number): void {
    this.#restarted = true
    clearTimeout(this.#timer)
    this.#timer = this.#start(ms)
  }

  /** Ends the watch and what is watched. */
  end(): void {
    clearTimeout(this.#timer)
    this.#controller.abort()
  }

  #start(ms: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#controller.abort(new Silence(`Nothing came for ${ms} ms.`)), ms)
  }
}

class Silence extends Error {}

/** The text of a body, piece by piece. Not `for await` on the body itself: Safari has no iterable streams. */
async function* textOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, void> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  for (;;) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      throw failure(error)
    })
    if (done) return
    yield decoder.decode(value, { stream: true })
  }
}

function itemOf({ type, data, id }: Message, at: Position): Item | null {
  if (type === 'resync') {
    const state: BatchStatus = JSON.parse(data)
    return resynced(at, state, Number(id))
  }
  const event: BatchEvent = JSON.parse(data)
  if (type !== 'job_progress') return logged(at, Number(id), event)
  at.failures = 0
  return { event }
}
