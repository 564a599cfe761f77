/** Reading what a request says: bodies and query strings, checked against their schema. */
import type { Context } from 'hono'
import type * as z from 'zod'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import { countNodes } from '../../formats/json-body.ts'
import type { Env } from '../context.ts'
import { safeParse } from './fields.ts'
import { findTooLarge, parseJson } from './json.ts'
import { JSON_BOUNDS, type JsonBody, readJsonBody } from './json-body.ts'

/** The first thing that is wrong, by the name of its field. */
function invalid(error: z.ZodError): MillraceError {
  const issue = error.issues[0]
  const path = issue?.path.map(String).join('.') ?? ''
  const isUnknown = path === '' && issue?.code === 'unrecognized_keys'
  const field = shorten(isUnknown ? issue.keys.slice(0, MAX_KEYS).join(', ') : path)
  const message = shorten(`${issue?.message}`)
  return invalidRequest(field, field === '' ? message : `${field}: ${message}`)
}

/** Unknown fields that an answer names, and characters that it says of one thing that is wrong: both may be as long as the body. */
const MAX_KEYS = 20
const MAX_MESSAGE = 1_000

const shorten = (text: string) => (text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE).toWellFormed()}…`)

const JSON_TYPE = /^application\/([\w.+-]+\+)?json\s*(;|$)/i
const NDJSON_TYPE = /^application\/(x-)?(ndjson|jsonl|jsonlines)\s*(;|$)/i

/**
 * Refuses a body that is said to be something else than JSON; one that is said to be nothing may be JSON.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE
 */
export function demandJson(c: Context<Env>): void {
  if (JSON_TYPE.test(c.req.header('Content-Type') ?? 'application/json')) return
  throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', 'Send a JSON body with "Content-Type: application/json".')
}

/**
 * Likewise, NDJSON.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE
 */
export function demandNdjson(c: Context<Env>): void {
  if (NDJSON_TYPE.test(c.req.header('Content-Type') ?? 'application/x-ndjson')) return
  throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', 'Send a line an item with "Content-Type: application/x-ndjson".')
}

/**
 * Reads a JSON body.
 * @throws MillraceError INVALID_REQUEST naming the field, UNSUPPORTED_MEDIA_TYPE when the body is sent as something else
 */
export async function readJson<T>(c: Context<Env>, schema: z.ZodType<T>): Promise<T> {
  return (await readJsonSized(c, schema)).body
}

/**
 * Likewise, with what it takes to know how large its parts are.
 * @returns `largest`: bytes of the largest element of the array of that name, or somewhat more
 */
export async function readJsonSized<T>(
  c: Context<Env>,
  schema: z.ZodType<T>,
): Promise<{ body: T; largest: (name: string) => number }> {
  demandJson(c)
  let read: JsonBody
  try {
    read = await readJsonBody(c)
  } catch (error) {
    throw notJson(error)
  }
  return { body: check(read, schema), largest: read.largest }
}

/** Likewise, a body that may be left out: it is `{}` then. Only for routes whose body is small. */
export async function readOptionalJson<T>(c: Context<Env>, schema: z.ZodType<T>): Promise<T> {
  const text = await c.req.text()
  if (text.trim() === '') return check({ value: {}, infinity: null, demandWhole: () => {} }, schema)
  demandJson(c)
  try {
    const value = parseJson(text)
    return check({ value, infinity: findTooLarge(text, value), demandWhole: () => {} }, schema)
  } catch (error) {
    throw notJson(error)
  }
}

function notJson(error: unknown): unknown {
  if (!(error instanceof SyntaxError)) return error
  return new MillraceError('INVALID_REQUEST', `The body is not JSON: ${error.message}.`)
}

function check<T>({ value, infinity, demandWhole }: Omit<JsonBody, 'largest'>, schema: z.ZodType<T>): T {
  if (infinity !== null) {
    throw invalidRequest(infinity, `${infinity}: expected no more than a double holds, not ${TOO_LARGE_A_NUMBER}.`)
  }
  const parsed = safeParse(schema, value)
  if (!parsed.success) throw invalid(parsed.error)
  demandWhole()
  return parsed.data
}

/**
 * Reads the query string.
 * @throws MillraceError INVALID_REQUEST naming the parameter
 */
export function readQuery<T>(c: Context<Env>, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(c.req.query())
  if (!parsed.success) throw invalid(parsed.error)
  return parsed.data
}

const TOO_LARGE_A_NUMBER = 'a number beyond ±1.8e308'
const MAX_LINE_BYTES = 1_000_000
const LF = 10
/** Bytes of lines that are read between two turns of everything else: a body that has arrived is read without waiting for anything. */
const TURN_BYTES = 65_536
/** Lines likewise, for those that hold next to nothing. */
const TURN_LINES = 5_000

/**
 * Reads NDJSON line by line as it comes in. Empty lines are passed over. A line holds at most 1 MB, its end not counted.
 * @returns each value with the number of its line, from 1, and the bytes of that
 * @throws MillraceError INVALID_REQUEST naming the line
 */
export async function* readNdjson(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<{ line: number; value: unknown; bytes: number }> {
  let line = 1
  let held: Uint8Array[] = []
  let bytes = 0
  let sinceTurn = 0
  let linesSinceTurn = 0
  let emptyLines = 0
  const hold = (piece: Uint8Array) => {
    if (piece.byteLength === 0) return
    bytes += piece.byteLength
    if (bytes > MAX_LINE_BYTES) throw badLine(line, 'is longer than 1 MB')
    held.push(piece)
  }
  for await (const chunk of body) {
    let start = 0
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      if (end === start && bytes === 0) {
        // Of nothing but line ends, a body may have thirty million.
        start++
        line++
        if (++emptyLines % TURN_BYTES === 0) await yieldToEventLoop()
        continue
      }
      hold(chunk.subarray(start, end))
      const text = decodeLine(line, held)
      if (text.trim() !== '') yield { line, value: parseLine(line, text), bytes }
      start = end + 1
      line++
      sinceTurn += bytes
      held = []
      bytes = 0
      if (sinceTurn < TURN_BYTES && ++linesSinceTurn < TURN_LINES) continue
      sinceTurn = 0
      linesSinceTurn = 0
      await yieldToEventLoop()
    }
    hold(chunk.subarray(start))
  }
  const last = decodeLine(line, held)
  if (last.trim() !== '') yield { line, value: parseLine(line, last), bytes }
}

const wholeLine = new TextDecoder('utf-8', { fatal: true })

function decodeLine(line: number, pieces: readonly Uint8Array[]): string {
  const [only, ...more] = pieces
  if (only === undefined) return ''
  try {
    if (more.length === 0) return wholeLine.decode(only)
    const decoder = new TextDecoder('utf-8', { fatal: true })
    return pieces.map((piece) => decoder.decode(piece, { stream: true })).join('') + decoder.decode()
  } catch {
    throw badLine(line, 'is not UTF-8')
  }
}

function parseLine(line: number, text: string): unknown {
  const { valueNodes } = JSON_BOUNDS
  if (text.length > valueNodes && countNodes(text) > valueNodes) {
    throw badLine(line, `holds more than ${valueNodes.toLocaleString('en')} values and names of members`)
  }
  const value = jsonLine(line, text)
  const place = findTooLarge(text, value)
  if (place !== null) throw badLine(line, `holds ${TOO_LARGE_A_NUMBER}${place === '' ? '' : ` at ${place}`}`)
  return value
}

function jsonLine(line: number, text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    throw badLine(line, 'is not JSON')
  }
}

function badLine(line: number, fault: string): MillraceError {
  return new MillraceError('INVALID_REQUEST', `Line ${line} ${fault}. Lines before it were taken.`, {
    details: { field: `line ${line}` },
  })
}
