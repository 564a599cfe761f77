/** Reads the cards of a slice. Each is validated by itself, and refused with a reason. */
import { CsvError, parseRecord, unescapeFormula } from '../../../formats/csv.ts'
import { readElements } from '../../../formats/json-array-scanner.ts'
import { MAX_DEPTH, measureJson, parseSent, RepeatedNameError } from '../../../formats/json-text.ts'
import { splitRecords } from '../../../formats/record-scanner.ts'
import { lettersOf } from '../../../formats/xlsx/cells.ts'
import { safeParse } from '../../../http/request/safe-parse.ts'
import { LosslessNumber } from '../../../lossless-json.ts'
import { isJsonObject, isShallow, MAX_CARD_BYTES, MAX_CARD_VALUES, MAX_METADATA_DEPTH, NewCard } from '../schemas.ts'
import { plainCard } from './card-fast-path.ts'

/** Result of reading a record: the card, the error that refuses it, or a repeated header. */
export type ReadCard = ({ readonly card: NewCard } | { readonly title: string; readonly error: string } | Repeated) & {
  /** Row number of a CSV's record, blank ones included, as in spreadsheets. */
  readonly row?: number
}
interface Repeated {
  readonly isHeader: true
}

/** Framing of the records of a body: elements of a JSON array, lines, or CSV. */
export type CardsForm = 'json' | 'lines' | 'csv'

/** Format of the records of a stored body. */
export interface BodyForm {
  readonly form: CardsForm
  /** Field of a card that each column of a CSV holds. */
  readonly header: readonly string[]
  /** Names of the columns as printed in the CSV, in lower case. */
  readonly printedHeader: readonly string[]
  readonly separator: string
  readonly encoding: 'utf-8' | 'windows-1252'
  /** See `ImportTask`. */
  readonly sheet?: string | undefined
}

/** Words the refusal of a card with too many bytes. A function, because formatting loads Intl, which takes several milliseconds. */
export const tooLarge = () => `A card should have at most ${MAX_CARD_BYTES.toLocaleString('en')} bytes`
/** Words the refusal of a card with too many values. */
export const tooManyValues = (what = 'A card') =>
  `${what} should have at most ${MAX_CARD_VALUES.toLocaleString('en')} values and names of members`
/** Characters up to which a text can have neither too many values nor too many levels. */
const MAX_UNMEASURED = 2 * MAX_DEPTH
/** Characters that are read before the event loop is yielded. */
const TURN_CHARACTERS = 65_536
/** Characters of a title in a list of failures. */
const SHOWN_TITLE = 200

const decoders = {
  'utf-8': new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }),
  'windows-1252': new TextDecoder('windows-1252', { ignoreBOM: true }),
}

/** Truncates a title for a list of failures. */
export function shownTitle(title: string): string {
  return title.length <= SHOWN_TITLE ? title : title.slice(0, SHOWN_TITLE).toWellFormed()
}

/**
 * Reads the cards of a slice, in order.
 * @param firstRow row of a CSV that the slice begins with; default 1
 * @returns each card, and null where the caller is to yield the event loop
 */
export function* readCards(body: BodyForm, bytes: Uint8Array, firstRow = 1): Generator<ReadCard | null> {
  if (body.form === 'json') {
    yield* readJson(bytes)
    return
  }
  let characters = 0
  for (const { text, row: place } of readTexts(body, bytes)) {
    const read = text === null ? NOT_TEXT : body.form === 'lines' ? fromLine(text) : fromCsv(text, body)
    const length = text?.length ?? 0
    // A long text is enough work by itself.
    if (length >= TURN_CHARACTERS) yield null
    const card = 'value' in read ? check(read.value) : read
    if (place === undefined) yield card
    else {
      const row = firstRow + place - 1
      yield { ...('error' in card ? { ...card, error: inSheet(card.error, body, row) } : card), row }
    }
    characters += length
    if (characters < TURN_CHARACTERS) continue
    characters = 0
    yield null
  }
}

/** Reads the cards of a slice of a JSON array, which is parsed at once. */
function* readJson(bytes: Uint8Array): Generator<ReadCard | null> {
  const values = readElements(bytes)
  const characters = bytes.byteLength / values.length
  let since = bytes.byteLength
  for (const value of values) {
    if (since >= TURN_CHARACTERS) {
      since = 0
      yield null
    }
    since += characters
    yield check(value)
  }
}

/** Parsed JSON of a card, or the reason why it can't be parsed. */
type Parsed = { readonly value: unknown } | { readonly title: string; readonly error: string } | Repeated

const NOT_TEXT = { title: '', error: 'The card is not UTF-8 text' }

/** Raw text of a record of lines or CSV; null where it is not valid in the encoding. */
interface RecordText {
  readonly text: string | null
  readonly row?: number
}

/** Reads the records of a slice of lines or of CSV. */
export function* readTexts({ form, encoding, separator }: BodyForm, bytes: Uint8Array): Generator<RecordText> {
  const lines = form === 'lines' ? linesOf(bytes) : null
  if (lines !== null) {
    for (const text of lines) yield { text }
    return
  }
  for (const record of splitRecords(form === 'csv' ? 'csv' : 'lines', bytes, separator)) {
    const text = decode(record.bytes, encoding)
    yield form === 'csv' ? { text, row: record.row } : { text }
  }
}

function decode(bytes: Uint8Array, encoding: BodyForm['encoding'] = 'utf-8'): string | null {
  try {
    return decoders[encoding].decode(bytes)
  } catch {
    return null
  }
}

/** Decodes all lines at once and drops blank ones; null when one of them is not UTF-8. */
function linesOf(bytes: Uint8Array): string[] | null {
  const text = decode(bytes)
  // A run of blank lines is split once: a slice may contain a million of them.
  return text === null ? null : text.split(/\n[ \t\r\n]*/).filter((line) => !/^[ \t\r]*$/.test(line))
}

/**
 * Parses JSON within the limits of values and levels, which are counted first, in a tenth of the time.
 * @returns the value, or the text of the limit that is exceeded
 * @throws SyntaxError; RepeatedNameError
 */
function parseBounded(text: string, what: string): { readonly value: unknown } | string {
  if (text.length <= MAX_UNMEASURED) return { value: parseSent(text) }
  const { nodes, depth } = measureJson(text)
  if (nodes > MAX_CARD_VALUES) return tooManyValues(what)
  if (depth <= MAX_DEPTH) return { value: parseSent(text, { nodes }) }
  return `${what} should be nested at most ${MAX_DEPTH.toLocaleString('en')} levels deep`
}

/** Words the error of a duplicate member name. */
const repeated = ({ path, message }: RepeatedNameError) => `${path.join('.')}: ${message}`

function fromLine(record: string): Parsed {
  try {
    const parsed = parseBounded(record, 'A card')
    return typeof parsed === 'string' ? { title: '', error: parsed } : parsed
  } catch (error) {
    return { title: '', error: error instanceof RepeatedNameError ? repeated(error) : 'The line is not JSON' }
  }
}

/** Normalizes the names of a header's columns for comparison. In concatenated files a repeated header may have its own byte order mark. */
export const columnNames = (fields: readonly string[]) =>
  fields.map((name) =>
    name
      .replace(/^\ufeff/, '')
      .trim()
      .toLowerCase(),
  )

function fromCsv(record: string, body: BodyForm): Parsed {
  const { header, printedHeader, separator, sheet } = body
  const read = fieldsOf(record, separator)
  if (typeof read === 'string') return { title: '', error: read }
  const fields = columnFields(read, body)
  // Concatenated files repeat the header, and with it the line that names their separator.
  if (isHeader(fields, printedHeader)) return { isHeader: true }
  if (sheet === undefined && /^\ufeff?"?sep=.?"?\s*$/i.test(record)) return { isHeader: true }
  if (fields.length !== header.length) {
    return { title: '', error: `The record has ${fields.length} fields, the header ${header.length}` }
  }
  const cells = Object.fromEntries(header.map((name, at) => [name, unescapeFormula(fields[at] ?? '')]))
  const title = cells.title ?? ''
  const [problem = ''] = read
  if (sheet !== undefined && problem !== '') return { title: shownTitle(title), error: problem }
  return fromCells(cells)
}

/** Picks the fields that are columns. */
export const columnFields = (fields: readonly string[], { sheet }: Pick<BodyForm, 'sheet'>) =>
  sheet === undefined ? fields : fields.slice(1)

/** Makes a card of its columns' values. */
function fromCells(cells: Readonly<Record<string, string>>): Parsed {
  const title = cells.title ?? ''
  const tags = cells.tags === undefined || cells.tags.trim() === '' ? [] : fieldsOf(cells.tags)
  if (typeof tags === 'string') return { title: shownTitle(title), error: `tags: ${tags}` }
  const value: Record<string, unknown> = { ...cells, tags, metadata: undefined }
  if (cells.metadata !== undefined && cells.metadata !== '') {
    try {
      const parsed = parseBounded(cells.metadata, 'Input')
      if (typeof parsed === 'string') return { title: shownTitle(title), error: `metadata: ${parsed}` }
      value.metadata = parsed.value
    } catch (error) {
      const reason = error instanceof RepeatedNameError ? repeated(error) : 'Input should be a JSON object'
      return { title: shownTitle(title), error: `metadata: ${reason}` }
    }
  }
  return { value }
}

/** Prefixes an error with its location: the sheet, and the cell of each field. */
function inSheet(error: string, { header, sheet }: BodyForm, row: number): string {
  if (sheet === undefined) return error
  const placed = error.split('; ').map((reason) => {
    const column = /^cell [A-Z]+\d+: /.test(reason) ? -1 : header.indexOf(/^\w+/.exec(reason)?.[0] ?? '')
    return column < 0 ? reason : `cell ${lettersOf(column)}${row}: ${reason}`
  })
  return `Sheet "${sheet}", ${placed.join('; ')}`
}

/** Parses the fields of a record; returns the error's text for a malformed one. */
export function fieldsOf(record: string, separator = ','): string[] | string {
  try {
    return parseRecord(record, separator)
  } catch (error) {
    if (error instanceof CsvError) return error.message
    throw error
  }
}

const isHeader = (fields: readonly string[], header: readonly string[]) =>
  fields.length === header.length && columnNames(fields).every((name, at) => name === header[at])

/** Validates a card: by the fast path, and where that cannot decide by the schema, which costs more than all the rest. */
function check(value: unknown): ReadCard {
  const plain = plainCard(value)
  if (plain !== null) return { card: plain }
  const parsed = safeParse(NewCard, lightOf(value))
  const metadata = fieldOf(value, 'metadata')
  // The metadata was validated before; the schema saw an empty object instead.
  if (parsed.success) return { card: isJsonObject(metadata) ? { ...parsed.data, metadata } : parsed.data }
  const title = fieldOf(value, 'title')
  const reasons = parsed.error.issues.slice(0, 5).map(({ path, message }) => {
    const field = path.map(String).join('.')
    if (field === '') return 'A card should be an object with title, body, category and privacy_level'
    const missing = path.length === 1 && fieldOf(value, field) === undefined
    return `${field}: ${missing ? 'Field required' : message}`
  })
  return { title: typeof title === 'string' ? shownTitle(title.toWellFormed()) : '', error: reasons.join('; ') }
}

/** Length of the shortest tag list that is too long. */
const TOO_MANY_TAGS = 201
/** An object that is nested deeper than metadata may be. */
const TOO_DEEP = Array.from({ length: MAX_METADATA_DEPTH + 1 }).reduce<object>((inner) => ({ inner }), {})

/**
 * Reduces a card to one that the schema judges the same, without what it would copy for nothing: other members, the contents of values
 * that should be text, and metadata that is an object of few levels.
 */
function lightOf(value: unknown): unknown {
  if (!isJsonObject(value)) return bare(value)
  const light: Record<string, unknown> = {}
  for (const name of Object.keys(NewCard.shape)) if (Object.hasOwn(value, name)) light[name] = bare(value[name])
  const { tags, metadata } = value
  if (Object.hasOwn(value, 'tags') && Array.isArray(tags)) light.tags = tags.slice(0, TOO_MANY_TAGS).map(bare)
  if (Object.hasOwn(value, 'metadata') && isJsonObject(metadata) && !isShallow(metadata)) light.metadata = TOO_DEEP
  return light
}

/** Replaces an array or object by an empty one, and a lossless number by a double. */
function bare(value: unknown): unknown {
  if (value instanceof LosslessNumber) return Number(value)
  if (typeof value !== 'object' || value === null) return value
  return Array.isArray(value) ? [] : {}
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.getOwnPropertyDescriptor(value, name)?.value
}
