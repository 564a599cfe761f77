/** Errors of surfaces whose error format differs from that of batches. */
import type { AnyErrorBody, Said } from './errors.ts'

/** Codes of surfaces whose errors carry none, by status. */
const CODES: Readonly<Record<number, string>> = {
  400: 'INVALID_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  409: 'CONFLICT',
  413: 'TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  422: 'UNPROCESSABLE',
  429: 'RATE_LIMIT',
  503: 'SERVICE_UNAVAILABLE',
  507: 'INSUFFICIENT_STORAGE',
}
/** Codes of the document surface that are more than our codes in lower case. */
const WORDS: Readonly<Record<string, string>> = {
  validation_error: 'INVALID_REQUEST',
  rate_limit_exceeded: 'RATE_LIMIT',
  processing_error: 'UNKNOWN',
}

/** Reads `{detail}`, a sentence or a list of all that is wrong. */
export function readDetail({ detail }: AnyErrorBody, status: number): Said | null {
  const code = codeOf(status)
  if (typeof detail === 'string') return { code, message: detail }
  if (!Array.isArray(detail)) return null
  const issues = detail.map(({ loc, msg }) => ({ field: loc.slice(1).join('.'), message: msg }))
  const message = issues.map((issue) => `${issue.field}: ${issue.message}`).join('; ')
  return { code, message, issues, field: issues[0]?.field }
}

/** Reads `{error}`, a sentence. */
export function readSentence({ error }: AnyErrorBody, status: number): Said | null {
  return typeof error === 'string' ? { code: codeOf(status), message: error } : null
}

/** Reads an error whose code is in small letters. */
export function readWords({ error, message, details }: AnyErrorBody): Said | null {
  if (typeof error !== 'string') return null
  return { code: WORDS[error] ?? error.toUpperCase(), message, field: details?.field }
}

const codeOf = (status: number) => CODES[status] ?? 'UNKNOWN'
