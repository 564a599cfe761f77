/** Tells heat sheets from what is none, so that a document not understood is refused by name and never half read. */
import { MillraceError } from '../../../errors.ts'
import type { TextPage } from '../../../formats/pdf-text.ts'
import type { SplitPage } from './header.ts'
import type { Reading } from './reader.ts'

const OTHER_KINDS: readonly { says: RegExp; is: string }[] = [
  { says: /^(?:.{0,80} - )?(?:unofficial |official |complete |meet |final )?results\b/i, is: 'meet results' },
  { says: /^session report\b|^(?:meet )?timeline\b/i, is: 'a session report' },
  {
    says: /^(?:meet )?entries? (?:report|list)\b|^relay (?:teams|report)\b|^team (?:entry|roster)\b/i,
    is: 'a list of entries by team',
  },
  { says: /^(?:team )?(?:scores|rankings)\b|^(?:top times|best times)\b/i, is: 'a list of scores or times' },
]

function notASheet(is: string): MillraceError {
  return new MillraceError('NOT_A_HEAT_SHEET', `This document is ${is}, not a heat or psych sheet.`)
}

/** Tells whether a text speaks of heats and lanes, or of entries in order of seed, at all. */
function speaksOfHeats(pages: readonly TextPage[]): boolean {
  const text = pages
    .slice(0, 5)
    .flatMap(({ items }) => items.map((item) => item.text))
    .join(' ')
  const events = text.match(/\bevent ?#? ?\d{1,4}\b|(?:^| )#\d{1,4} /gi)?.length ?? 0
  const heats =
    text.match(/\bheat ?\d{1,2}\b|\bH\d{1,2}\b(?= {1,3}L\d)|\blane\b|\bL\d{1,2}\b(?= {1,3}\()/gi)?.length ?? 0
  return events > 0 && (heats > 1 || /\b(?:psych sheet|heat sheet|meet program|seed time)\b/i.test(text))
}

/**
 * Refuses documents whose head says that they are something else.
 * @throws MillraceError NOT_A_HEAT_SHEET
 */
export function checkKind(pages: readonly SplitPage[]): void {
  const heads = pages.slice(0, 3).flatMap(({ head }) => head)
  for (const { says, is } of OTHER_KINDS) {
    if (heads.some((line) => says.test(line))) throw notASheet(is)
  }
}

/**
 * Refuses what could not be read as a sheet, by what reading it came to.
 * @throws MillraceError NOT_A_HEAT_SHEET, UNRECOGNIZED_LAYOUT
 */
export function checkReading(reading: Reading, pages: readonly TextPage[]): void {
  const { entries, leftovers, rows, teams, results } = reading
  if (results > 3 && results > 0.5 * rows) throw notASheet('meet results')
  const known = entries.filter(({ seed, age, grade }) => seed !== undefined || age !== undefined || grade !== undefined)
  const understood = entries.length > 0 && known.length >= 0.3 * entries.length
  if (understood && leftovers.length <= Math.max(3, rows)) return
  if (entries.length === 0 && teams > 0) {
    throw new MillraceError(
      'UNRECOGNIZED_LAYOUT',
      'This sheet lists relay teams but names no swimmers, so nobody can be looked up in it.',
    )
  }
  if (speaksOfHeats(pages)) {
    throw new MillraceError(
      'UNRECOGNIZED_LAYOUT',
      'This looks like a heat sheet, but not in a layout that can be read. Sheets made by HY-TEK Meet Manager can.',
    )
  }
  throw notASheet('something else')
}
