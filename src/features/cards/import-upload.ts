/** Takes in the cards of an import, in whatever form they come, and keeps them as one body whose slices are known. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Context } from 'hono'
import { uuidv7 } from 'uuidv7'
import type { Upload } from '../../engine/transitions/submit.ts'
import { invalidRequest, MillraceError } from '../../errors.ts'
import { parseRecord } from '../../formats/csv.ts'
import { gunzip } from '../../formats/gunzip.ts'
import { JsonArrayScanner, SurroundingTooLarge } from '../../formats/json-array-scanner.ts'
import { RecordScanner } from '../../formats/record-scanner.ts'
import type { ScannedSizes, Slice } from '../../formats/slices.ts'
import { streamOf, withoutByteOrderMark } from '../../formats/streams.ts'
import type { Env } from '../../http/context.ts'
import type { BlobStore } from '../../ports.ts'
import { checkAnyFits, checkRecordSizes } from './import-bounds.ts'
import { MAX_CARD_BYTES, MAX_CARD_VALUES, MAX_CARDS, MAX_STREAMED_CARDS } from './schemas.ts'

/** A slice is a job: small enough to run in a moment and to go into one statement, large enough that its commit is shared by many cards. */
const SLICE = {
  records: 2_000,
  bytes: 1_000_000,
  recordBytes: MAX_CARD_BYTES,
  // Read at once, as a slice of a JSON array is: up to a tenth of a second where its numbers are kept as they were written.
  values: MAX_CARD_VALUES,
  recordValues: MAX_CARD_VALUES,
}
const MB = 1024 * 1024

/** Limits on one body; for a compressed one, on what it unpacks to. */
export interface IntakeBounds {
  readonly cards: number
  readonly bytes: number
}

/** Of a JSON object that holds the cards, as the seed has it. */
const OBJECT_BOUNDS: IntakeBounds = { cards: MAX_CARDS, bytes: 64 * MB }
/** Of a body that is nothing but cards: lines, CSV, a JSON array. */
const STREAMED_BOUNDS: IntakeBounds = { cards: MAX_STREAMED_CARDS, bytes: 4_096 * MB }

const MAX_HEADER_BYTES = 65_536

/** Form of a body: elements of a JSON array, lines of NDJSON, records of a CSV. */
export type IntakeForm = 'json' | 'lines' | 'csv'

/** A body that is stored. */
export interface Intake {
  readonly upload: Upload
  readonly form: IntakeForm
  /** Names of a CSV's columns. */
  readonly header: readonly string[]
  readonly slices: readonly Slice[]
  readonly totalCards: number
  /** Remainder of a JSON body around its cards: that body with an empty array in their place. */
  readonly around: unknown
  /** The same whenever the same cards are sent in the same form. */
  readonly identity: string
}

const utf8 = new TextEncoder()

/**
 * Determines the form of a body by its Content-Type.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE
 */
export function formOf(c: Context<Env>): IntakeForm {
  const type = c.req.header('Content-Type') ?? ''
  if (/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) return 'json'
  if (/^application\/(x-)?(ndjson|jsonl|jsonlines)\s*(;|$)/i.test(type)) return 'lines'
  if (/^text\/csv\s*(;|$)/i.test(type)) return 'csv'
  throw new MillraceError(
    'UNSUPPORTED_MEDIA_TYPE',
    'Send cards with a Content-Type of application/json, application/x-ndjson or text/csv.',
  )
}

/**
 * The body, unpacked, chunk by chunk.
 * @param most bytes it may hold, as far as it was seen
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE for another Content-Encoding than gzip; reading it throws INVALID_REQUEST when it is no gzip,
 * TOO_LARGE beyond `most` bytes, or as `gunzip` does
 */
function bodyOf(c: Context<Env>, most: () => number): AsyncGenerator<Uint8Array> {
  const body: ReadableStream<Uint8Array<ArrayBuffer>> = c.req.raw.body ?? new Blob([]).stream()
  const encoding = c.req.header('Content-Encoding')?.trim().toLowerCase() ?? 'identity'
  if (encoding !== 'gzip' && encoding !== 'x-gzip' && encoding !== 'identity') {
    throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', 'A body may be sent with Content-Encoding gzip, or plain.')
  }
  const packed = encoding !== 'identity'
  return bounded(packed ? gunzip(body) : body, most, packed)
}

async function* bounded(
  body: AsyncIterable<Uint8Array>,
  most: () => number,
  packed: boolean,
): AsyncGenerator<Uint8Array> {
  let size = 0
  try {
    for await (const chunk of body) {
      size += chunk.byteLength
      if (size > most()) throw tooLarge(most())
      yield chunk
    }
    // The limit is known only once the first chunk was read, and that chunk may be the whole body.
    if (size > most()) throw tooLarge(most())
  } catch (error) {
    // DecompressionStream throws a TypeError for bad gzip, also after the first of several gzip files in one.
    if (packed && error instanceof TypeError) {
      throw invalidRequest('body', 'The body is not gzip, is cut off, or is several gzip files joined: pack it as one.')
    }
    throw error
  }
}

function tooLarge(most: number): MillraceError {
  return new MillraceError('TOO_LARGE', `A body may hold ${Math.round(most / MB).toLocaleString('en')} MB.`)
}

/** Finds the cards of a body while it streams by. */
interface Scanner {
  readonly slices: readonly Slice[]
  readonly records: number
  readonly sizes: ScannedSizes
  /** Line on which quotes were opened, where a CSV ends inside them. */
  readonly openQuoteLine?: number | null
  push(chunk: Uint8Array): void
  /** @returns what stands around the cards */
  end(): unknown
}

/**
 * Keeps a body as it comes, without its byte order mark; no more of it than a slice is held in memory.
 * @param streamed what a body may hold that is nothing but cards
 * @throws MillraceError INVALID_REQUEST for what is no JSON, has too many cards, or is a CSV that ends inside quotes or whose header lacks a
 * column; TOO_LARGE
 */
export async function keepBody(
  c: Context<Env>,
  blobs: BlobStore,
  form: IntakeForm,
  streamed = STREAMED_BOUNDS,
): Promise<Intake> {
  if (Number(c.req.header('Content-Length')) > streamed.bytes) throw tooLarge(streamed.bytes)
  if (form === 'json') return keepJson(c, blobs, streamed)
  const scanner = new RecordScanner(form, SLICE, form === 'csv')
  const { upload } = await keep(c, blobs, { scanner, bounds: () => streamed, filename: FILENAMES[form] })
  const { slices, records: totalCards } = scanner
  const intake = { upload, form, slices, totalCards, around: undefined, identity: upload.sha256 }
  if (form === 'lines') return { ...intake, header: [] }
  try {
    return { ...intake, header: await readHeader(blobs, upload.key, scanner.header) }
  } catch (error) {
    await blobs.delete([upload.key])
    throw error
  }
}

const FILENAMES = { json: 'cards.json', lines: 'cards.ndjson', csv: 'cards.csv' }

async function keepJson(c: Context<Env>, blobs: BlobStore, streamed: IntakeBounds): Promise<Intake> {
  const form = 'json'
  // A hash of the cards takes longer than finding them, and nobody looks at it where no key names the request.
  const hash = c.req.header('Idempotency-Key') === undefined ? null : new CardsHash()
  const scanner = new JsonArrayScanner('cards', SLICE, (cards) => hash?.add(cards))
  const bounds = () => (scanner.isBody ? streamed : OBJECT_BOUNDS)
  const { upload, around } = await keep(c, blobs, { scanner, bounds, filename: FILENAMES[form] })
  const { slices, records: totalCards } = scanner
  return { upload, form, header: [], slices, totalCards, around, identity: hash?.end() ?? '' }
}

async function keep(
  c: Context<Env>,
  blobs: BlobStore,
  { scanner, bounds, filename }: { scanner: Scanner; bounds: () => IntakeBounds; filename: string },
): Promise<{ upload: Upload; around: unknown }> {
  const body = withoutByteOrderMark(bodyOf(c, () => bounds().bytes))
  const demandFew = () => {
    if (scanner.records > bounds().cards) throw tooMany(bounds().cards)
  }
  let around: unknown
  async function* scanned() {
    for await (const chunk of body) {
      scanner.push(chunk)
      demandFew()
      checkRecordSizes(scanner.sizes)
      yield chunk
    }
    around = scanner.end()
    demandFew()
    checkRecordSizes(scanner.sizes)
    const line = scanner.openQuoteLine ?? null
    if (line !== null) {
      throw invalidRequest('body', `The CSV ends inside quotes: the field that begins on line ${line} is not closed.`)
    }
    checkAnyFits(scanner.sizes)
  }
  const key = `uploads/${uuidv7()}`
  try {
    return { upload: { key, filename, ...(await blobs.put(key, streamOf(scanned()))) }, around }
  } catch (error) {
    if (error instanceof SyntaxError) throw invalidRequest('body', `The body is not JSON: ${error.message}.`)
    if (error instanceof SurroundingTooLarge)
      throw new MillraceError('TOO_LARGE', 'What stands beside the cards may hold 1 MB.')
    throw error
  }
}

/** SHA-256 of the cards, whatever blanks they were written with. */
class CardsHash {
  readonly #hash = sha256.create()

  add(cards: readonly unknown[]): void {
    // Each with its end, so that it makes no difference how they are cut into slices.
    this.#hash.update(utf8.encode(cards.map((card) => `${JSON.stringify(card)}\n`).join('')))
  }

  end(): string {
    return bytesToHex(this.#hash.digest())
  }
}

function tooMany(most: number): MillraceError {
  return invalidRequest('cards', `Maximum ${most.toLocaleString('en')} cards per import operation`)
}

/** Separators that other programs put between columns. */
const SEPARATORS: Readonly<Record<string, string>> = { ';': 'semicolons', '\t': 'tabs', '|': 'bars' }

const REQUIRED = ['title', 'body', 'category', 'privacy_level']

async function readHeader(
  blobs: BlobStore,
  key: string,
  range: { readonly offset: number; readonly length: number } | null,
): Promise<string[]> {
  if (range === null) return []
  if (range.length > MAX_HEADER_BYTES) throw invalidRequest('header', 'The header of the CSV is too long.')
  const text = await new Response(await blobs.get(key, range)).text()
  const names = parseRecord(text)?.map((name) => name.trim().toLowerCase()) ?? []
  const missing = REQUIRED.filter((name) => !names.includes(name))
  if (missing.length > 0) {
    const other = names.length > 1 ? undefined : /[;\t|]/.exec(text)?.[0]
    const reason = other === undefined ? '' : ` Columns are separated by commas, not by ${SEPARATORS[other]}.`
    throw invalidRequest(
      'header',
      `The first line of a CSV names its columns. Missing: ${missing.join(', ')}.${reason}`,
    )
  }
  const twice = names.find((name, at) => names.indexOf(name) !== at)
  if (twice !== undefined) throw invalidRequest('header', `The CSV has the column "${twice}" twice.`)
  return names
}
