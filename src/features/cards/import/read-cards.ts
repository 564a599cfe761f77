/** Reads the cards of a slice, each checked or refused alone with the reason. */
import { parseRecord, unescapeFormula } from '../../../formats/csv.ts'
import { MAX_ELEMENT_DEPTH, readElements } from '../../../formats/json-array-scanner.ts'
import { measureJson } from '../../../formats/json-body.ts'
import { parseLossless } from '../../../formats/lossless-json.ts'
import { splitRecords } from '../../../formats/record-scanner.ts'
import { safeParse } from '../../../http/request/fields.ts'
import { MAX_CARD_BYTES, MAX_CARD_VALUES, NewCard } from '../schemas.ts'
import { plainCard } from './card-fast-path.ts'

/** Result of reading a record: the card, or the error that refuses it. */
export type ReadCard = { readonly card: NewCard } | { readonly title: string; readonly error: string }

/** Form that separates the records of a body: elements of a JSON array, lines, or CSV. */
export type CardsForm = 'json' | 'lines' | 'csv'

/** Why a card of more bytes is refused. A function, because a digit group is a matter of Intl, which takes several milliseconds to load. */
export const tooLarge = () => `A card should have at most ${MAX_CARD_BYTES.toLocaleString('en')} bytes`
/** Why a card of more values is refused. */
export const tooManyValues = (what = 'A card') =>
  `${what} should have at most ${MAX_CARD_VALUES.toLocaleString('en')} values and names of members`
/** A text that is shorter has neither too many values nor too many levels. */
const MAX_UNMEASURED = 2 * MAX_ELEMENT_DEPTH
/** Characters that are read between two turns of everything else. */
const TURN_CHARACTERS = 65_536
/** A title in a list of failures. */
const SHOWN_TITLE = 200

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Cuts a title to what a list of failures shows. */
export function shownTitle(title: string): string {
  return title.length <= SHOWN_TITLE ? title : title.slice(0, SHOWN_TITLE).toWellFormed()
}

/**
 * Reads the cards of a slice, in order.
 * @param header names of the columns, for CSV
 * @returns each card, and null where everything else is due a turn
 */
export function* readCards(form: CardsForm, header: readonly string[], bytes: Uint8Array): Generator<ReadCard | null> {
  if (form === 'json') {
    for (const value of readElements(bytes)) yield check(value)
    return
  }
  const read = (record: string) => (form === 'lines' ? fromLine(record) : fromCsv(record, header))
  const lines = form === 'lines' ? linesOf(bytes) : null
  let characters = 0
  for (const text of lines ?? decoded(form, bytes)) {
    yield text === null ? { title: '', error: 'The card is not UTF-8 text' } : read(text)
    characters += text?.length ?? 0
    if (characters < TURN_CHARACTERS) continue
    characters = 0
    yield null
  }
}

function* decoded(form: 'lines' | 'csv', bytes: Uint8Array): Generator<string | null> {
  for (const record of splitRecords(form, bytes)) yield decode(record)
}

function decode(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes)
  } catch {
    return null
  }
}

/** The lines that hold something, all decoded at once; null when one of them is not UTF-8. */
function linesOf(bytes: Uint8Array): string[] | null {
  const text = decode(bytes)
  // A run of blank lines is one separator: a slice may hold a million of them.
  return text === null ? null : text.split(/\n[ \t\r\n]*/).filter((line) => !/^[ \t\r]*$/.test(line))
}

/** Says what a JSON text has too much of; null where it has not. Asked before it is parsed, which takes ten times as long. */
function excessOf(text: string, what: string): string | null {
  if (text.length <= MAX_UNMEASURED) return null
  const { nodes, depth } = measureJson(text)
  if (nodes > MAX_CARD_VALUES) return tooManyValues(what)
  if (depth <= MAX_ELEMENT_DEPTH) return null
  return `${what} should be nested at most ${MAX_ELEMENT_DEPTH.toLocaleString('en')} levels deep`
}

function fromLine(record: string): ReadCard {
  const excess = excessOf(record, 'A card')
  if (excess !== null) return { title: '', error: excess }
  let value: unknown
  try {
    value = parseLossless(record)
  } catch {
    return { title: '', error: 'The line is not JSON' }
  }
  return check(value)
}

function fromCsv(record: string, header: readonly string[]): ReadCard {
  const fields = parseRecord(record)
  if (fields === null) return { title: '', error: 'A quoted field is not closed' }
  if (fields.length !== header.length) {
    return { title: '', error: `The record has ${fields.length} fields, the header ${header.length}` }
  }
  const cells = Object.fromEntries(header.map((name, at) => [name, unescapeFormula(fields[at] ?? '')]))
  const title = cells.title ?? ''
  const tags = cells.tags === undefined || cells.tags.trim() === '' ? [] : parseRecord(cells.tags)
  if (tags === null) return { title: shownTitle(title), error: 'tags: A quoted tag is not closed' }
  const value: Record<string, unknown> = { ...cells, tags, metadata: undefined }
  if (cells.metadata !== undefined && cells.metadata !== '') {
    const excess = excessOf(cells.metadata, 'Input')
    if (excess !== null) return { title: shownTitle(title), error: `metadata: ${excess}` }
    try {
      value.metadata = parseLossless(cells.metadata)
    } catch {
      return { title: shownTitle(title), error: 'metadata: Input should be a JSON object' }
    }
  }
  return check(value)
}

/** The schema has the last word; asking it costs more than all the rest, and most cards need not be asked about. */
function check(value: unknown): ReadCard {
  const plain = plainCard(value)
  if (plain !== null) return { card: plain }
  const parsed = safeParse(NewCard, withPlainNumbers(value))
  if (parsed.success) return { card: parsed.data }
  const title = fieldOf(value, 'title')
  const reasons = parsed.error.issues.slice(0, 5).map(({ path, message }) => {
    const field = path.map(String).join('.')
    if (field === '') return 'A card should be an object with title, body, category and privacy_level'
    const missing = path.length === 1 && fieldOf(value, field) === undefined
    return `${field}: ${missing ? 'Field required' : message}`
  })
  return { title: typeof title === 'string' ? shownTitle(title.toWellFormed()) : '', error: reasons.join('; ') }
}

/** The schema takes any object for a card, and for metadata: a number that is kept as an object is shown to it as another number. */
function withPlainNumbers(value: unknown): unknown {
  if (JSON.isRawJSON(value)) return 0
  return JSON.isRawJSON(fieldOf(value, 'metadata')) ? Object.assign({}, value, { metadata: 0 }) : value
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.getOwnPropertyDescriptor(value, name)?.value
}
