/** Requests to a server: the key, errors, and retries of what is safe to retry. */

import { backoff, sleep } from '../backoff.ts'
import { ApiError, errorOf, readCoded, type Surface } from './errors.ts'
import { linkSignals, throwIfAborted } from './signals.ts'
import { TIMING, type Timing } from './timing.ts'

/** Most times that a request is retried, where it may be sent again. */
const MAX_RETRIES = 4

/** Address of a client's server, and how to reach it. */
export interface ClientOptions {
  /** Base URL, such as `https://millrace.example.com`; may have a path. `''` is the page's own origin. */
  readonly baseUrl: string | URL
  /** Sent as `Authorization: Bearer`, never in a URL. A function is called before each request. */
  readonly apiKey?: string | (() => string | Promise<string>) | undefined
  /** Default: the global one. */
  readonly fetch?: ((input: string, init?: RequestInit) => Promise<Response>) | undefined
  /** Overrides of the default waits, for tests and unusual networks. */
  readonly timing?: Partial<Timing> | undefined
}

/** A request. */
export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as it is; must be safe to send twice, unless `again` is false. */
  readonly body?: string | FormData | Blob | ReadableStream<Uint8Array>
  readonly signal?: AbortSignal | undefined
  /** Milliseconds until the whole answer is there; 0 for as long as it takes. */
  readonly answerMs?: number
  /** False for what may be done once only. */
  readonly again?: boolean
}

const BATCHES: Surface = { name: 'batches', mount: '/api/batch', read: readCoded }

/** Sends requests to one surface of a server. */
export class Http {
  readonly timing: Timing
  readonly #options: ClientOptions
  readonly #base: string
  readonly #surface: Surface
  readonly #apiKey: ClientOptions['apiKey']
  readonly #fetch: NonNullable<ClientOptions['fetch']>

  constructor(options: ClientOptions, surface = BATCHES) {
    this.timing = { ...TIMING, ...options.timing }
    this.#options = options
    this.#base = String(options.baseUrl).replace(/\/+$/, '')
    this.#surface = surface
    this.#apiKey = options.apiKey
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init))
  }

  /** The same server and caller, on another surface. */
  at(surface: Surface): Http {
    return new Http(this.#options, surface)
  }

  /** Makes an address of a path of the server. */
  address(path: string): string {
    return this.#base + path
  }

  /** True where requests carry a key. */
  get hasKey(): boolean {
    return this.#apiKey !== undefined
  }

  /** Identifies this server and caller among others; secret, because it contains the key. */
  async identity(): Promise<string> {
    return `${this.#base}\n${await this.#key()}`
  }

  /**
   * Sends a request and reads its JSON; retries it after transient failures.
   * @throws ApiError
   */
  json<T>(path: string, call: Call = {}): Promise<T> {
    const { answerMs = this.timing.answerMs, signal } = call
    return this.#again(call, async () => {
      const either = linkSignals([signal], answerMs)
      try {
        const response = await this.send(path, { ...call, signal: either.signal })
        return await readJson<T>(response).catch((error: unknown) => {
          throw either.signal.aborted ? failure(either.signal.reason) : error
        })
      } finally {
        either.release()
      }
    })
  }

  /**
   * Requests a file; retries after transient failures. The caller reads its bytes.
   * @throws ApiError
   */
  file(path: string, call: Call = {}): Promise<Response> {
    return this.#again(call, () => this.send(path, call))
  }

  /**
   * Sends a request once. An answer of 304 is one.
   * @throws ApiError; what the caller's signal gives as its reason is not thrown as it is, but as the cause
   */
  async send(path: string, { method = 'GET', query = {}, headers, body, signal }: Call): Promise<Response> {
    const key = await this.#key()
    const asked = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
    const search = asked.length === 0 ? '' : `?${new URLSearchParams(asked)}`
    const response = await this.#fetch(`${this.#base}${this.#surface.mount}${path}${search}`, {
      method,
      headers: { ...headers, ...(key === '' ? {} : { Authorization: `Bearer ${key}` }) },
      // Keeps a browser from adding an `If-None-Match` of its own to a poll, which the server would take for a long poll. Older Workers refuse the option.
      ...('cache' in Request.prototype ? { cache: 'no-store' } : {}),
      ...(body === undefined ? {} : { body }),
      // Required by the Fetch standard where a body is a stream.
      ...(typeof ReadableStream !== 'undefined' && body instanceof ReadableStream ? { duplex: 'half' } : {}),
      ...(signal === undefined ? {} : { signal }),
    }).catch((error: unknown) => {
      throw failure(error)
    })
    if (!response.ok && response.status !== 304) throw await errorOf(response, this.#surface)
    return response
  }

  async #again<T>({ again = true, signal }: Call, attempt: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await attempt()
      } catch (error) {
        throwIfAborted(signal)
        if (!again || failures > MAX_RETRIES || !(error instanceof ApiError && error.transient)) throw error
        const { retryMs, mostRetryMs } = this.timing
        const pause =
          error.retryAfter === undefined
            ? backoff(failures, { firstMs: retryMs, mostMs: mostRetryMs })
            : error.retryAfter * 1_000
        await sleep(pause, signal)
      }
    }
  }

  async #key(): Promise<string> {
    return (typeof this.#apiKey === 'function' ? await this.#apiKey() : this.#apiKey) ?? ''
  }
}

/**
 * Reads the JSON of an answer.
 * @throws ApiError, also for an answer of whatever stands between, such as the page of a proxy
 */
export async function readJson<T>(response: Response): Promise<T> {
  const text = await response.text().catch((error: unknown) => {
    throw failure(error)
  })
  try {
    return JSON.parse(text)
  } catch (cause) {
    const type = response.headers.get('Content-Type') ?? 'no type'
    throw new ApiError(
      'NOT_JSON',
      `The answer (${response.status}, ${type}) is no JSON: something between here and the server may have answered in its place.`,
      { status: response.status, cause },
    )
  }
}

/** The error for an answer that did not come. */
export function failure(cause: unknown): ApiError {
  return new ApiError(
    'NETWORK_ERROR',
    `The server could not be reached: ${cause instanceof Error ? cause.message : cause}`,
    {
      cause,
    },
  )
}

/** Fields of a body, a header, a path. */
export const json = (value: unknown) => ({
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(value),
})
