/** Large input is data: rows go into a statement as one JSON parameter, cut so that no statement carries more than a database takes. */

const utf8 = new TextEncoder()

/** Bytes of JSON one statement may carry. D1 takes 2 MB a value; half of it leaves room for the rest. */
export const MAX_STATEMENT_BYTES = 1_000_000

/**
 * Cuts rows into JSON arrays of at most `maxBytes` each, in order. A single row over the bound gets an array of its own.
 * @param rows JSON values
 */
export function jsonArrays(rows: Iterable<unknown>, maxBytes = MAX_STATEMENT_BYTES): string[] {
  const all = [...rows]
  const whole = JSON.stringify(all)
  if (all.length === 0) return []
  // No character takes more than three bytes, and none less than one: most need no counting.
  if (whole.length * 3 <= maxBytes) return [whole]
  if (whole.length <= maxBytes && utf8.encode(whole).byteLength <= maxBytes) return [whole]
  const arrays: string[] = []
  let parts: string[] = []
  let bytes = 0
  for (const row of all) {
    const text = JSON.stringify(row)
    const size = utf8.encode(text).byteLength
    if (parts.length > 0 && bytes + size > maxBytes) {
      arrays.push(`[${parts.join(',')}]`)
      parts = []
      bytes = 0
    }
    parts.push(text)
    bytes += size + 1
  }
  if (parts.length > 0) arrays.push(`[${parts.join(',')}]`)
  return arrays
}
