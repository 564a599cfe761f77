import { backoff, sleep } from '../../backoff.ts'
import type { ChunkFound, ChunkSource } from '../../chunk-source.ts'
import { MillraceError } from '../../errors.ts'
import { FairSemaphore } from '../../fair-semaphore.ts'
import { countNodes } from '../../formats/json-text.ts'
import { parseLossless } from '../../lossless-json.ts'
import { type AnswerRoom, PROCESS_ROOM, sayFull } from '../../rows/fitting-rows.ts'

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
  /** Of one answer; default 64 MB. */
  readonly room?: AnswerRoom
}

const DEFAULTS = {
  concurrency: 16,
  tryMs: 5_000,
  totalMs: 25_000,
  tries: 3,
  pauseMs: 200,
  maxBytes: 5 * 1024 * 1024,
  room: PROCESS_ROOM,
}

const LATE = 'The chunk service did not answer in time'

/** Failure to fetch a chunk; says if a retry may help. */
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

/** Bytes left in an answer. */
interface Room {
  bytes: number
}

/** Chunks from another service. */
export class ChunkUpstream implements ChunkSource {
  readonly #options: Required<UpstreamOptions>
  readonly #slots: FairSemaphore

  constructor(options: UpstreamOptions) {
    this.#options = { ...DEFAULTS, ...options }
    const limits = { slots: this.#options.concurrency }
    this.#slots = new FairSemaphore(limits, () => new MillraceError('SERVICE_UNAVAILABLE', LATE))
  }

  async find(owner: string, ids: readonly string[], signal: AbortSignal): Promise<Map<string, ChunkFound>> {
    const found = new Map<string, ChunkFound>()
    const ended = AbortSignal.any([signal, AbortSignal.timeout(this.#options.totalMs)])
    const room = { bytes: this.#options.room.bytes }
    const left = new Set(ids).values()
    const runners = Array.from({ length: Math.min(this.#options.concurrency, ids.length) }, async () => {
      // One iterator is shared by all runners: each id goes to the next idle one.
      for (const id of left) {
        if (room.bytes <= 0) {
          found.set(id, this.#full)
          continue
        }
        const answer = await this.#findOne(owner, id, ended, room)
        if (answer !== null) found.set(id, answer)
      }
    })
    await Promise.all(runners)
    return found
  }

  async #findOne(owner: string, id: string, ended: AbortSignal, room: Room): Promise<ChunkFound | null> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#slots.withSlot(owner, () => this.#fetchOnce(id, ended, room), ended)
      } catch (error) {
        if (ended.aborted) return { error: LATE, status: 503 }
        if (!(error instanceof UpstreamError)) throw error
        if (!error.passing || attempt >= this.#options.tries) return { error: error.message, status: 503 }
        const pause = backoff(attempt, { firstMs: this.#options.pauseMs })
        // The next try finds that it is too late.
        await sleep(Math.max(pause, error.retryAfterMs), ended).catch(() => {})
      }
    }
  }

  /** @throws UpstreamError */
  async #fetchOnce(id: string, ended: AbortSignal, room: Room): Promise<ChunkFound | null> {
    const late = AbortSignal.timeout(this.#options.tryMs)
    try {
      const response = await fetch(this.#urlOf(id), {
        headers: { Accept: 'application/json' },
        signal: AbortSignal.any([ended, late]),
      })
      if (response.ok) {
        const text = await readBounded(response, this.#options.maxBytes)
        const { bytesAValue } = this.#options.room
        room.bytes -= text.length + (bytesAValue === 0 ? 0 : bytesAValue * countNodes(text))
        return room.bytes < 0 ? this.#full : { chunk: parse(text) }
      }
      await response.body?.cancel()
      if (response.status === 404 || response.status === 410) return null
      throw refusal(response)
    } catch (error) {
      if (error instanceof UpstreamError) throw error
      throw new UpstreamError(late.aborted ? LATE : 'The chunk service could not be reached', true)
    }
  }

  get #full() {
    return sayFull(this.#options.room, 'chunks')
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
    value = parseLossless(text)
  } catch {
    value = null
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new UpstreamError('The chunk service answered with something that is no JSON object', false)
}
