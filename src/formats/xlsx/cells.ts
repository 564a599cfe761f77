/** Cells of a row, and what each of them says as text. */
import { formatNumber, type NumberStyle } from './number-formats.ts'
import type { SharedStrings } from './shared-strings.ts'
import { unescapeText } from './text.ts'

/** Columns that a sheet may have. */
export const MAX_COLUMNS = 16_384

/** Value of a cell. */
export interface Cell {
  /** From 0. */
  readonly column: number
  readonly text: string
  /** Why the cell has no text that could be taken; completes "cell B7 …". */
  readonly problem?: string
}

/** Facts that the cells of a workbook refer to. */
export interface CellContext {
  readonly strings: SharedStrings
  /** By the number that a cell names. */
  readonly styles: readonly NumberStyle[]
  readonly startsIn1904: boolean
}

/** A cell as its element is written. */
export interface WrittenCell {
  readonly column: number
  /** Attribute `t`. */
  readonly type: string
  readonly style: number
  /** Text of `v`; null where there is none. */
  readonly value: string | null
  /** Text of `is`; null where there is none. */
  readonly inline: string | null
  readonly hasFormula: boolean
}

const PLAIN: NumberStyle = { kind: 'plain' }

/** Reads a cell; null for one that is empty. */
export function readCell(cell: WrittenCell, context: CellContext): Cell | null {
  const { column, type, value, inline } = cell
  if (type === 'inlineStr' || inline !== null) return inline ? { column, text: inline } : null
  if (value === null || value === '') {
    if (!cell.hasFormula || type === 'str') return null
    return { column, text: '', problem: 'holds a formula whose value was not saved; open and save the file in Excel' }
  }
  const text = textOf(type, value, cell.style, context)
  if (text === '') return null
  return text === null ? { column, text: value, problem: problemOf(type, value) } : { column, text }
}

function textOf(type: string, value: string, style: number, context: CellContext): string | null {
  switch (type) {
    case 's':
      return /^\s*\d{1,9}\s*$/.test(value) ? context.strings.get(Number(value)) : null
    case 'str':
      return unescapeText(value)
    case 'd':
      return value
    case 'b':
      // As Excel shows it, and saves it as CSV.
      return { '1': 'TRUE', '0': 'FALSE', true: 'TRUE', false: 'FALSE' }[value.trim()] ?? null
    case 'n':
      return formatNumber(value, context.styles[style] ?? PLAIN, context.startsIn1904)
    default:
      return null
  }
}

function problemOf(type: string, value: string): string {
  const shown = value.slice(0, 40).toWellFormed()
  if (type === 'e') return `is the error ${shown}`
  if (type === 'n' && /^[\s\d.+-]+(?:e[+-]?\d+)?\s*$/i.test(value)) return `holds ${shown}, which is no date`
  return `holds ${shown}, which can't be read`
}

/** Number of a column, from 0, by the name of a cell in it: `AB12` is in 27; null for what is no such name. */
export function columnOf(name: string): number | null {
  let column = 0
  let at = 0
  for (; at < name.length; at++) {
    const letter = name.charCodeAt(at) - 64
    if (letter < 1 || letter > 26) break
    column = 26 * column + letter
    if (column > MAX_COLUMNS) return null
  }
  return at === 0 ? null : column - 1
}

/** Letters of a column, which is counted from 0. */
export function lettersOf(column: number): string {
  const letter = String.fromCharCode(65 + (column % 26))
  return column < 26 ? letter : lettersOf(Math.floor(column / 26) - 1) + letter
}
