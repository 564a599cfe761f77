/** The engine's statements carry their rows as JSON. */
import { MAX_STATEMENT_BYTES } from '../formats/json-arrays.ts'

/** A row under the id of what it is about: a statement finds that by `key` twice as fast as by a field of the row. */
export type NamedRow = readonly [id: string, row: unknown]

/** A row under its id, with the id of what that belongs to. */
export type GroupedRow = readonly [group: string, ...NamedRow]

const utf8 = new TextEncoder()

/** Some rows as JSON: so many, from the `first` on, counted from 0. */
export interface Piece {
  readonly json: string
  readonly first: number
  readonly rows: number
}

/**
 * Rows as the members of JSON objects of at most `maxBytes` each, in order. A single row over the bound gets an object of its own. An id
 * may occur twice: `json_each` gives both.
 * @param rows ids without quotes or backslashes, and JSON values; arrays are read faster than objects
 */
export function jsonObjects(rows: readonly NamedRow[], maxBytes = MAX_STATEMENT_BYTES): Piece[] {
  return pieces(rows, jsonObject, maxBytes)
}

/**
 * Rows in JSON objects of rows, by the group they belong to: `{"group":{"id":row, …}, …}`, cut as {@link jsonObjects} does.
 * @param rows ids and groups without quotes or backslashes; rows of one group stand together
 */
export function jsonGroups(rows: readonly GroupedRow[], maxBytes = MAX_STATEMENT_BYTES): Piece[] {
  return pieces(rows, groupsOf, maxBytes)
}

/** Rows in JSON arrays, cut as {@link jsonObjects} does. @param rows JSON values */
export function jsonLists(rows: readonly unknown[], maxBytes = MAX_STATEMENT_BYTES): Piece[] {
  return pieces(rows, JSON.stringify, maxBytes)
}

/** Cuts rows of about the same size as seldom as it can; most need no cut. */
function pieces<T>(rows: readonly T[], textOf: (rows: readonly T[]) => string, maxBytes: number, first = 0): Piece[] {
  if (rows.length === 0) return []
  const json = textOf(rows)
  // No character takes more than three bytes: most need no counting.
  const bytes = json.length * 3 <= maxBytes ? 0 : utf8.encode(json).byteLength
  if (bytes <= maxBytes || rows.length === 1) return [{ json, first, rows: rows.length }]
  const cuts = Math.ceil((1.1 * bytes) / maxBytes)
  const each = Math.ceil(rows.length / cuts)
  return Array.from({ length: Math.ceil(rows.length / each) }, (_, i) =>
    pieces(rows.slice(i * each, (i + 1) * each), textOf, maxBytes, first + i * each),
  ).flat()
}

/** Rows as the members of one JSON object, however large. */
export function jsonObject(rows: readonly NamedRow[]): string {
  return `{${rows.map(([id, row]) => `"${id}":${JSON.stringify(row)}`).join(',')}}`
}

function groupsOf(rows: readonly GroupedRow[]): string {
  let text = ''
  let open: string | null = null
  for (const [group, id, row] of rows) {
    if (group !== open) text += `${open === null ? '{' : '},'}"${group}":{`
    else text += ','
    open = group
    text += `"${id}":${JSON.stringify(row)}`
  }
  return `${text}}}`
}
