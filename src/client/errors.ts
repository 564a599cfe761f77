import type {
  CardErrorBody,
  ChunkErrorBody,
  DetailBody,
  ErrorBody,
  ProcessingErrorBody,
} from '../http/response/error-bodies.ts'

/** Longest `Retry-After` that is waited for; beyond it the caller decides. */
const MAX_RETRY_AFTER_SECONDS = 60

/** Bodies of errors, by surface. */
export interface ErrorBodies {
  batches: ErrorBody
  cards: CardErrorBody
  chunks: ChunkErrorBody
  documents: ProcessingErrorBody
  resources: DetailBody
  results: ErrorBody
  secrets: ErrorBody
  schedules: ErrorBody
  webhooks: ErrorBody
  workers: ErrorBody
}

/** Union of the fields that errors of the surfaces have. */
export interface AnyErrorBody {
  readonly error?: unknown
  readonly message?: string
  readonly field?: string
  readonly details?: { readonly field: string }
  readonly detail?: DetailBody['detail']
}

/** Facts that an error states. */
export interface Said {
  readonly code: string
  readonly message?: string | undefined
  readonly field?: string | undefined
  readonly issues?: readonly Issue[]
}

/** A surface of the server: its path and its error format. */
export interface Surface {
  readonly name: keyof ErrorBodies
  /** Path before those of requests. */
  readonly mount: string
  /** Reads an error; null where it is not of the surface. */
  read(body: AnyErrorBody, status: number): Said | null
}

/** A field that was wrong. */
export interface Issue {
  /** Its whole path: `ids.3`. */
  readonly field: string
  readonly message: string
}

/** A request that failed. Aborting throws the signal's own reason instead. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  /** Upper-case words, stable, the same for all surfaces: `NOT_FOUND`, `INVALID_REQUEST`; `NETWORK_ERROR` where no answer came. */
  readonly code: string
  /** Of the HTTP answer; 0 where none came. */
  readonly status: number
  /** The field that was wrong, where one was; the first of `issues`. */
  readonly field: string | undefined
  /** All that was wrong, where the surface says so (resources). */
  readonly issues: readonly Issue[]
  /** The surface that was called, where it answered itself; see `isErrorOf`. */
  readonly surface: keyof ErrorBodies | undefined
  /** The answer's JSON as it came. */
  readonly body: unknown
  /** Seconds after which the request may be retried, as the server says. */
  readonly retryAfter: number | undefined
  /** Names the request in the server's log. */
  readonly requestId: string | undefined
  /** True where an intermediary answered instead of the server, such as a proxy with an error page of its own. */
  readonly isForeign: boolean

  constructor(
    code: string,
    message: string,
    facts: {
      status?: number
      field?: string | undefined
      issues?: readonly Issue[]
      surface?: keyof ErrorBodies | undefined
      body?: unknown
      retryAfter?: number | undefined
      requestId?: string | undefined
      isForeign?: boolean
      cause?: unknown
    } = {},
  ) {
    super(message, { cause: facts.cause })
    this.code = code
    this.status = facts.status ?? 0
    this.field = facts.field
    this.issues = facts.issues ?? []
    this.surface = facts.surface
    this.body = facts.body
    this.retryAfter = facts.retryAfter
    this.requestId = facts.requestId
    this.isForeign = facts.isForeign ?? false
  }

  /** True where the same request may succeed if it is sent again soon. */
  get transient(): boolean {
    if ((this.retryAfter ?? 0) > MAX_RETRY_AFTER_SECONDS) return false
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500
  }
}

/**
 * Checks if an error is a surface's own answer, whose `body` then has the shape of that surface.
 * @example if (isErrorOf(error, 'documents')) console.log(error.body.details?.issue)
 */
export function isErrorOf<S extends keyof ErrorBodies>(
  error: unknown,
  surface: S,
): error is ApiError & { readonly body: ErrorBodies[S] } {
  return error instanceof ApiError && error.surface === surface
}

/** The error that an answer stands for. */
export async function errorOf(response: Response, surface: Surface): Promise<ApiError> {
  // Intermediaries may answer too, so the body need not have our format.
  const body = parse(await response.text().catch(() => ''))
  const { status } = response
  const said = body === null ? null : surface.read(body, status)
  return new ApiError(
    said?.code ?? `HTTP_${status}`,
    said?.message ?? `The server answered ${status} ${response.statusText}`.trim(),
    {
      ...said,
      status,
      body: body ?? undefined,
      surface: said === null ? undefined : surface.name,
      retryAfter: secondsOf(response.headers.get('Retry-After')),
      requestId: response.headers.get('X-Request-Id') ?? undefined,
      isForeign: said === null,
    },
  )
}

/** Reads an error that carries its code, as those of batches do. */
export function readCoded({ error, message, field }: AnyErrorBody): Said | null {
  return typeof error === 'string' ? { code: error, message, field } : null
}

function parse(text: string): AnyErrorBody | null {
  try {
    const body: unknown = JSON.parse(text)
    return typeof body === 'object' ? body : null
  } catch {
    return null
  }
}

/** `Retry-After` (RFC 9110, 10.2.3) is seconds or a date. */
function secondsOf(header: string | null): number | undefined {
  if (header === null) return undefined
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1_000
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined
}
