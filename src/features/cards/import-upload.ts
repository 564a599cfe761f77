/** Receives the body of an import in any of its formats, and stores it with the offsets of its slices. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Context } from 'hono'
import { yieldToEventLoop } from '../../engine/chunked-work.ts'
import { MillraceError } from '../../errors.ts'
import { type Charset, parseCharset } from '../../formats/charsets.ts'
import { CsvSource } from '../../formats/csv-dialect.ts'
import { JsonArrayScanner } from '../../formats/json-array-scanner.ts'
import { RecordScanner } from '../../formats/record-scanner.ts'
import { withoutByteOrderMark } from '../../formats/streams.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type OpenedBody, openBody, readText, tooLarge, wrongType } from '../../http/request/text-body.ts'
import type { BlobStore } from '../../ports.ts'
import { type ColumnMap, isField } from './import/columns.ts'
import { readHeader, warnOfNameless } from './import/header.ts'
import type { CsvIntake, Intake } from './import/intake.ts'
import type { CardsForm } from './import/read-cards.ts'
import { SLICE, storeBody } from './import/store-body.ts'
import { MAX_CARDS, MAX_STREAMED_CARDS } from './schemas.ts'

const MB = 1024 * 1024

/** Limits of one body, after decompression. */
export interface IntakeBounds {
  readonly cards: number
  readonly bytes: number
}

/** Limits of a JSON object that holds the cards. */
const OBJECT_BOUNDS: IntakeBounds = { cards: MAX_CARDS, bytes: 64 * MB }
/** Limits of a body that is cards only: lines, CSV, a JSON array. */
const STREAMED_BOUNDS: IntakeBounds = { cards: MAX_STREAMED_CARDS, bytes: 4_096 * MB }

/** Most bytes of a workbook, compressed as it is sent. */
const MAX_WORKBOOK_BYTES = 50 * MB

/** Form of a body by its Content-Type: `file` is a workbook, or an unsupported file. */
export type IntakeForm = CardsForm | 'file'

/** Options for receiving a body. */
export interface KeepOptions {
  readonly bounds?: IntakeBounds
  readonly columns?: ColumnMap
}

const utf8 = new TextEncoder()

/** Types of workbooks: of XLSX and XLSM files and their templates. */
const WORKBOOK =
  /^application\/vnd\.(?:openxmlformats-officedocument\.spreadsheetml\.\w+|ms-excel\.\w+\.macroenabled\.12)\s*(?:;|$)/i
/** Generic types that programs give to files of an unknown type. */
const UNKNOWN_FILE = /^(?:application\/(?:octet-stream|zip|x-zip-compressed)\s*(?:;.*)?)?$/i
const TAKEN =
  'Send cards with a Content-Type of application/json, application/x-ndjson, text/csv or application/vnd.openxmlformats-officedocument.spreadsheetml.sheet (XLSX)'

/**
 * Determines the form of a body by its Content-Type.
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE
 */
export function formOf(c: Context<Env>): IntakeForm {
  const type = c.req.header('Content-Type') ?? ''
  if (/^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) return 'json'
  if (/^application\/(x-)?(ndjson|jsonl|jsonlines)\s*(;|$)/i.test(type)) return 'lines'
  // Browsers on Windows send a CSV as the type of the program that opens it.
  if (/^(?:text\/csv|application\/vnd\.ms-excel)\s*(;|$)/i.test(type)) return 'csv'
  if (WORKBOOK.test(type) || UNKNOWN_FILE.test(type)) return 'file'
  throw wrongType(c, TAKEN)
}

/** Dependencies for receiving a body. */
type IntakeDeps = Pick<AppDeps, 'blobs' | 'compute'>

/**
 * Streams a body into the blob store, without its byte order mark, or the first sheet of a workbook. At most a slice of it is in memory.
 * @param options limits of a body that is cards only; the fields of columns
 * @throws MillraceError INVALID_REQUEST for what is no JSON, has too many cards, is a CSV that ends inside quotes or whose header lacks a
 * column, or a workbook that can't be read; TOO_LARGE; UNSUPPORTED_MEDIA_TYPE by its bytes
 */
export async function keepBody(
  c: Context<Env>,
  deps: IntakeDeps,
  form: IntakeForm,
  { bounds: streamed = STREAMED_BOUNDS, columns = new Map() }: KeepOptions = {},
): Promise<Intake> {
  if (Number(c.req.header('Content-Length')) > streamed.bytes) throw tooLarge(streamed.bytes)
  const { blobs } = deps
  if (form === 'json') return keepJson(c, blobs, streamed)
  if (form !== 'lines') return keepTable(c, deps, form, streamed, columns)
  const scanner = new RecordScanner(form, SLICE)
  const body = withoutByteOrderMark(readText(c, { most: () => streamed.bytes }))
  const mostCards = () => streamed.cards
  const { upload } = await storeBody(body, blobs, { scanner, mostCards, filename: FILENAMES[form] })
  const { slices, records: totalCards } = scanner
  return { upload, form, csv: null, slices, totalCards, around: undefined, identity: upload.sha256 }
}

const ZIP = [0x50, 0x4b, 0x03, 0x04]
const OLD_EXCEL = [0xd0, 0xcf, 0x11, 0xe0]

/** Stores a CSV or a workbook, as its first bytes decide. */
async function keepTable(
  c: Context<Env>,
  { blobs, compute }: IntakeDeps,
  form: 'csv' | 'file',
  streamed: IntakeBounds,
  columns: ColumnMap,
): Promise<Intake> {
  let isWorkbook = false
  const most = () => (isWorkbook ? Math.min(MAX_WORKBOOK_BYTES, streamed.bytes) : streamed.bytes)
  const opened = await openBody(c, most)
  const begins = (bytes: readonly number[]) => bytes.every((byte, at) => opened.start[at] === byte)
  if (begins(OLD_EXCEL)) return (await import('./import/store-workbook.ts')).refuseOldExcel(opened.all)
  isWorkbook = begins(ZIP)
  if (isWorkbook) {
    const { storeWorkbook } = await import('./import/store-workbook.ts')
    const { owner } = c.get('caller')
    const { signal } = c.req.raw
    return storeWorkbook(opened.all, blobs, { mostCards: streamed.cards, columns, compute, owner, signal })
  }
  if (form === 'csv') return keepCsv(c, blobs, { opened, streamed, columns })
  throw WORKBOOK.test(c.req.header('Content-Type') ?? '') ? noWorkbook() : wrongType(c, TAKEN)
}

const noWorkbook = () =>
  new MillraceError(
    'UNSUPPORTED_MEDIA_TYPE',
    'The body is said to be a workbook of Excel, and is no XLSX file. A CSV is sent with a Content-Type of text/csv.',
  )

async function keepCsv(
  c: Context<Env>,
  blobs: BlobStore,
  { opened, streamed, columns }: { opened: OpenedBody; streamed: IntakeBounds; columns: ColumnMap },
): Promise<Intake> {
  const isDeclared = parseCharset(c.req.header('Content-Type') ?? '') !== null
  const source = new CsvSource((name) => isField(name) || columns.has(name), !isDeclared)
  let charset: Charset = 'utf-8'
  const onCharset = (used: Charset) => {
    charset = used
  }
  const scanner = new RecordScanner('csv', SLICE, true)
  async function* body() {
    for await (const chunk of source.read(readText(c, { opened, onCharset }))) {
      scanner.separator = source.separator
      yield chunk
    }
  }
  const mostCards = () => streamed.cards
  const droppedLines = () => source.droppedLines
  const { upload } = await storeBody(body(), blobs, { scanner, mostCards, filename: FILENAMES.csv, droppedLines })
  const { slices, records: totalCards, emptyRows } = scanner
  try {
    const { separator, storedEncoding } = source
    const detected = storedEncoding !== 'utf-8'
    const encoding = detected ? storedEncoding : charset
    const range = scanner.header
    const header = range && (await readHeader(await blobs.get(upload.key, range), range.length, source, columns))
    const warnings = header === null ? [] : warnOfNameless(header, (column) => String(column + 1))
    const csv: CsvIntake = {
      header: header?.fields ?? [],
      printedHeader: header?.printed ?? [],
      separator,
      encoding: storedEncoding,
      csv: { encoding, detected, separator, emptyRows, warnings },
    }
    return { upload, form: 'csv', csv, slices, totalCards, around: undefined, identity: upload.sha256 }
  } catch (error) {
    await blobs.delete([upload.key])
    throw error
  }
}

const FILENAMES = { json: 'cards.json', lines: 'cards.ndjson', csv: 'cards.csv' }

async function keepJson(c: Context<Env>, blobs: BlobStore, streamed: IntakeBounds): Promise<Intake> {
  const form = 'json'
  // Hashing takes longer than scanning, and the hash is needed only for an idempotency key.
  const hash = c.req.header('Idempotency-Key') === undefined ? null : new CardsHash()
  const scanner = new JsonArrayScanner('cards', SLICE, hash && ((cards) => hash.add(cards)))
  const bounds = () => (scanner.isBody ? streamed : OBJECT_BOUNDS)
  const body = withoutByteOrderMark(readText(c, { most: () => bounds().bytes }))
  const mostCards = () => bounds().cards
  const settle = async () => hash?.settle()
  const { upload, around } = await storeBody(body, blobs, { scanner, mostCards, filename: FILENAMES[form], settle })
  const { slices, records: totalCards } = scanner
  return { upload, form, csv: null, slices, totalCards, around, identity: hash?.end() ?? '' }
}

/** SHA-256 of the cards, independent of the whitespace between them. */
class CardsHash {
  readonly #hash = sha256.create()
  #waiting: (readonly unknown[])[] = []

  /** Queues cards, to be hashed by `settle`. */
  add(cards: readonly unknown[]): void {
    this.#waiting.push(cards)
  }

  /** Hashes the queued cards. Yields the event loop between the steps: reading, writing and hashing a slice take long each. */
  async settle(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    for (const cards of waiting) {
      await yieldToEventLoop()
      // A terminator a card makes the hash independent of the cut into slices.
      const bytes = utf8.encode(cards.map((card) => `${JSON.stringify(card)}\n`).join(''))
      await yieldToEventLoop()
      this.#hash.update(bytes)
    }
  }

  end(): string {
    return bytesToHex(this.#hash.digest())
  }
}
