import type { ChunkFound, ChunkSource } from '../../ports.ts'
import { ANSWER_FULL, MAX_ANSWER_BYTES } from './answer-size.ts'

/** Options for requests to another service. */
export interface UpstreamOptions {
  /** URL of a chunk: `{id}` stands for its id; without it, the id is the last segment. */
  readonly url: string
  /** Requests under way at once, over all callers. */
  readonly concurrency?: number
  /** A try is given up after this long. */
  readonly tryMs?: number
  /** All tries for one answer together. */
  readonly totalMs?: number
  readonly tries?: number
  /** The first pause between tries; it doubles each time. */
  readonly pauseMs?: number
  readonly maxBytes?: number
}

const DEFAULTS = { concurrency: 16, tryMs: 5_000, totalMs: 25_000, tries: 3, pauseMs: 200, maxBytes: 5 * 1024 * 1024 }

const LATE = 'The chunk service did not answer in time'

/** Why a chunk could not be fetched; whether trying again may help. */
class UpstreamError extends Error {
  readonly passing: boolean
  readonly retryAfterMs: number
  constructor(message: string, passing: boolean, retryAfterMs = 0) {
    super(message)
    this.name = 'UpstreamError'
    this.passing = passing
    this.retryAfterMs = retryAfterMs
  }
}

/** Lets so many in at once, the others in the order they came. */
class Gate {
  #free: number
  readonly #waiting = new Set<() => void>()
  constructor(places: number) {
    this.#free = places
  }

  /** Resolves when there is a place; rejects when `signal` aborts before. */
  enter(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason)
    if (this.#free > 0) {
      this.#free--
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        this.#waiting.delete(enter)
        reject(signal.reason)
      }
      signal.addEventListener('abort', leave, { once: true })
      this.#waiting.add(enter)
    })
  }

  leave(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free++
      return
    }
    this.#waiting.delete(next)
    next()
  }
}

/** Bytes left in an answer. */
interface Room {
  bytes: number
}

/** Chunks from another service. */
export class ChunkUpstream implements ChunkSource {
  readonly #options: Required<UpstreamOptions>
  readonly #gate: Gate

  constructor(options: UpstreamOptions) {
    this.#options = { ...DEFAULTS, ...options }
    this.#gate = new Gate(this.#options.concurrency)
  }

  async find(_owner: string, ids: readonly string[], signal: AbortSignal): Promise<Map<string, ChunkFound>> {
    const found = new Map<string, ChunkFound>()
    const ended = AbortSignal.any([signal, AbortSignal.timeout(this.#options.totalMs)])
    const room = { bytes: MAX_ANSWER_BYTES }
    const left = new Set(ids).values()
    const runners = Array.from({ length: Math.min(this.#options.concurrency, ids.length) }, async () => {
      // One iterator for all runners: each id goes to whoever is free.
      for (const id of left) {
        if (room.bytes <= 0) {
          found.set(id, ANSWER_FULL)
          continue
        }
        const answer = await this.#findOne(id, ended, room)
        if (answer !== null) found.set(id, answer)
      }
    })
    await Promise.all(runners)
    return found
  }

  async #findOne(id: string, ended: AbortSignal, room: Room): Promise<ChunkFound | null> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#fetchOnce(id, ended, room)
      } catch (error) {
        if (ended.aborted) return { error: LATE, status: 503 }
        if (!(error instanceof UpstreamError)) throw error
        if (!error.passing || attempt >= this.#options.tries) return { error: error.message, status: 503 }
        const pause = this.#options.pauseMs * 2 ** (attempt - 1) * (0.5 + Math.random() / 2)
        await sleep(Math.max(pause, error.retryAfterMs), ended)
      }
    }
  }

  /** @throws UpstreamError, or the reason of `ended` */
  async #fetchOnce(id: string, ended: AbortSignal, room: Room): Promise<ChunkFound | null> {
    await this.#gate.enter(ended)
    const late = AbortSignal.timeout(this.#options.tryMs)
    try {
      const response = await fetch(this.#urlOf(id), {
        headers: { Accept: 'application/json' },
        signal: AbortSignal.any([ended, late]),
      })
      if (response.ok) {
        const text = await readBounded(response, this.#options.maxBytes)
        room.bytes -= text.length
        return room.bytes < 0 ? ANSWER_FULL : { chunk: parse(text) }
      }
      await response.body?.cancel()
      if (response.status === 404 || response.status === 410) return null
      throw refusal(response)
    } catch (error) {
      if (error instanceof UpstreamError) throw error
      throw new UpstreamError(late.aborted ? LATE : 'The chunk service could not be reached', true)
    } finally {
      this.#gate.leave()
    }
  }

  #urlOf(id: string): string {
    const { url } = this.#options
    const name = encodeURIComponent(id)
    return url.includes('{id}') ? url.replaceAll('{id}', () => name) : `${url.replace(/\/+$/, '')}/${name}`
  }
}

function refusal(response: Response): UpstreamError {
  const { status } = response
  const passing = status === 408 || status === 429 || status >= 500
  const seconds = Number(response.headers.get('Retry-After') ?? 0)
  return new UpstreamError(`The chunk service answered ${status}`, passing, seconds > 0 ? seconds * 1_000 : 0)
}

async function readBounded(response: Response, maxBytes: number): Promise<string> {
  if (response.body === null) return ''
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  // Leaving the loop cancels the rest of the body.
  for await (const piece of response.body) {
    bytes += piece.byteLength
    if (bytes > maxBytes) throw new UpstreamError(`The chunk is larger than ${maxBytes} bytes`, false)
    text += decoder.decode(piece, { stream: true })
  }
  return text + decoder.decode()
}

function parse(text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = null
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new UpstreamError('The chunk service answered with something that is no JSON object', false)
}

/** Ends early when `ended` aborts; whoever waits looks at it next. */
function sleep(ms: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer)
      ended.removeEventListener('abort', wake)
      resolve()
    }
    const timer = setTimeout(wake, ms)
    ended.addEventListener('abort', wake, { once: true })
  })
}
