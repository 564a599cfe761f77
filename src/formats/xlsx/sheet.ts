/** Rows of a sheet, read from its XML while it streams by. */
import { MillraceError } from '../../errors.ts'
import { readAttributes, type XmlHandlers } from '../xml-scanner.ts'
import { ZipError } from '../zip-archive.ts'
import { type Cell, type CellContext, columnOf, MAX_COLUMNS, readCell, type WrittenCell } from './cells.ts'
import { MAX_CELL_CHARACTERS, RichText } from './text.ts'

/** A row that holds something. */
export interface SheetRow {
  /** As spreadsheets number it, from 1. */
  readonly row: number
  /** Those that hold something, from the left. */
  readonly cells: readonly Cell[]
}

/** Rows that a sheet may have. */
const MAX_ROWS = 1_048_576
/** Characters of one row. */
const MAX_ROW_CHARACTERS = 8_000_000

type Open = { -readonly [Key in keyof WrittenCell]: WrittenCell[Key] }

/** Takes the elements of a sheet, gives rows. */
export class SheetReader implements XmlHandlers {
  readonly #context: CellContext
  readonly #path: string
  #rows: SheetRow[] = []
  #isInData = false
  #row = 0
  #cells: Cell[] = []
  #characters = 0
  #cell: Open | null = null
  /** Column that a cell without a name is in. */
  #next = 0
  #isInValue = false
  readonly #inline = new RichText()
  #isInline = false

  /** @param path of its part, for error messages */
  constructor(path: string, context: CellContext) {
    this.#path = path
    this.#context = context
  }

  /** Gives the rows that have come, and forgets them. */
  take(): SheetRow[] {
    const rows = this.#rows
    this.#rows = []
    return rows
  }

  open(name: string, attributes: string): void {
    if (name === 'sheetData') this.#isInData = true
    if (!this.#isInData) return
    const cell = this.#cell
    if (name === 'row') this.#beginRow(attributes)
    else if (name === 'c') this.#beginCell(attributes)
    else if (cell === null) return
    else if (name === 'v') {
      this.#isInValue = true
      cell.value ??= ''
    } else if (name === 'f') cell.hasFormula = true
    else if (name === 'is') this.#isInline = true
    else if (this.#isInline) this.#inline.open(name)
  }

  text(text: string): void {
    if (this.#cell === null) return
    if (this.#isInline) this.#inline.text(text)
    if (!this.#isInValue) return
    this.#cell.value = (this.#cell.value ?? '') + text
    if (this.#cell.value.length > MAX_CELL_CHARACTERS) throw tooLong(this.#row)
  }

  close(name: string): void {
    if (!this.#isInData) return
    if (name === 'v') this.#isInValue = false
    else if (name === 'c') this.#endCell()
    else if (name === 'row') this.#endRow()
    else if (name === 'sheetData') this.#isInData = false
    else if (name === 'is') {
      this.#isInline = false
      if (this.#cell !== null) this.#cell.inline = this.#inline.take()
    } else if (this.#isInline) this.#inline.close(name)
  }

  #beginRow(attributes: string): void {
    let row = this.#row + 1
    readAttributes(attributes, (name, value) => {
      if (name === 'r') row = Number(value)
    })
    if (!Number.isInteger(row) || row <= this.#row || row > MAX_ROWS)
      throw this.#damaged(`row ${row} stands after row ${this.#row}`)
    this.#row = row
    this.#cells = []
    this.#characters = 0
    this.#next = 0
  }

  #beginCell(attributes: string): void {
    let column: number | null = this.#next
    let type = 'n'
    let style = 0
    readAttributes(attributes, (name, value) => {
      if (name === 'r') column = columnOf(value)
      else if (name === 't') type = value
      else if (name === 's') style = Number(value)
    })
    if (column === null || column >= MAX_COLUMNS) throw this.#damaged(`row ${this.#row} has a cell of no column`)
    this.#next = column + 1
    this.#cell = { column, type, style, value: null, inline: null, hasFormula: false }
  }

  #endCell(): void {
    const cell = this.#cell === null ? null : readCell(this.#cell, this.#context)
    this.#cell = null
    if (cell === null) return
    this.#characters += cell.text.length
    if (this.#characters > MAX_ROW_CHARACTERS) throw tooLong(this.#row)
    this.#cells.push(cell)
  }

  #endRow(): void {
    if (this.#cells.length === 0) return
    const isInOrder = this.#cells.every(({ column }, at) => at === 0 || column > (this.#cells[at - 1]?.column ?? 0))
    const cells = isInOrder ? this.#cells : this.#cells.toSorted((a, b) => a.column - b.column)
    const twice = !isInOrder && cells.some(({ column }, at) => column === cells[at + 1]?.column)
    if (twice) throw this.#damaged(`row ${this.#row} has a cell twice`)
    this.#rows.push({ row: this.#row, cells })
  }

  #damaged(why: string): ZipError {
    return new ZipError(`is damaged: in its part "${this.#path}", ${why}`)
  }
}

function tooLong(row: number): MillraceError {
  return new MillraceError(
    'TOO_LARGE',
    `Row ${row} of the sheet holds too many characters. Nothing of the file was kept.`,
  )
}
