/**
 * Writes the rows of a sheet as the CSV that an import stores (see `ImportTask.sheet`): a record a row, so that row numbers are kept, with
 * a blank line for each row that is empty or above the header.
 */
import { invalidRequest, MillraceError } from '../../../errors.ts'
import { type Cell, lettersOf } from '../../../formats/xlsx/cells.ts'
import type { SheetRow } from '../../../formats/xlsx/sheet.ts'
import type { Sheet, Workbook } from '../../../formats/xlsx/workbook.ts'
import { type ColumnMap, isField } from './columns.ts'
import { type CardsHeader, checkHeader, MAX_HEADER_BYTES, missingFields, nameFields, warnOfNameless } from './header.ts'

/** Most non-empty rows above the header, such as a title and notes. */
const MAX_ROWS_ABOVE = 20
const MB = 1024 * 1024
/** Most bytes of the CSV: a shared string may be in a million cells, so a workbook expands without bound, as gzip does. */
const MAX_CSV_BYTES = 1_024 * MB
const MAX_RATIO = 100
const RATIO_FREE_BYTES = 16 * MB

/** A row that may be the header. */
interface Candidate {
  readonly row: number
  readonly header: CardsHeader
}

/** Reads one sheet of a workbook. */
export class SheetCsv {
  readonly sheet: Sheet
  readonly warnings: string[] = []
  readonly #columns: ColumnMap
  #header: CardsHeader | null = null
  /** Number of the last row written. */
  #row = 0
  /** Number of non-empty rows above the header, and the lowest text of each column in them. */
  #above: number[] = []
  readonly #lowest: string[] = []
  #nearest: Candidate | null = null
  /** First cell in a column without a name. */
  #beyond: string | null = null

  /** @param sheet see {@link chooseSheet} */
  constructor(sheet: Sheet, columns: ColumnMap) {
    this.sheet = sheet
    this.#columns = columns
  }

  /**
   * Writes the CSV.
   * @param packedBytes size of the workbook
   * @returns the header
   * @throws MillraceError INVALID_REQUEST for a sheet without a header, TOO_LARGE; errors of reading the workbook
   */
  async *write(workbook: Workbook, packedBytes: number): AsyncGenerator<Uint8Array, CardsHeader> {
    const utf8 = new TextEncoder()
    const most = Math.min(MAX_CSV_BYTES, Math.max(RATIO_FREE_BYTES, packedBytes * MAX_RATIO))
    let size = 0
    for await (const rows of workbook.rows(this.sheet)) {
      let text = ''
      for (const row of rows) {
        text += this.#header === null ? this.#readAbove(row) : this.#record(row, this.#header)
        if (size + text.length > most) throw tooLarge()
      }
      if (text === '') continue
      const bytes = utf8.encode(text)
      size += bytes.byteLength
      yield bytes
    }
    if (this.#header === null) throw this.#noHeader()
    if (this.#beyond !== null) {
      this.warnings.push(
        `Cells right of the header, the first of them ${this.#beyond}, have no column and were passed over.`,
      )
    }
    return this.#header
  }

  /** Reads a row before the header is known; it may be the header. */
  #readAbove({ row, cells }: SheetRow): string {
    const own = namesOf(cells)
    // A header of two rows with merged cells has names in both.
    for (const [at, name] of own.entries()) if (name !== '') this.#lowest[at] = name
    const joined = Array.from(this.#lowest, (name = '') => name)
    for (const names of [own, joined]) {
      const header = this.#tryHeader(row, names)
      if (header !== null) return this.#begin(row, header)
    }
    this.#above.push(row)
    if (this.#above.length > MAX_ROWS_ABOVE) throw this.#noHeader()
    return ''
  }

  #tryHeader(row: number, names: readonly string[]): CardsHeader | null {
    let header: CardsHeader
    try {
      header = nameFields(names, this.#columns, this.#what)
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error
      // A mapped column is missing: the error is reported for the first row where no row turns out to be the header.
      header = nameFields(names, new Map(), this.#what)
      this.#nearest ??= { row, header }
      return null
    }
    const missing = missingFields(header).length
    if (missing === 0) return header
    if (this.#nearest === null || missing < missingFields(this.#nearest.header).length) this.#nearest = { row, header }
    return null
  }

  #begin(row: number, header: CardsHeader): string {
    const last = header.printed.findLastIndex((name) => name !== '')
    const { fields, printed } = { fields: header.fields.slice(0, last + 1), printed: header.printed.slice(0, last + 1) }
    this.#header = { fields, printed }
    checkHeader(this.#header, this.#what, '')
    this.warnings.push(...warnOfNameless(this.#header, lettersOf))
    const above = this.#above
    if (above.length > 0) {
      const [only] = above
      const which = above.length === 1 ? `Row ${only} stands` : `Rows ${above.join(', ')} stand`
      this.warnings.push(
        `${which} above the header in row ${row} and ${above.length === 1 ? 'was' : 'were'} passed over.`,
      )
    }
    const record = ['', ...printed].map(quoted).join(',')
    if (record.length > MAX_HEADER_BYTES) throw invalidRequest('header', `The header of ${this.#what} is too long.`)
    const blank = '\r\n'.repeat(row - 1)
    this.#row = row
    return `${blank}${record}\r\n`
  }

  #record({ row, cells }: SheetRow, { printed, fields }: CardsHeader): string {
    const texts = new Array<string>(printed.length).fill('')
    let problem = ''
    for (const { column, text, problem: its } of cells) {
      if (column >= texts.length) {
        this.#beyond ??= `${lettersOf(column)}${row}`
        continue
      }
      texts[column] = text
      if (its === undefined || problem !== '' || !isTaken(fields[column])) continue
      problem = `cell ${lettersOf(column)}${row}: ${fields[column]}: The cell ${its}`
    }
    // A line of one separator is an empty row.
    const empty = ',\r\n'.repeat(row - this.#row - 1)
    this.#row = row
    return `${empty}${[problem, ...texts].map(quoted).join(',')}\r\n`
  }

  get #what(): string {
    return `the sheet "${this.sheet.name}"`
  }

  #noHeader(): MillraceError {
    const nearest = this.#nearest
    if (nearest === null) return invalidRequest('body', `The sheet "${this.sheet.name}" is empty.`)
    // Throws where a mapped column is missing.
    try {
      nameFields(nearest.header.printed, this.#columns, this.#what)
    } catch (error) {
      if (error instanceof MillraceError) return error
    }
    const missing = missingFields(nearest.header).join(', ')
    return invalidRequest(
      'header',
      `A row of ${this.#what} names its columns, one of the first ${MAX_ROWS_ABOVE} that hold something. Row ${nearest.row} lacks: ${missing}.`,
    )
  }
}

/**
 * Chooses the sheet to read: the first visible one.
 * @returns it, and a warning where there are others
 * @throws MillraceError INVALID_REQUEST where there is none
 */
export function chooseSheet({ sheets }: Workbook): { sheet: Sheet; warnings: string[] } {
  const seen = sheets.filter(({ isHidden }) => !isHidden)
  const [sheet = sheets[0], ...others] = seen
  if (sheet === undefined) throw invalidRequest('body', 'The workbook has no sheet with cells.')
  if (others.length === 0) return { sheet, warnings: [] }
  const names =
    others
      .slice(0, 10)
      .map(({ name }) => `"${name}"`)
      .join(', ') + (others.length > 10 ? ' …' : '')
  return { sheet, warnings: [`Only the first sheet, "${sheet.name}", was read, and not ${names}.`] }
}

const isTaken = (field: string | undefined) => field !== undefined && isField(field)

function namesOf(cells: readonly Cell[]): string[] {
  const names = new Array<string>((cells.at(-1)?.column ?? -1) + 1).fill('')
  for (const { column, text } of cells) names[column] = text
  return names
}

/** Quotes a field verbatim, formulas and whitespace included. */
const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

const tooLarge = () =>
  new MillraceError(
    'TOO_LARGE',
    `The sheet holds more text than ${MAX_RATIO} times the size of its file beyond 16 MB, or more than 1,024 MB. Nothing of it was kept.`,
  )
