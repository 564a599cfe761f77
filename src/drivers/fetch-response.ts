/** Interprets the head of a response: which failure a status is, and the name of the file. Pure; every Fetcher reads responses alike. */
import { MillraceError } from '../errors.ts'

/** Content-Disposition is read no further than this, so that no header can keep the parser busy. */
const MAX_DISPOSITION = 2048

/** Longest file name handed on, in characters; the extension is kept. */
const MAX_NAME = 150

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

/** @returns a Content-Type header's type without parameters, lower case; empty when there is none */
export function mediaType(contentType: string | undefined): string {
  return (contentType ?? '')
    .replace(/[;,].*$/s, '')
    .trim()
    .toLowerCase()
}

/**
 * Determines the file name of a download (RFC 6266, RFC 8187).
 * @param disposition the Content-Disposition header; `filename*` wins over `filename`
 * @param url the address that answered; its last path segment is used where the header names nothing
 * @returns a bare name without folders, control or bidirectional characters, or characters file systems refuse; null
 * when nothing is left
 */
export function filenameOf(disposition: string | undefined, url: URL): string | null {
  const parameters = dispositionParameters(disposition ?? '')
  const segment = url.pathname.split('/').at(-1) ?? ''
  const candidates = [
    extendedValue(parameters.get('filename*')),
    repairUtf8(parameters.get('filename') ?? ''),
    percentDecoded(segment) ?? segment,
  ]
  for (const candidate of candidates) {
    const name = bareName(candidate ?? '')
    if (name !== '') return name
  }
  return null
}

function dispositionParameters(header: string): Map<string, string> {
  const found = new Map<string, string>()
  const parameter = /;\s*([\w!#$&+.^`|~*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))/g
  for (const [, name = '', quoted, plain] of header.slice(0, MAX_DISPOSITION).matchAll(parameter)) {
    // Only quotes and backslashes are unescaped: servers that send Windows paths do not escape the rest.
    const value = quoted?.replace(/\\(["\\])/g, '$1') ?? plain?.trim() ?? ''
    if (!found.has(name.toLowerCase())) found.set(name.toLowerCase(), value)
  }
  return found
}

/** RFC 8187: `charset'language'percent-encoded`. Null when it is not that, or in another charset. */
function extendedValue(value: string | undefined): string | null {
  const [, charset, encoded] = value?.match(/^([\w-]+)'[\w-]*'(.*)$/s) ?? []
  if (charset === undefined || encoded === undefined) return null
  if (charset.toLowerCase() === 'utf-8') return percentDecoded(encoded)
  if (charset.toLowerCase() !== 'iso-8859-1') return null
  return encoded.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function percentDecoded(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}

/** Servers send UTF-8 in headers though it reads as Latin-1; where the bytes are UTF-8, that is what was meant. */
function repairUtf8(text: string): string {
  if (!/[\x80-\xff]/.test(text) || /[^\0-\xff]/.test(text)) return text
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(text, (char) => char.charCodeAt(0)))
  } catch {
    return text
  }
}

function bareName(raw: string): string {
  const last = raw.toWellFormed().split(/[/\\]/).at(-1) ?? ''
  const clean = last
    .normalize('NFC')
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
    .replace(/[<>:"|?*]/g, '_')
    .replace(/^[\s.]+|[\s.]+$/g, '')
  const characters = Array.from(clean)
  if (characters.length <= MAX_NAME) return clean
  const extension = clean.match(/\.[A-Za-z0-9]{1,10}$/)?.[0] ?? ''
  return characters.slice(0, MAX_NAME - extension.length).join('') + extension
}

/** Retry-After: seconds or a date (RFC 9110, section 10.2.3); never negative. */
export function secondsToWait(header: string | undefined, now: number): number | null {
  if (header === undefined) return null
  if (/^\d{1,9}$/.test(header.trim())) return Number(header)
  const at = Date.parse(header)
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - now) / 1000))
}

function readableSize(bytes: number): string {
  const units: readonly [string, number][] = [
    ['GB', 2 ** 30],
    ['MB', 2 ** 20],
    ['KB', 2 ** 10],
  ]
  for (const [unit, size] of units) {
    if (bytes >= size) return `${Math.floor((bytes / size) * 10) / 10} ${unit}`
  }
  return `${bytes} bytes`
}
