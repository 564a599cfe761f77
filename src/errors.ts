/**
 * The one error class of Millrace and the table of its codes. Every floor may throw it; only `http/` decides how a
 * surface words it, and only the engine decides, by `transient`, whether a job is retried.
 */

interface CodeFacts {
  /** HTTP status when the error answers a request. */
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 413 | 415 | 422 | 426 | 429 | 500 | 503 | 507
  /** A transient error: a job that fails with it is retried. */
  readonly transient?: true
}

const CODES = {
  // Errors in a request.
  INVALID_REQUEST: { status: 400 },
  MISSING_SWIMMER: { status: 400 },
  NO_PDFS: { status: 400 },
  BATCH_TOO_LARGE: { status: 400 },
  UNAUTHORIZED: { status: 401 },
  FORBIDDEN: { status: 403 },
  NOT_FOUND: { status: 404 },
  METHOD_NOT_ALLOWED: { status: 405 },
  CONFLICT: { status: 409 },
  /** An `Idempotency-Key` that already names a request with other content. */
  IDEMPOTENCY_KEY_REUSED: { status: 422 },
  TOO_LARGE: { status: 413 },
  /** More than an owner may keep: see `engine/storage-quota.ts`. */
  QUOTA_EXCEEDED: { status: 413 },
  UNSUPPORTED_MEDIA_TYPE: { status: 415 },
  /** A path that is a WebSocket's, asked for without one. */
  UPGRADE_REQUIRED: { status: 426 },
  /** Read, but its fields are not what they should be; `details.issues` lists them. */
  UNPROCESSABLE: { status: 422 },
  // Errors in a document.
  UNREADABLE_DOCUMENT: { status: 422 },
  INVALID_PDF: { status: 422 },
  NO_TEXT: { status: 422 },
  UNREADABLE_TEXT: { status: 422 },
  NOT_A_HEAT_SHEET: { status: 422 },
  UNRECOGNIZED_LAYOUT: { status: 422 },
  // Errors of the world outside: other servers, the network, the storage.
  URL_NOT_ALLOWED: { status: 422 },
  NETWORK_ERROR: { status: 503, transient: true },
  TIMEOUT: { status: 503, transient: true },
  RATE_LIMIT: { status: 429, transient: true },
  SERVICE_UNAVAILABLE: { status: 503, transient: true },
  /** The server's own disk or database has no space left. */
  INSUFFICIENT_STORAGE: { status: 507, transient: true },
  // Errors that end a job.
  CANCELLED: { status: 409 },
  DEADLINE_EXCEEDED: { status: 409 },
  WORKER_LOST: { status: 500 },
  /** Thrown by a custom operation; retried unless the error says otherwise. */
  OPERATION_FAILED: { status: 500, transient: true },
  UNKNOWN: { status: 500 },
} as const satisfies Record<string, CodeFacts>

/** Every code an error of Millrace can carry; upper-case words, stable for clients. */
export type ErrorCode = keyof typeof CODES

const facts: Readonly<Record<ErrorCode, CodeFacts>> = CODES

/** An error with a stable code and a message written for the person who reads it. */
export class MillraceError extends Error {
  readonly code: ErrorCode
  /** More facts for the reader: the field that was wrong, seconds to wait. Safe to send to a client. */
  readonly details: Readonly<Record<string, unknown>> | undefined
  readonly #transient: boolean

  /** @param options.transient overrides the default of its code */
  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown>; transient?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'MillraceError'
    this.code = code
    this.details = options.details
    this.#transient = options.transient ?? facts[code].transient === true
  }

  /** HTTP status this error answers with. */
  get status(): CodeFacts['status'] {
    return facts[this.code].status
  }

  /** True where a later retry may succeed. */
  get transient(): boolean {
    return this.#transient
  }
}

/** Returns true where a value read from outside (a message of another process, a row) is a code of the table. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(CODES, value)
}

/** A refusal that names the field that is wrong; the message says what would be right. */
export function invalidRequest(field: string, message: string): MillraceError {
  return new MillraceError('INVALID_REQUEST', message, { details: { field } })
}
