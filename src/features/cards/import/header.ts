/** Reads the header of a CSV or a sheet, and maps its columns to fields of a card. */
import { invalidRequest } from '../../../errors.ts'
import { type ColumnMap, fieldsOfColumns } from './columns.ts'
import { columnNames, fieldsOf } from './read-cards.ts'

export const MAX_HEADER_BYTES = 65_536
const REQUIRED = ['title', 'body', 'category', 'privacy_level']

/** Columns of a CSV or a sheet, in order. */
export interface CardsHeader {
  /** Field of each; the names of other columns are as printed. */
  readonly fields: string[]
  /** Names as printed, in lower case. */
  readonly printed: string[]
}

/**
 * Reads the header of a CSV.
 * @param bytes of its record, `length` of them
 * @throws MillraceError INVALID_REQUEST for one that is no record, and as {@link checkHeader} does
 */
export async function readHeader(
  bytes: ReadableStream<Uint8Array> | null,
  length: number,
  { separator, storedEncoding }: { separator: string; storedEncoding: string },
  columns: ColumnMap,
): Promise<CardsHeader> {
  if (length > MAX_HEADER_BYTES) {
    await bytes?.cancel()
    throw invalidRequest('header', 'The header of the CSV is too long.')
  }
  const text = new TextDecoder(storedEncoding).decode(await new Response(bytes).arrayBuffer())
  const found = fieldsOf(text, separator)
  if (typeof found === 'string') throw invalidRequest('header', `The header of the CSV can't be read. ${found}.`)
  const header = nameFields(found, columns, 'the CSV')
  checkHeader(header, 'the CSV', 'The first line of a CSV names its columns.')
  return header
}

/**
 * Finds the field that each column holds.
 * @param what the columns are of, as a sentence names it
 * @throws MillraceError INVALID_REQUEST for a column of the map that is not there
 */
export function nameFields(names: readonly string[], columns: ColumnMap, what: string): CardsHeader {
  const printed = columnNames(names)
  return { fields: fieldsOfColumns(printed, columns, what), printed }
}

/** Lists the required fields that no column of a header maps to. */
export const missingFields = ({ fields }: CardsHeader) => REQUIRED.filter((name) => !fields.includes(name))

/**
 * Validates a header.
 * @param rule sentence that says where the header is expected
 * @throws MillraceError INVALID_REQUEST for one that lacks a column or has one twice
 */
export function checkHeader(header: CardsHeader, what: string, rule: string): void {
  const missing = missingFields(header)
  if (missing.length > 0) throw invalidRequest('header', `${rule} Missing: ${missing.join(', ')}.`)
  const { fields } = header
  const twice = fields.find((name, at) => name !== '' && fields.indexOf(name) !== at)
  if (twice === undefined) return
  const subject = what.replace(/^t/, 'T')
  throw invalidRequest('header', `${subject} has the column "${twice}" twice.`)
}

/** Warns of columns without a name, which are ignored. */
export function warnOfNameless({ printed }: CardsHeader, nameOf: (column: number) => string): string[] {
  const nameless = printed.flatMap((name, at) => (name === '' ? [nameOf(at)] : []))
  const [only] = nameless
  if (only === undefined) return []
  if (nameless.length === 1) return [`Column ${only} has no name in the header and was passed over.`]
  const some = nameless.slice(0, 20).join(', ') + (nameless.length > 20 ? ' …' : '')
  return [`Columns ${some} have no names in the header and were passed over.`]
}
