/** Answers of receivers: what a result holds of them, and which failure they are. */
import { invalidRequest, MillraceError } from '../../errors.ts'
import { parseJson } from '../../http/request/json.ts'
import type { RunResult } from '../../operation.ts'
import { type GuardedAnswer, NETWORK_FAULTS, type NetworkFault } from '../../ports.ts'
import type { HttpInput, HttpResult } from './schemas.ts'

/** Bytes that the body of an answer may have, and the JSON of a result. */
export const MAX_ANSWER_BYTES = 1_000_000
/** Bytes of JSON up to which a result stands in `job_completed` and in lists as well. */
const MAX_TOLD_BYTES = 2_048
/** Characters of an answer that an error quotes. */
const MAX_QUOTED = 300
/** Longest pause that a receiver may ask for, in milliseconds. */
const MAX_PAUSE_MS = 24 * 60 * 60 * 1_000

type Scrub = (text: string) => string

/** Reads a body: JSON as JSON without loss, text as text, anything else in base64. */
export function readAnswerBody(
  bytes: Uint8Array,
  contentType: string,
  scrub: Scrub,
): Pick<HttpResult, 'body' | 'encoding'> {
  if (bytes.byteLength === 0) return { body: null }
  const text = decode(bytes, contentType)
  if (text === null) return { body: base64(bytes), encoding: 'base64' }
  return { body: valueOfText(scrub(text), contentType) }
}

/** Reads JSON where the type says so, unless it is broken, or deeper than a result may be. */
export function valueOfText(text: string, contentType: string): unknown {
  if (!/^application\/([\w.+-]+\+)?json\b/i.test(contentType)) return text
  try {
    return parseJson(text)
  } catch {
    return text
  }
}

function decode(bytes: Uint8Array, contentType: string): string | null {
  const charset = /;\s*charset="?([\w-]+)/i.exec(contentType)?.[1] ?? 'utf-8'
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

function base64(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text)
}

/** Makes the result of a call that succeeded. @throws MillraceError TOO_LARGE */
export function makeResult(
  answer: Pick<GuardedAnswer, 'status' | 'headers' | 'body'>,
  { responseHeaders }: Pick<HttpInput, 'responseHeaders'>,
  scrub: Scrub,
): RunResult {
  const chosen = responseHeaders.flatMap((name) => {
    const value = answer.headers[name.toLowerCase()]
    return value === undefined ? [] : [[name.toLowerCase(), scrub(value)] as const]
  })
  const read = readAnswerBody(answer.body, answer.headers['content-type'] ?? '', scrub)
  return finish({ status: answer.status, headers: Object.fromEntries(chosen), ...read }, answer.body.byteLength)
}

/** Makes a run of a result. @throws MillraceError TOO_LARGE */
export function finish(result: HttpResult, bytes: number): RunResult {
  const size = JSON.stringify(result).length
  if (size > MAX_ANSWER_BYTES) throw tooLarge()
  const summary = size <= MAX_TOLD_BYTES ? { status: result.status, result } : { status: result.status }
  return { result, summary, tallies: { calls: 1, bytes } }
}

const tooLarge = () =>
  new MillraceError('TOO_LARGE', 'The answer is larger than 1 MB of JSON, the most that a result may have.')

/** Makes the error of an answer whose status is no success. */
export function failureOf(answer: GuardedAnswer, { retryOn }: Pick<HttpInput, 'retryOn'>, scrub: Scrub): MillraceError {
  const { status, retryAfterSeconds } = answer
  const text = decode(answer.body, answer.headers['content-type'] ?? '')
  const quoted = text === null ? '' : scrub(text).replace(/\s+/g, ' ').trim().slice(0, MAX_QUOTED).toWellFormed()
  const message = `The receiver answered ${status}${quoted === '' ? '.' : `: ${quoted}`}`
  const pause = retryAfterSeconds === null ? {} : { retryAfterMs: Math.min(retryAfterSeconds * 1_000, MAX_PAUSE_MS) }
  return new MillraceError(codeOf(status), message, {
    transient: retryOn.includes(status),
    details: { status, ...pause },
  })
}

function codeOf(status: number): MillraceError['code'] {
  if (status === 429) return 'RATE_LIMIT'
  if (status === 408) return 'TIMEOUT'
  if (status === 404 || status === 410) return 'NOT_FOUND'
  return status === 425 || status >= 500 ? 'SERVICE_UNAVAILABLE' : 'OPERATION_FAILED'
}

const FAULTS: Readonly<Record<NetworkFault, string>> = {
  'unknown name': 'There is no server under the name in the address.',
  'name service': 'The name in the address could not be looked up just now.',
  refused: 'The connection was refused.',
  certificate: 'The security certificate of the server could not be verified.',
  reset: 'The connection was reset before the whole answer was there.',
  lost: 'The connection was refused, or reset before the whole answer was there.',
  garbled: 'The answer is something that is not HTTP.',
  unreachable: 'The server could not be reached.',
}

/** Words the error of a call without an answer: the Fetcher's own words are about links to files. */
export function noAnswer(error: unknown, timeoutMs: number): unknown {
  if (!(error instanceof MillraceError)) return error
  if (error.code === 'TIMEOUT') {
    return new MillraceError('TIMEOUT', `There was no whole answer within ${timeoutMs / 1_000} s.`, { cause: error })
  }
  if (error.code === 'TOO_LARGE') return tooLarge()
  // A header can only be wrong by a secret in it: all else was checked when the batch was made.
  if (error.code === 'INVALID_REQUEST') return invalidRequest('input.headers', `input.${error.message}`)
  const fault = NETWORK_FAULTS.find((one) => one === error.details?.fault)
  return fault === undefined ? error : new MillraceError('NETWORK_ERROR', FAULTS[fault], { cause: error })
}
