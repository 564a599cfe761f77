/** Reads NDJSON bodies line by line, within bounds. */
import type { Context } from 'hono'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { MillraceError } from '../../errors.ts'
import { countNodes, RepeatedNameError } from '../../formats/json-text.ts'
import { Pieces } from '../../formats/pieces.ts'
import { withoutByteOrderMark } from '../../formats/streams.ts'
import { InvalidTextError } from '../../formats/text-decoder.ts'
import type { Env } from '../context.ts'
import { parseJson } from './json.ts'
import { JSON_BOUNDS } from './json-body.ts'
import { readText, wrongType } from './text-body.ts'

const NDJSON_TYPE = /^application\/(x-)?(ndjson|jsonl|jsonlines)\s*(;|$)/i

/**
 * Refuses a body whose declared content type is not NDJSON; one without a content type is taken for NDJSON.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE
 */
export function demandNdjson(c: Context<Env>): void {
  if (NDJSON_TYPE.test(c.req.header('Content-Type') ?? 'application/x-ndjson')) return
  throw wrongType(c, 'Send a line an item with "Content-Type: application/x-ndjson"')
}

const MAX_LINE_BYTES = 1_000_000
const LF = 10
/** Bytes of lines read before yielding to the event loop: reading a body that has arrived awaits nothing. */
const TURN_BYTES = 65_536
/** Lines likewise, for those that hold next to nothing. */
const TURN_LINES = 5_000

/**
 * Reads the body as NDJSON line by line as it comes in. Empty lines are passed over. A line holds at most 1 MB, its end not counted.
 * @returns each value with the number of its line, from 1, and the bytes of that
 * @throws MillraceError INVALID_REQUEST naming the line; as {@link readText} does
 */
export async function* readNdjson(c: Context<Env>): AsyncGenerator<{ line: number; value: unknown; bytes: number }> {
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
  for await (const chunk of withoutByteOrderMark(readText(c))) {
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

function decodeLine(line: number, pieces: readonly Uint8Array[]): string {
  const whole = new Pieces()
  for (const piece of pieces) whole.add(piece, whole.size)
  try {
    return whole.take()
  } catch (error) {
    if (error instanceof InvalidTextError) throw badLine(line, `is not UTF-8: its ${error.message}`)
    throw error
  }
}

function parseLine(line: number, text: string): unknown {
  const { valueNodes } = JSON_BOUNDS
  if (text.length > valueNodes && countNodes(text) > valueNodes) {
    throw badLine(line, `holds more than ${valueNodes.toLocaleString('en')} values and names of members`)
  }
  try {
    return parseJson(text)
  } catch (error) {
    if (error instanceof RepeatedNameError) throw badLine(line, `is refused: ${error.message}`)
    throw badLine(line, 'is not JSON')
  }
}

function badLine(line: number, fault: string): MillraceError {
  return new MillraceError('INVALID_REQUEST', `Line ${line} ${fault}. Lines before it were taken.`, {
    details: { field: `line ${line}` },
  })
}
