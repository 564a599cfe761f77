/** One card: read from a record of a body and checked, or refused alone with the reason; its id, its hash, its slug. */
import { infuse, parseRecord } from '../../formats/csv.ts'
import type { RecordForm } from '../../formats/records.ts'
import { MOST_CARD_BYTES, NewCard } from '../../wire/cards.ts'

/** What a record came to. */
export type ReadCard = { readonly card: NewCard } | { readonly title: string; readonly error: string }

export const TOO_LARGE = `A card should have at most ${MOST_CARD_BYTES.toLocaleString('en')} bytes`
/** A title in a list of failures. */
const SHOWN_TITLE = 200

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Cuts a title to what a list of failures shows. */
export function shownTitle(title: string): string {
  return title.length <= SHOWN_TITLE ? title : title.slice(0, SHOWN_TITLE).toWellFormed()
}

/**
 * Reads a card.
 * @param header names of the columns, for CSV
 */
export function readCard(form: RecordForm, header: readonly string[], bytes: Uint8Array): ReadCard {
  let record: string
  try {
    record = utf8.decode(bytes)
  } catch {
    return { title: '', error: 'The card is not UTF-8 text' }
  }
  return form === 'lines' ? fromJson(record) : fromCsv(record, header)
}

function fromJson(record: string): ReadCard {
  let value: unknown
  try {
    value = JSON.parse(record)
  } catch {
    return { title: '', error: 'The line is not JSON' }
  }
  return check(value)
}

/** The columns that hold text and may be left empty. */
const OPTIONAL_TEXT = ['source_platform', 'source_url']

function fromCsv(record: string, header: readonly string[]): ReadCard {
  const fields = parseRecord(record)
  if (fields === null) return { title: '', error: 'A quoted field is not closed' }
  if (fields.length !== header.length) {
    return { title: '', error: `The record has ${fields.length} fields, the header ${header.length}` }
  }
  const cells = Object.fromEntries(header.map((name, at) => [name, infuse(fields[at] ?? '')]))
  const title = cells.title ?? ''
  const tags = cells.tags === undefined || cells.tags.trim() === '' ? [] : parseRecord(cells.tags)
  if (tags === null) return { title: shownTitle(title), error: 'tags: A quoted tag is not closed' }
  const value: Record<string, unknown> = { ...cells, tags, metadata: undefined }
  for (const name of OPTIONAL_TEXT) if (cells[name] === '') value[name] = undefined
  if (cells.metadata !== undefined && cells.metadata !== '') {
    try {
      value.metadata = JSON.parse(cells.metadata)
    } catch {
      return { title: shownTitle(title), error: 'metadata: Input should be a JSON object' }
    }
  }
  return check(value)
}

function check(value: unknown): ReadCard {
  const parsed = NewCard.safeParse(value)
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

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  return Object.getOwnPropertyDescriptor(value, name)?.value
}

const encoder = new TextEncoder()

/** What makes two cards duplicates: title and body, whatever way their letters are composed. 128 bits of SHA-256 in base64. */
export async function contentHash({ title, body }: Pick<NewCard, 'title' | 'body'>): Promise<string> {
  const text = encoder.encode(`${title.normalize('NFC')}\0${body.normalize('NFC')}`)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', text), 0, 16)
  return btoa(String.fromCharCode(...digest)).slice(0, 22)
}

/**
 * The id of the card at a place of an import: a UUIDv7 of the batch's time, its place for a counter (RFC 9562, section 6.2) and the
 * batch's random bits. Ids sort as the cards came, whichever slice is written first, and a slice that runs again gives the same.
 * @param index below 1,048,576
 */
export function cardId(batchId: string, index: number): string {
  const place = index.toString(16).padStart(5, '0')
  return `${batchId.slice(0, 15)}${place.slice(0, 3)}-${batchId.slice(19, 20)}${place.slice(3)}${batchId.slice(22)}`
}

const LONGEST_SLUG = 60

/** Makes slugs for the cards of a batch: words of the title joined by hyphens, and a suffix no other card has; 60 characters at most. */
export function slugMaker(batchId: string): (title: string, index: number) => string {
  const tail = Number.parseInt(batchId.slice(24), 16).toString(36).padStart(10, '0')
  return (title, index) => {
    const suffix = `-${tail}${index.toString(36)}`
    const words = title
      .slice(0, 4 * LONGEST_SLUG)
      .normalize('NFKD')
      .toLowerCase()
      .replace(/\p{M}+/gu, '')
      .replace(/[^\p{L}\p{N}]+/gu, '-')
      .slice(0, LONGEST_SLUG - suffix.length)
      .replace(/^-|-$|[\uD800-\uDBFF]$/g, '')
    return `${words === '' ? 'card' : words}${suffix}`
  }
}
