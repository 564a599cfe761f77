/** The engine's statements carry their rows as JSON. */
import { MAX_STATEMENT_BYTES } from '../formats/json-arrays.ts'

export { jsonArrays, MAX_STATEMENT_BYTES } from '../formats/json-arrays.ts'

/** A row under the id of what it is about: a statement finds that by `key` twice as fast as by a field of the row. */
type NamedRow = readonly [id: string, row: object]

const utf8 = new TextEncoder()

/**
 * Rows as the members of one JSON object. An id may occur twice: `json_each` gives both.
 * @param rows ids without quotes or backslashes, and JSON values
 */
export function jsonObject(rows: readonly NamedRow[]): string {
  return `{${rows.map(member).join(',')}}`
}

/** Rows as the members of JSON objects of at most `maxBytes` each, in order. A single row over the bound gets an object of its own. */
export function jsonObjects(rows: readonly NamedRow[], maxBytes = MAX_STATEMENT_BYTES): string[] {
  const whole = jsonObject(rows)
  // No character takes more than three bytes: most groups need no counting.
  if (whole.length * 3 <= maxBytes) return rows.length === 0 ? [] : [whole]
  const objects: string[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const text of rows.map(member)) {
    const size = utf8.encode(text).byteLength + 1
    bytes += size
    if (bytes > maxBytes) {
      objects.push([])
      bytes = size
    }
    objects.at(-1)?.push(text)
  }
  return objects.map((members) => `{${members.join(',')}}`)
}

function member([id, row]: NamedRow): string {
  return `"${id}":${JSON.stringify(row)}`
}
