/** Reads JSON bodies of any size up to their limit without holding the event loop: in slices, counting what they hold. */
import type { Context } from 'hono'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { MillraceError } from '../../errors.ts'
import { type JsonBodyBounds, JsonBodyScanner, JsonBodyTooLarge, type JsonSlice } from '../../formats/json-body.ts'
import type { Env } from '../context.ts'
import { DEEPEST, findTooLarge, parseJson } from './json.ts'

/** A body of so many bytes is parsed at once: whatever it holds, that takes some milliseconds. */
const SMALL_BYTES = 65_536

/** Bytes that are read between two turns of everything else. */
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
  readonly value: unknown
  /** Path of a number that no double can hold (`items.0.amount`); null where there is none. */
  readonly infinity: string | null
  /** Bytes of the largest element of an array of the outermost object, at least. */
  readonly largest: (name: string) => number
  /** Throws where an array has more elements than `JSON_BOUNDS` allow, for what no schema refused for it. */
  readonly demandWhole: () => void
}

/**
 * Reads the body of a request as JSON. Of one that is refused the rest is read and dropped, for a client that is still sending reads no answer.
 * @throws SyntaxError when it is none, or nested more than 100 levels deep; MillraceError INVALID_REQUEST, naming the place and the limit,
 * where it holds more than `JSON_BOUNDS` allow
 */
export async function readJsonBody(c: Context<Env>): Promise<JsonBody> {
  const { headers } = c.req.raw
  const length = headers.has('Transfer-Encoding') ? null : headers.get('Content-Length')
  if (length !== null && Number(length) <= SMALL_BYTES) {
    const text = await c.req.text()
    const value = parseJson(text)
    return { value, infinity: findTooLarge(text, value), largest: () => text.length * 3, demandWhole: () => {} }
  }
  const { body } = c.req.raw
  return scan(body ?? new Blob([]).stream())
}

async function scan(body: ReadableStream<Uint8Array>): Promise<JsonBody> {
  const infinities = new Map<unknown, string>()
  const scanner = new JsonBodyScanner(JSON_BOUNDS, (slice) => noteInfinity(infinities, slice))
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
  if (fault !== null) throw refusal(fault)
  const { value, lists, around } = scanner.end()
  const cut = [...lists.values()].find((list) => list.cut)
  const demandWhole = () => {
    if (cut !== undefined) throw tooMany(cut.name, JSON_BOUNDS.elements, 'elements')
  }
  for (const [name, list] of lists) {
    const path = infinities.get(list)
    if (path !== undefined) return { value, infinity: `${name}.${path}`, largest: () => 0, demandWhole }
  }
  const others =
    lists.size === 0 ? value : Object.fromEntries(Object.entries(Object(value)).filter(([k]) => !lists.has(k)))
  return {
    value,
    infinity: findTooLarge(around, others),
    largest: (name) => lists.get(name)?.largest ?? 0,
    demandWhole,
  }
}

function noteInfinity(infinities: Map<unknown, string>, { text, elements, first, list }: JsonSlice): void {
  if (infinities.has(list)) return
  const path = findTooLarge(text, elements)
  if (path === null) return
  const [place, ...rest] = path.split('.')
  infinities.set(list, [String(first + Number(place)), ...rest].join('.'))
}

const UNITS = { values: 'values and names of members', bytes: 'bytes of JSON' }

function refusal(error: unknown): unknown {
  if (!(error instanceof JsonBodyTooLarge)) return error
  const { field, limit, unit } = error
  return tooMany(field === '' ? 'body' : field, limit, UNITS[unit])
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
