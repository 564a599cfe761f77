/** Interprets the head of a response: which failure a status is, and what its headers say. Pure; every Fetcher reads responses alike. */
import { MillraceError } from '../errors.ts'
import { readableSize } from '../formats/readable-size.ts'

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** @returns whether a status sends a GET elsewhere */
export function isRedirect(status: number): boolean {
  return REDIRECTS.has(status)
}

/**
 * Which failure a status stands for.
 * @param status the final answer's; redirects that could be followed never come here
 * @param retryAfter the header of that name, if any
 * @param now milliseconds since the epoch, for a Retry-After that is a date
 * @returns null for success (2xx). Else NOT_FOUND (404, 410, and whatever else asking again will not change: 401, 403 …),
 * RATE_LIMIT (429), TIMEOUT (408), SERVICE_UNAVAILABLE (425, 5xx), with `details.status`, and `details.retryAfterSeconds`
 * where the server named a time
 */
export function failureOf(status: number, retryAfter: string | undefined, now: number): MillraceError | null {
  if (status >= 200 && status < 300) return null
  const seconds = secondsToWait(retryAfter, now)
  const details = seconds === null ? { status } : { status, retryAfterSeconds: seconds }
  const fail = (code: MillraceError['code'], message: string) => new MillraceError(code, message, { details })
  if (status === 404 || status === 410) {
    return fail('NOT_FOUND', 'There is no file at this link any more, or the link has a typing error.')
  }
  if (status === 401 || status === 403 || status === 407) {
    return fail('NOT_FOUND', 'The website does not give this file to visitors without a sign-in.')
  }
  if (status === 429) return fail('RATE_LIMIT', 'The website asked us to slow down. Try again later.')
  if (status === 408) return fail('TIMEOUT', 'The website gave up waiting. Try again later.')
  if (status === 425 || status >= 500) {
    return fail('SERVICE_UNAVAILABLE', `The website has a problem of its own (${status}). Try again later.`)
  }
  return fail('NOT_FOUND', `The website did not give a file for this link (${status}).`)
}

/** @returns the error for a body over `maxBytes` */
export function tooLarge(maxBytes: number): MillraceError {
  return new MillraceError(
    'TOO_LARGE',
    `The file behind this link is larger than ${readableSize(maxBytes)}, the most that is accepted.`,
  )
}

/** @returns the size a Content-Length header declares, null when it declares none */
export function declaredSize(contentLength: string | undefined): number | null {
  return contentLength !== undefined && /^\d+$/.test(contentLength) ? Number(contentLength) : null
}

/** @returns the bytes of a body before it is packed, as its head declares them; null where it does not say */
export function sizeOf(contentLength: string | undefined, coding: string | undefined): number | null {
  const isPlain = coding === undefined || /^\s*(identity)?\s*$/i.test(coding)
  return isPlain ? declaredSize(contentLength) : null
}

/** @returns a Content-Type header's type without parameters, lower case; empty when there is none */
export function mediaType(contentType: string | undefined): string {
  return (contentType ?? '')
    .replace(/[;,].*$/s, '')
    .trim()
    .toLowerCase()
}

/** Retry-After: seconds or a date (RFC 9110, section 10.2.3); never negative. */
export function secondsToWait(header: string | undefined, now: number): number | null {
  if (header === undefined) return null
  if (/^\d{1,9}$/.test(header.trim())) return Number(header)
  const at = Date.parse(header)
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - now) / 1000))
}
