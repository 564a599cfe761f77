import type { ErrorBody } from '../http/response/error-bodies.ts'

/** Longest `Retry-After` that is waited for; beyond it the caller decides. */
const MAX_RETRY_AFTER_SECONDS = 60

/** A request that failed. Aborting throws the signal's own reason instead. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** Upper-case words, stable: `NOT_FOUND`, `INVALID_REQUEST`; `NETWORK_ERROR` where no answer came. */
  readonly code: string
  /** Of the HTTP answer; 0 where none came. */
  readonly status: number
  /** The field that was wrong, where one was. */
  readonly field: string | undefined
  /** Seconds after which the server asks to be tried again. */
  readonly retryAfter: number | undefined
  /** Names the request in the server's log. */
  readonly requestId: string | undefined

  constructor(
    code: string,
    message: string,
    facts: {
      status?: number
      field?: string | undefined
      retryAfter?: number | undefined
      requestId?: string | undefined
      cause?: unknown
    } = {},
  ) {
    super(message, { cause: facts.cause })
    this.code = code
    this.status = facts.status ?? 0
    this.field = facts.field
    this.retryAfter = facts.retryAfter
    this.requestId = facts.requestId
  }

  /** True where the same request may succeed if it is sent again soon. */
  get transient(): boolean {
    if ((this.retryAfter ?? 0) > MAX_RETRY_AFTER_SECONDS) return false
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500
  }
}

/** The error that an answer stands for. */
export async function errorOf(response: Response): Promise<ApiError> {
  // Whatever stands between may answer too, so the body need not be ours.
  const text = await response.text().catch(() => '')
  const { error, message, field } = parse(text)
  return new ApiError(
    error ?? `HTTP_${response.status}`,
    message ?? `The server answered ${response.status} ${response.statusText}`.trim(),
    {
      status: response.status,
      field,
      retryAfter: secondsOf(response.headers.get('Retry-After')),
      requestId: response.headers.get('X-Request-Id') ?? undefined,
    },
  )
}

function parse(text: string): Partial<ErrorBody> {
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' && body !== null ? body : {}
  } catch {
    return {}
  }
}

/** `Retry-After` (RFC 9110, 10.2.3) is seconds or a date. */
function secondsOf(header: string | null): number | undefined {
  if (header === null) return undefined
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined
}
