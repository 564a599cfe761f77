/** Parses a document's pages into a sheet, or throws the reason why it is none. */

import { MillraceError } from '../../../errors.ts'
import type { TextPage } from '../../../formats/pdf-text.ts'
import { columnEdges, readColumns } from './columns.ts'
import { checkKind, checkLetters, checkReading, notASheet } from './document-kind.ts'
import { estimateStarts } from './estimated-starts.ts'
import { readHeads, splitPage } from './header.ts'
import { partPage } from './imposed-pages.ts'
import { type Reading, SheetReader } from './reader.ts'
import { addStarts, isReport, readReports } from './session-report.ts'
import { PARSER_VERSION, type Sheet, type SheetEntry } from './sheet.ts'

/** Letters from which a longest name length that several names share counts as a cut. */
const SHORTEST_CUT = 15

/** Most entries of a sheet; the largest meets have a tenth of them. */
const MAX_ENTRIES = 50_000

/** Marks names of the sheet's longest length where several have it: a narrow column cuts at a number of letters. */
function markCut(entries: readonly SheetEntry[]): void {
  const names = new Set(entries.map(({ name }) => name))
  const longest = Math.max(0, ...[...names].map((name) => name.length))
  const sharing = [...names].filter((name) => name.length === longest)
  if (longest < SHORTEST_CUT || sharing.length < 2) return
  for (const entry of entries) if (entry.name.length === longest && !entry.relay) entry.full = true
}

/** Parses a sheet and returns the parser's statistics as well, for maintenance of the parser. */
export function readSheet(pages: readonly TextPage[]): { sheet: Sheet; reading: Reading } {
  if (!pages.some((page) => page.items.length > 0)) {
    throw new MillraceError(
      'NO_TEXT',
      'This PDF holds pictures of pages but no text, as a scan does, so it cannot be read.',
    )
  }
  checkLetters(pages)
  const all = pages.flatMap(partPage).map(splitPage)
  const split = all.filter((page) => !isReport(page))
  const reports = all.filter(isReport)
  checkKind(split)
  if (reports.length > 0 && !split.some(({ hasRows }) => hasRows)) throw notASheet('a session report')
  const heads = readHeads(split)
  const edges = columnEdges(split.map(({ body }) => body))
  const reader = new SheetReader()
  for (const [i, { page, body }] of split.entries()) {
    const before = reader.entries.length
    for (const line of readColumns(page, body, edges[i] ?? [])) reader.read(line, heads.ofPage[i] ?? 0)
    for (const { line } of reader.entries.slice(before)) if (line) line[0] += page.movedLeft
  }
  reader.finish()
  checkReading(reader, pages)
  if (reader.entries.length > MAX_ENTRIES) {
    throw new MillraceError('TOO_LARGE', `This sheet holds more than ${MAX_ENTRIES} entries, more than any meet has.`)
  }
  markCut(reader.entries)
  addStarts(reader, readReports(reports))
  estimateStarts(reader)
  const { events, entries, leftovers } = reader
  const sheet: Sheet = {
    parser: PARSER_VERSION,
    meet: heads.meet,
    sessions: [...heads.sessions],
    events,
    entries,
    unread: leftovers.length,
    unreadPages: [...new Set(leftovers.map(({ page }) => page))].toSorted((a, b) => a - b),
  }
  return { sheet, reading: reader }
}

/** First pages by which a long document is checked, so that hundreds of pages that are no sheet are not read. */
export const JUDGED_PAGES = 20
/** Pages from which a document counts as long; shorter ones are read as a whole. */
export const LONG_DOCUMENT = 2 * JUDGED_PAGES

/**
 * Refuses a long document whose first pages have no row of a sheet.
 * @throws MillraceError as {@link parseSheet} does
 */
export function judgeFirstPages(pages: readonly TextPage[]): void {
  const hasRows = pages.some((page) => splitPage(page).hasRows)
  try {
    readSheet(pages)
  } catch (error) {
    const isOther = error instanceof MillraceError && error.code === 'NOT_A_HEAT_SHEET'
    if (isOther || !hasRows) throw error
  }
}

/**
 * Reads a heat or psych sheet from its pages.
 * @throws MillraceError NO_TEXT when no page holds text, UNREADABLE_TEXT when it maps to no letters, NOT_A_HEAT_SHEET for other documents, results and session reports
 * among them, UNRECOGNIZED_LAYOUT for heat sheets of a make that cannot be read,
 * TOO_LARGE beyond any meet's size
 */
export function parseSheet(pages: readonly TextPage[]): Sheet {
  return readSheet(pages).sheet
}
