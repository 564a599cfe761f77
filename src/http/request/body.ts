/** Reading what a request says: bodies and query strings, checked against their schema. */
import type { Context } from 'hono'
import type * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { Env } from '../context.ts'
import { safeParse } from './fields.ts'
import { findTooLarge, parseJson } from './json.ts'

/** The first thing that is wrong, by the name of its field. */
function invalid(error: z.ZodError): MillraceError {
  const issue = error.issues[0]
  const path = issue?.path.map(String).join('.') ?? ''
  const field = path === '' && issue?.code === 'unrecognized_keys' ? issue.keys.join(', ') : path
  return new MillraceError('INVALID_REQUEST', field === '' ? `${issue?.message}` : `${field}: ${issue?.message}`, {
    details: { field },
  })
}

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
  demandJson(c)
  return parseBody(await c.req.text(), schema)
}

/** Likewise, a body that may be left out: it is `{}` then. */
export async function readOptionalJson<T>(c: Context<Env>, schema: z.ZodType<T>): Promise<T> {
  const text = await c.req.text()
  if (text.trim() === '') return parseBody('{}', schema)
  demandJson(c)
  return parseBody(text, schema)
}

function parseBody<T>(text: string, schema: z.ZodType<T>): T {
  let body: unknown
  try {
    body = parseJson(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new MillraceError('INVALID_REQUEST', `The body is not JSON: ${error.message}.`)
  }
  const place = findTooLarge(text, body)
  if (place !== null) {
    throw new MillraceError(
      'INVALID_REQUEST',
      `${place}: expected no more than a double holds, not ${TOO_LARGE_A_NUMBER}.`,
      {
        details: { field: place },
      },
    )
  }
  const parsed = safeParse(schema, body)
  if (!parsed.success) throw invalid(parsed.error)
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
  const hold = (piece: Uint8Array) => {
    bytes += piece.byteLength
    if (bytes > MAX_LINE_BYTES) throw badLine(line, 'is longer than 1 MB')
    held.push(piece)
  }
  for await (const chunk of body) {
    let start = 0
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      hold(chunk.subarray(start, end))
      const text = decodeLine(line, held)
      if (text.trim() !== '') yield { line, value: parseLine(line, text), bytes }
      start = end + 1
      line++
      held = []
      bytes = 0
    }
    hold(chunk.subarray(start))
  }
  const last = decodeLine(line, held)
  if (last.trim() !== '') yield { line, value: parseLine(line, last), bytes }
}

function decodeLine(line: number, pieces: readonly Uint8Array[]): string {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  try {
    return pieces.map((piece) => decoder.decode(piece, { stream: true })).join('') + decoder.decode()
  } catch {
    throw badLine(line, 'is not UTF-8')
  }
}

function parseLine(line: number, text: string): unknown {
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
