/** From a document's pages to its sheet, or to the reason why it is none. */

import { MillraceError } from '../../../errors.ts'
import type { TextPage } from '../../../formats/pdf-text.ts'
import { columnEdges, readColumns } from './columns.ts'
import { checkKind, checkReading } from './document-kind.ts'
import { readHeads, splitPage } from './header.ts'
import { type Reading, SheetReader } from './reader.ts'
import { PARSER_VERSION, type Sheet, type SheetEntry } from './sheet.ts'

/** A name of this many letters that others share as the longest is believed to be cut there. */
const SHORTEST_CUT = 15

/** The largest meets have a tenth of it. */
const MAX_ENTRIES = 50_000

/** Marks names as long as the sheet's longest where several are: a narrow column cuts at a number of letters. */
function markCut(entries: readonly SheetEntry[]): void {
  const names = new Set(entries.map(({ name }) => name))
  const longest = Math.max(0, ...[...names].map((name) => name.length))
  const sharing = [...names].filter((name) => name.length === longest)
  if (longest < SHORTEST_CUT || sharing.length < 2) return
  for (const entry of entries) if (entry.name.length === longest && !entry.relay) entry.full = true
}

/** The sheet together with how it was read, for those who look after the parser. */
export function readSheet(pages: readonly TextPage[]): { sheet: Sheet; reading: Reading } {
  if (!pages.some((page) => page.items.length > 0)) {
    throw new MillraceError(
      'NO_TEXT',
      'This PDF holds pictures of pages but no text, as a scan does, so it cannot be read.',
    )
  }
  const split = pages.map(splitPage)
  checkKind(split)
  const heads = readHeads(split.map(({ head }) => head))
  const edges = columnEdges(split.map(({ body }) => body))
  const reader = new SheetReader()
  for (const [i, { page, body }] of split.entries()) {
    for (const line of readColumns(page, body, edges[i] ?? [])) reader.read(line, heads.ofPage[i] ?? 0)
  }
  reader.finish()
  checkReading(reader, pages)
  if (reader.entries.length > MAX_ENTRIES) {
    throw new MillraceError('TOO_LARGE', `This sheet holds more than ${MAX_ENTRIES} entries, more than any meet has.`)
  }
  markCut(reader.entries)
  const { events, entries, leftovers } = reader
  const sheet: Sheet = {
    parser: PARSER_VERSION,
    meet: heads.meet,
    sessions: [...heads.sessions],
    events,
    entries,
    unread: leftovers.length,
  }
  return { sheet, reading: reader }
}

/**
 * Reads a heat or psych sheet from its pages.
 * @throws MillraceError NO_TEXT when no page holds text, NOT_A_HEAT_SHEET for other documents, results and session reports
 * among them, UNRECOGNIZED_LAYOUT for heat sheets of a make that cannot be read,
 * TOO_LARGE beyond any meet's size
 */
export function parseSheet(pages: readonly TextPage[]): Sheet {
  return readSheet(pages).sheet
}
