/** Converts HTML tables to self-contained rows: spans are expanded, and each cell has the name of its column. */
import type { BlockWriter } from './block-writer.ts'

/** A table cell; it spans `columns` by `rows` cells of the grid. */
export interface TableCell {
  text: string
  readonly isHeader: boolean
  readonly columns: number
  readonly rows: number
}

/** Most columns and rows of a span: larger ones are mistakes or attacks. The HTML standard has 1,000 and 65,534. */
export const MAX_COLUMN_SPAN = 100
export const MAX_ROW_SPAN = 1_000
const MAX_COLUMNS = 1_000

/** Most characters of a column's name: a first row with a longer cell is no header. */
const MAX_COLUMN_NAME = 60

/** Collects the cells of one table. */
export class HtmlTable {
  readonly #rows: TableCell[][] = []
  #cell: TableCell | null = null

  /** Open cell, which receives all text. */
  get cell(): TableCell | null {
    return this.#cell
  }

  openRow(): void {
    this.#cell = null
    this.#rows.push([])
  }

  openCell(cell: TableCell): void {
    if (this.#rows.length === 0) this.#rows.push([])
    this.#rows.at(-1)?.push(cell)
    this.#cell = cell
  }

  closeCell(): void {
    this.#cell = null
  }

  /** Writes a block for each row below the header. A table of one column is layout and becomes paragraphs. */
  writeTo(writer: BlockWriter): void {
    const grid = toGrid(this.#rows)
    const width = Math.max(0, ...grid.map((row) => row.length))
    if (width <= 1) {
      for (const [cell] of grid) writer.paragraph(cell ?? '')
      return
    }
    const hasHeader = grid.length > 1 && isHeader(this.#rows[0] ?? [], grid[0] ?? [])
    const columns = hasHeader ? grid[0] : []
    for (const row of hasHeader ? grid.slice(1) : grid) writer.row(row, columns)
  }
}

/** Expands spans: repeats the text of a cell in each cell of the grid that it covers. */
function toGrid(rows: readonly (readonly TableCell[])[]): string[][] {
  const below = new Map<number, { text: string; rows: number }>()
  return rows.map((cells) => {
    const row: string[] = []
    const carry = () => {
      for (let from = below.get(row.length); from && row.length < MAX_COLUMNS; from = below.get(row.length)) {
        if (from.rows === 1) below.delete(row.length)
        else from.rows--
        row.push(from.text)
      }
    }
    for (const cell of cells) {
      carry()
      for (let column = 0; column < cell.columns && row.length < MAX_COLUMNS; column++) {
        if (cell.rows > 1) below.set(row.length, { text: cell.text, rows: cell.rows - 1 })
        row.push(column === 0 || cell.isHeader ? cell.text : '')
      }
    }
    carry()
    return row
  })
}

/** Returns true for a header: one marked as such, or, as word processors mark none, a row of short, distinct cells. */
function isHeader(cells: readonly TableCell[], texts: readonly string[]): boolean {
  if (cells.every((cell) => cell.isHeader)) return true
  if (cells.some((cell) => cell.isHeader)) return false
  const names = texts.map((text) => text.trim())
  const looksLikeName = (name: string) =>
    name.length > 0 && name.length <= MAX_COLUMN_NAME && !/^[\d\s.,:%€$£+-]+$/.test(name)
  return names.every(looksLikeName) && new Set(names).size === names.length
}
