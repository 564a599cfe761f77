/**
 * Reads JSON bodies for every surface. Parses in slices, so that a body of any permitted size does not block the event loop, and counts its
 * values. Numbers that a double cannot represent become `LosslessNumber`s, and members of any name are preserved.
 */
import type { Context } from 'hono'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import { decodeText } from '../../formats/charsets.ts'
import { JsonBodyScanner } from '../../formats/json-body.ts'
import { type JsonBodyBounds, JsonBodyTooLarge } from '../../formats/json-bounds.ts'
import { isBlank, RepeatedNameError } from '../../formats/json-text.ts'
import { InvalidTextError, withoutMark } from '../../formats/text-decoder.ts'
import type { Env } from '../context.ts'
import { DEEPEST, parseJson } from './json.ts'
import { charsetOf, isPacked, readText, wrongType } from './text-body.ts'

/** A body of so many bytes is parsed at once: whatever it holds, that takes some milliseconds. */
const SMALL_BYTES = 65_536

/** Bytes read before yielding to the event loop. */
const TURN_BYTES = 131_072

/** Bounds of a JSON body, whatever its size in bytes: values and names of members are counted. docs/api.md states these. */
export const JSON_BOUNDS: JsonBodyBounds = {
  nodes: 2_000_000,
  valueNodes: 50_000,
  valueBytes: 4 * 1024 * 1024,
  elements: 100_000,
  depth: DEEPEST,
}

/** A body that was read. */
export interface JsonBody {
  /** To be checked by `safeParse`, which knows of `LosslessNumber`s. */
  readonly value: unknown
  /** Bytes of the largest element of an array of the outermost object, at least. */
  readonly largest: (name: string) => number
  /** Throws where an array has more elements than `JSON_BOUNDS` allow, for what no schema refused for it. */
  readonly demandWhole: () => void
}

/** Bytes that suffice to detect the format of a body. */
const START_BYTES = 5

const JSON_TYPE = /^application\/([\w.+-]+\+)?json\s*(;|$)/i

/**
 * Refuses a body whose declared content type is not JSON; one without a content type is taken for JSON.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE
 */
function demandJson(c: Context<Env>): void {
  if (JSON_TYPE.test(c.req.header('Content-Type') ?? 'application/json')) return
  throw wrongType(c, 'Send a JSON body with "Content-Type: application/json"')
}

/**
 * Reads the body of a request as JSON. The rest of a refused one is read and dropped, since a client that is still sending reads no answer.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE when it is sent as something else; INVALID_REQUEST when it is no JSON, no UTF-8, or nested more
 * than 100 levels deep, and naming the path where an object repeats a name, or where it holds more than `JSON_BOUNDS` allow
 */
export async function readJsonBody(c: Context<Env>): Promise<JsonBody> {
  demandJson(c)
  const { headers } = c.req.raw
  const length = headers.has('Transfer-Encoding') ? null : headers.get('Content-Length')
  try {
    if (length === null || Number(length) > SMALL_BYTES || isPacked(c)) return await scan(readText(c))
    const bytes = new Uint8Array(await c.req.arrayBuffer())
    return wholeBody(parseJson(textOf(c, bytes)), bytes.byteLength)
  } catch (error) {
    throw jsonRefusal(error)
  }
}

/** Reads a body that may be left out: its value is `{}` then, whatever its declared type. Only for routes whose body is small. */
export async function readOptionalJsonBody(c: Context<Env>): Promise<JsonBody> {
  if (isPacked(c)) return readJsonBody(c)
  const bytes = new Uint8Array(await c.req.arrayBuffer())
  if (bytes.every(isBlank)) return wholeBody({}, 0)
  demandJson(c)
  try {
    return wholeBody(parseJson(textOf(c, bytes)), bytes.byteLength)
  } catch (error) {
    throw jsonRefusal(error)
  }
}

const textOf = (c: Context<Env>, bytes: Uint8Array) =>
  withoutMark(decodeText(bytes, charsetOf(c, bytes.subarray(0, START_BYTES))))

const wholeBody = (value: unknown, bytes: number): JsonBody => ({ value, largest: () => bytes, demandWhole: () => {} })

async function scan(body: AsyncIterable<Uint8Array>): Promise<JsonBody> {
  const scanner = new JsonBodyScanner(JSON_BOUNDS)
  let fault: unknown = null
  let read = 0
  for await (const chunk of body) {
    for (let at = 0; at < chunk.byteLength; at += SMALL_BYTES) {
      const piece = chunk.subarray(at, at + SMALL_BYTES)
      if (fault === null) fault = faultOf(() => scanner.push(piece))
      read += piece.byteLength
      if (read < TURN_BYTES) continue
      read = 0
      await yieldToEventLoop()
    }
  }
  if (fault !== null) throw fault
  // All that stands in no array is parsed at once, and its check is as much work.
  await yieldToEventLoop()
  const { value, lists } = scanner.end()
  await yieldToEventLoop()
  const cut = [...lists.values()].find((list) => list.cut)
  return {
    value,
    largest: (name) => lists.get(name)?.largest ?? 0,
    demandWhole: () => {
      if (cut !== undefined) throw tooMany(cut.name, JSON_BOUNDS.elements, 'elements')
    },
  }
}

const UNITS = { values: 'values and names of members', bytes: 'bytes of JSON' }

/** Makes the refusal of a body of what reading it threw; anything else stays what it is. */
export function jsonRefusal(error: unknown): unknown {
  if (error instanceof JsonBodyTooLarge) return tooMany(error.field || 'body', error.limit, UNITS[error.unit])
  if (error instanceof RepeatedNameError) {
    const field = error.path.join('.')
    return invalidRequest(field, `${field}: ${error.message}. Send each name once.`)
  }
  if (error instanceof InvalidTextError || error instanceof SyntaxError) {
    return invalidRequest('body', `The body is not JSON: ${error.message}.`)
  }
  return error
}

function tooMany(field: string, limit: number, what: string): MillraceError {
  const message = `${field}: expected at most ${limit.toLocaleString('en')} ${what}, and there are more.`
  return new MillraceError('INVALID_REQUEST', message, { details: { field, limit } })
}

/** Runs a step and returns what it threw; null where it threw nothing. */
function faultOf(step: () => void): unknown {
  try {
    step()
    return null
  } catch (error) {
    return error
  }
}
