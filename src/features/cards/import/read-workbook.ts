/** Reads the cards of a workbook: its first sheet, as the CSV that an import stores. */
import { invalidRequest } from '../../../errors.ts'
import { Workbook } from '../../../formats/xlsx/workbook.ts'
import { ZipError, type ZipSource } from '../../../formats/zip-archive.ts'
import type { ColumnMap } from './columns.ts'
import type { CardsHeader } from './header.ts'
import { chooseSheet, SheetCsv } from './sheet-csv.ts'

/** Facts of a workbook that was read. */
export interface WorkbookFacts {
  readonly header: CardsHeader
  /** Name of the sheet. */
  readonly sheet: string
  readonly warnings: readonly string[]
}

/**
 * Reads a workbook, yielding the event loop in between.
 * @returns the CSV; the generator's return value is the facts
 * @throws MillraceError INVALID_REQUEST for a damaged file or one without a header, TOO_LARGE
 */
export async function* readWorkbook(source: ZipSource, columns: ColumnMap): AsyncGenerator<Uint8Array, WorkbookFacts> {
  try {
    const workbook = await Workbook.open(source)
    const { sheet, warnings } = chooseSheet(workbook)
    const reader = new SheetCsv(sheet, columns)
    const header = yield* reader.write(workbook, source.size)
    return { header, sheet: sheet.name, warnings: [...warnings, ...reader.warnings] }
  } catch (error) {
    throw error instanceof ZipError ? invalidRequest('body', `The file ${error.message}.`) : error
  }
}
