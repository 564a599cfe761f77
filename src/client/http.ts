/** Requests to a server: the key, errors, and sending again what may be sent again. */
import { ApiError, errorOf } from './errors.ts'
import { backoff, sleep, TIMING, type Timing } from './timing.ts'

/** Most times that a request is retried, where it may be sent again. */
const MAX_RETRIES = 4

/** Address of a client's server, and how to reach it. */
export interface ClientOptions {
  /** Such as `https://millrace.example.com`; a path is kept, `''` is the page's own origin. */
  readonly baseUrl: string | URL
  /** Sent as `Authorization: Bearer`, never in a URL. A function is asked before each request. */
  readonly apiKey?: string | (() => string | Promise<string>) | undefined
  /** Default: the global one. */
  readonly fetch?: ((input: string, init?: RequestInit) => Promise<Response>) | undefined
  /** Other waits than the defaults, for tests and extraordinary networks. */
  readonly timing?: Partial<Timing> | undefined
}

/** A request. */
export interface Call {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as it is; it must be possible to send it twice. */
  readonly body?: string | FormData
  readonly signal?: AbortSignal | undefined
  /** Milliseconds until the whole answer is there; 0 for as long as it takes. */
  readonly answerMs?: number
  /** False for what may be done once only. */
  readonly again?: boolean
}

/** Sends requests to one server. */
export class Http {
  readonly timing: Timing
  readonly #base: string
  readonly #apiKey: ClientOptions['apiKey']
  readonly #fetch: NonNullable<ClientOptions['fetch']>

  constructor(options: ClientOptions) {
    this.timing = { ...TIMING, ...options.timing }
    this.#base = String(options.baseUrl).replace(/\/+$/, '')
    this.#apiKey = options.apiKey
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init))
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
   * Sends a request and reads its JSON, again if it failed in a way that may pass.
   * @throws ApiError
   */
  json<T>(path: string, call: Call = {}): Promise<T> {
    const { answerMs = this.timing.answerMs, signal } = call
    return this.#again(call, async () => {
      const limit = answerMs === 0 ? undefined : AbortSignal.timeout(answerMs)
      const either = AbortSignal.any([signal, limit].filter((one) => one !== undefined))
      const response = await this.send(path, { ...call, signal: either })
      return response.json().catch((error: unknown) => {
        throw either.aborted ? failure(either.reason) : failure(error)
      })
    })
  }

  /**
   * Sends a request once. An answer of 304 is one.
   * @throws ApiError; what the caller's signal gives as its reason is not thrown as it is, but as the cause
   */
  async send(path: string, { method = 'GET', query = {}, headers, body, signal }: Call): Promise<Response> {
    const key = await this.#key()
    const asked = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
    const search = asked.length === 0 ? '' : `?${new URLSearchParams(asked)}`
    const response = await this.#fetch(`${this.#base}/api/batch${path}${search}`, {
      method,
      headers: { ...headers, ...(key === '' ? {} : { Authorization: `Bearer ${key}` }) },
      // A browser would put a tag of its own on a poll, which the server then holds. Older Workers refuse the option.
      ...('cache' in Request.prototype ? { cache: 'no-store' } : {}),
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    }).catch((error: unknown) => {
      throw failure(error)
    })
    if (!response.ok && response.status !== 304) throw await errorOf(response)
    return response
  }

  async #again<T>({ again = true, signal }: Call, attempt: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await attempt()
      } catch (error) {
        signal?.throwIfAborted()
        if (!again || failures > MAX_RETRIES || !(error instanceof ApiError && error.transient)) throw error
        const { retryMs, mostRetryMs } = this.timing
        const pause =
          error.retryAfter === undefined ? backoff(retryMs, failures, mostRetryMs) : error.retryAfter * 1_000
        await sleep(pause, signal)
      }
    }
  }

  async #key(): Promise<string> {
    return (typeof this.#apiKey === 'function' ? await this.#apiKey() : this.#apiKey) ?? ''
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
