/** Column mapping of a CSV or a sheet, as callers send it: `{"Headline": "title"}`. */
import { invalidRequest } from '../../../errors.ts'
import { parseSent, RepeatedNameError } from '../../../formats/json-text.ts'
import { describeUnknown } from '../../../http/request/unknown-names.ts'
import { isJsonObject, NewCard } from '../schemas.ts'
import { columnNames } from './read-cards.ts'

/** Field of a card by the name of a column, in lower case. */
export type ColumnMap = ReadonlyMap<string, string>

const FIELDS = Object.keys(NewCard.shape)

/** Returns true where a column's name, in lower case, is a field of cards. */
export const isField = (name: string) => FIELDS.includes(name)

/**
 * Parses the mapping of columns to fields.
 * @param text JSON as a query holds it; undefined for none
 * @throws MillraceError INVALID_REQUEST for no such object, an unknown field, or a field that two columns map to
 */
export function readColumns(text: string | undefined): ColumnMap {
  if (text === undefined) return new Map()
  const columns = new Map<string, string>()
  const fields = new Set<string>()
  for (const [column, field] of parseMapping(text)) {
    if (!isField(field)) throw invalidRequest('columns', `columns: "${field}": ${describeUnknown(field, FIELDS)}`)
    const [name = ''] = columnNames([column])
    if (fields.has(field) || columns.has(name)) {
      throw invalidRequest('columns', `columns: "${column}" stands for "${field}", which is named twice`)
    }
    fields.add(field)
    columns.set(name, field)
  }
  return columns
}

function parseMapping(text: string): [column: string, field: string][] {
  let reason = 'Input should be a JSON object such as {"Headline": "title"}'
  try {
    const value = parseSent(text, { depth: 1 })
    const entries = isJsonObject(value) ? Object.entries(value) : null
    if (entries?.every((entry): entry is [string, string] => typeof entry[1] === 'string')) return entries
  } catch (error) {
    if (error instanceof RepeatedNameError) reason = error.message
  }
  throw invalidRequest('columns', `columns: ${reason}`)
}

/**
 * Returns the fields that columns hold.
 * @param printed names of the columns, in lower case
 * @param what the columns are of, as a sentence names it
 * @throws MillraceError INVALID_REQUEST for a column of the map that is not there
 */
export function fieldsOfColumns(printed: readonly string[], columns: ColumnMap, what: string): string[] {
  for (const name of columns.keys()) {
    if (!printed.includes(name)) {
      const named = printed.filter((other) => other !== '')
      throw invalidRequest('columns', `columns: "${name}" is no column of ${what}. ${describeUnknown(name, named)}`)
    }
  }
  return printed.map((name) => columns.get(name) ?? name)
}
