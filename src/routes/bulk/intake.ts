/** Takes in the cards of an import, in whatever form they come, and keeps them as one body whose slices are known. */
import type { Context } from 'hono'
import { uuidv7 } from 'uuidv7'
import type { Upload } from '../../engine/submit.ts'
import { MillraceError } from '../../errors.ts'
import { parseRecord } from '../../formats/csv.ts'
import { type RecordForm, RecordScanner } from '../../formats/records.ts'
import type { Env } from '../../http/context.ts'
import type { BlobStore } from '../../ports.ts'
import { MOST_CARD_BYTES } from '../../wire/cards.ts'

/** A slice is a job: small enough to run in a moment, large enough that its commit is shared by many cards. */
const SLICE = { records: 500, bytes: 1_000_000, recordBytes: MOST_CARD_BYTES }
/** A JSON body is held in memory whole. */
const MOST_JSON_BYTES = 64 * 1024 * 1024
/** A streamed body is not; this bounds what a compressed one may unfold to. */
const MOST_STREAMED_BYTES = 4 * 1024 * 1024 * 1024
const MOST_HEADER_BYTES = 65_536

/** How a body came. */
export type IntakeForm = 'json' | 'ndjson' | 'csv'

/** A body that is stored. */
export interface Intake {
  readonly upload: Upload
  readonly form: RecordForm
  readonly header: readonly string[]
  readonly slices: RecordScanner['slices']
  readonly totalCards: number
}

function invalid(field: string, message: string): MillraceError {
  return new MillraceError('INVALID_REQUEST', message, { details: { field } })
}

/**
 * What form a body is in, by its Content-Type.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE
 */
export function formOf(c: Context<Env>): IntakeForm {
  const type = c.req.header('Content-Type') ?? ''
  if (/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) return 'json'
  if (/^application\/(x-)?(ndjson|jsonl|jsonlines)\s*(;|$)/i.test(type)) return 'ndjson'
  if (/^text\/csv\s*(;|$)/i.test(type)) return 'csv'
  throw new MillraceError(
    'UNSUPPORTED_MEDIA_TYPE',
    'Send cards with a Content-Type of application/json, application/x-ndjson or text/csv.',
  )
}

/**
 * The body, unpacked.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE for another Content-Encoding than gzip; reading it throws INVALID_REQUEST when it is no gzip,
 * TOO_LARGE beyond `most` bytes
 */
function bodyOf(c: Context<Env>, most: number): ReadableStream<Uint8Array> {
  const body: ReadableStream<Uint8Array<ArrayBuffer>> = c.req.raw.body ?? new Blob([]).stream()
  const encoding = c.req.header('Content-Encoding')?.trim().toLowerCase() ?? 'identity'
  if (encoding !== 'gzip' && encoding !== 'x-gzip' && encoding !== 'identity') {
    throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', 'A body may be sent with Content-Encoding gzip, or plain.')
  }
  const packed = encoding !== 'identity'
  return bounded(packed ? body.pipeThrough(new DecompressionStream('gzip')) : body, most, packed)
}

function bounded(body: ReadableStream<Uint8Array>, most: number, packed: boolean): ReadableStream<Uint8Array> {
  async function* chunks() {
    let size = 0
    try {
      for await (const chunk of body) {
        size += chunk.byteLength
        if (size > most) throw new MillraceError('TOO_LARGE', `A body may hold ${Math.round(most / 1024 / 1024)} MB.`)
        yield chunk
      }
    } catch (error) {
      // What DecompressionStream throws.
      if (packed && error instanceof TypeError) throw invalid('body', 'The body is not gzip, or is cut off.')
      throw error
    }
  }
  return streamOf(chunks())
}

function streamOf(chunks: AsyncGenerator<Uint8Array> | Generator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await chunks.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      async cancel() {
        await chunks.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}

/**
 * Reads a JSON body of up to 64 MB.
 * @throws MillraceError INVALID_REQUEST, TOO_LARGE, UNSUPPORTED_MEDIA_TYPE
 */
export async function readJsonBody(c: Context<Env>): Promise<unknown> {
  const text = await new Response(bodyOf(c, MOST_JSON_BYTES)).text()
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new MillraceError('INVALID_REQUEST', `The body is not JSON: ${error.message}.`)
  }
}

/** Keeps cards that came as one JSON value, a line each. */
export function keepCards(blobs: BlobStore, cards: readonly unknown[]): Promise<Intake> {
  const utf8 = new TextEncoder()
  function* lines() {
    for (let from = 0; from < cards.length; from += 100) {
      const part = cards.slice(from, from + 100)
      yield utf8.encode(part.map((card) => `${JSON.stringify(card)}\n`).join(''))
    }
  }
  return keep(blobs, streamOf(lines()), 'lines', cards.length)
}

/**
 * Keeps a streamed body as it comes.
 * @param most cards
 * @throws MillraceError INVALID_REQUEST when there are more, or the header of a CSV lacks a column
 */
export function keepStream(c: Context<Env>, blobs: BlobStore, form: 'ndjson' | 'csv', most: number): Promise<Intake> {
  return keep(blobs, bodyOf(c, MOST_STREAMED_BYTES), form === 'csv' ? 'csv' : 'lines', most)
}

async function keep(
  blobs: BlobStore,
  body: ReadableStream<Uint8Array>,
  form: RecordForm,
  most: number,
): Promise<Intake> {
  const scanner = new RecordScanner(form, SLICE, form === 'csv')
  async function* scanned() {
    for await (const chunk of body) {
      scanner.push(chunk)
      if (scanner.records > most) throw tooMany(most)
      yield chunk
    }
    scanner.end()
    if (scanner.records > most) throw tooMany(most)
  }
  const key = `uploads/${uuidv7()}`
  const info = await blobs.put(key, streamOf(scanned()))
  try {
    const header = form === 'csv' ? await readHeader(blobs, key, scanner.header) : []
    const upload = { key, filename: form === 'csv' ? 'cards.csv' : 'cards.ndjson', ...info }
    return { upload, form, header, slices: scanner.slices, totalCards: scanner.records }
  } catch (error) {
    await blobs.delete([key])
    throw error
  }
}

/** What an import of too many cards is refused with. */
export function tooMany(most: number): MillraceError {
  return invalid('cards', `Maximum ${most.toLocaleString('en')} cards per import operation`)
}

const REQUIRED = ['title', 'body', 'category', 'privacy_level']

async function readHeader(
  blobs: BlobStore,
  key: string,
  range: { readonly offset: number; readonly length: number } | null,
): Promise<string[]> {
  if (range === null) return []
  if (range.length > MOST_HEADER_BYTES) throw invalid('header', 'The header of the CSV is too long.')
  const text = await new Response(await blobs.get(key, range)).text()
  const names = parseRecord(text)?.map((name) => name.trim().toLowerCase()) ?? []
  const missing = REQUIRED.filter((name) => !names.includes(name))
  if (missing.length > 0) {
    throw invalid('header', `The first line of a CSV names its columns. Missing: ${missing.join(', ')}.`)
  }
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw invalid('header', `The CSV has the column "${twice}" twice.`)
  return names
}
