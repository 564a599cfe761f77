/**
 * Reads text that may be no UTF-8. SQLite keeps whatever bytes a program writes (`CAST(x'ff' AS TEXT)`), and the library panics at such text,
 * which ends the process before JavaScript hears of it. So text that is not plain ASCII is selected as bytes and decoded here.
 */
import { isUtf8 } from 'node:buffer'
import type { Log } from '../ports.ts'

/** Reports text that is not UTF-8. `row` names its row as far as the query shows it. */
export type OnBadText = (found: { readonly column: string; readonly row: string }) => void

/** Maximum of locations that are logged only once; beyond it each read is logged. */
const MAX_NAMED = 1_000

/** Logs each location when it is first read. */
export function nameBadText(log: Log): OnBadText {
  const named = new Set<string>()
  return ({ column, row }) => {
    const place = `${column} ${row}`
    if (named.has(place)) return
    if (named.size < MAX_NAMED) named.add(place)
    log.warn(
      { event: 'text_not_utf8', column, row },
      'a row of the database holds text that is not UTF-8; it is read with U+FFFD in its place',
    )
  }
}

/** Above it, handing over bytes costs no more than a look at every character: 1.3 µs, as 80 to 200 characters do. */
const MAX_LOOKED_AT_BYTES = 200
/** Begins what is a blob itself; no text begins so, because none that is UTF-8 can. */
const BLOB_MARK = 'ff00fe'
const MARK = Buffer.from(BLOB_MARK, 'hex')

/** A statement whose rows are all that it gives. */
const SELECTS = /^\s*(?:select|with)\b/i
/** A list of plain columns, perhaps renamed, after the last RETURNING. */
const COLUMN = String.raw`(?:[\w$]+|"[^"]+"|\x60[^\x60]+\x60)(?:\.(?:[\w$]+|"[^"]+"))?`
const RETURNS = new RegExp(String.raw`\breturning\s+(${COLUMN}(?:\s*,\s*${COLUMN})*)\s*;?\s*$`, 'i')

/** SQL of a value that is bytes where it may be no UTF-8, as `withText` takes them. GLOB stops at NUL, which shows as a shorter length. */
function guarded(value: string): string {
  const isPlain = `octet_length(${value}) <= ${MAX_LOOKED_AT_BYTES} AND length(${value}) = octet_length(${value}) AND ${value} NOT GLOB '*[^\u0001-\u007f]*'`
  return `CASE typeof(${value}) WHEN 'text' THEN iif(${isPlain}, ${value}, CAST(${value} AS BLOB)) WHEN 'blob' THEN CAST(x'${BLOB_MARK}' || ${value} AS BLOB) ELSE ${value} END`
}

/**
 * A statement that gives the same rows with text as {@link guarded} has it.
 * @param columns how many it gives
 * @returns null for one that is left as it is: it gives rows of its own making (`PRAGMA`), or expressions that can't be named twice
 */
export function guardText(sql: string, columns: number): string | null {
  if (SELECTS.test(sql)) {
    const names = Array.from({ length: columns }, (_, at) => `c${at}`)
    const body = sql.replace(/;\s*$/, '')
    // A line of its own: the statement may end with a comment.
    return `WITH guarded_rows(${names.join(', ')}) AS (${body}\n) SELECT ${names.map(guarded).join(', ')} FROM guarded_rows`
  }
  const list = RETURNS.exec(sql)
  const names = list?.[1]?.split(/\s*,\s*/) ?? []
  if (list === null || names.length !== columns) return null
  return `${sql.slice(0, list.index)}RETURNING ${names.map(guarded).join(', ')}`
}

/** Converts a row of a guarded statement into that of the original one. Bytes that are not UTF-8 become U+FFFD, and are reported. */
export function withText(cells: unknown[], columns: readonly string[], onBadText: OnBadText): unknown[] {
  let wrong: string | null = null
  for (const [index, cell] of cells.entries()) {
    if (!Buffer.isBuffer(cell)) continue
    if (cell[0] === MARK[0] && cell.subarray(0, MARK.length).equals(MARK)) {
      cells[index] = cell.subarray(MARK.length)
      continue
    }
    if (!isUtf8(cell)) wrong ??= columns[index] ?? ''
    cells[index] = cell.toString('utf8')
  }
  if (wrong !== null) onBadText({ column: wrong, row: nameOf(cells, columns) })
  return cells
}

/** Identifies a row by its columns that are ids, and by the `id` of what it holds as JSON. */
function nameOf(cells: readonly unknown[], columns: readonly string[]): string {
  const ids = columns.flatMap((name, at) => (/(^|_)(id|key|rowid)$/i.test(name) ? [`${name} ${cells[at]}`] : []))
  const inner = cells.flatMap((cell) =>
    typeof cell === 'string' ? (/"id":"([^"]{1,128})"/.exec(cell)?.slice(1) ?? []) : [],
  )
  return [...ids, ...inner.map((id) => `id ${id}`)].join(', ').slice(0, 300)
}
