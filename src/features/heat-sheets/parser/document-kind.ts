/** Classifies documents, so that one that is no heat sheet is refused by its kind and never read in part. */
import { MillraceError } from '../../../errors.ts'
import type { TextPage } from '../../../formats/pdf-text.ts'
import type { SplitPage } from './header.ts'
import type { Reading } from './reader.ts'

/** Titles of other kinds of documents. */
const OTHER_KINDS: readonly { says: RegExp; is: string }[] = [
  {
    says: /^(?:.{0,80} [-–:] )?(?:(?:unofficial|official|complete|meet|final|full) )*(?:results?\b|ergebnis|resultados|r[ée]sultats|risultati|uitslagen)|\bresults$/i,
    is: 'meet results',
  },
  {
    says: /^(?:meet )?entries? (?:report|list)\b|^relay (?:teams|report)\b|^team (?:entry|roster)\b/i,
    is: 'a list of entries by team',
  },
  { says: /^(?:team )?(?:scores|rankings)\b|^(?:top times|best times)\b/i, is: 'a list of scores or times' },
  { says: /\bpositive check-? ?in\b|^check-? ?in (?:sheet|list)\b/i, is: 'a check-in sheet' },
]

const STANDARDS = 'a list of time standards'
const TRACK = 'a track-and-field program'

const TRACK_WORDS =
  /shot put|discus|javelin|long jump|high jump|triple jump|pole vault|hurdles|steeplechase|met(?:er|re) dash|track (?:&|and) field/gi

/** Kinds of documents by keywords, each counted once; the first with enough keywords applies. */
const KINDS_BY_WORDS: readonly { words: RegExp; enough: number; is: string }[] = [
  { words: TRACK_WORDS, enough: 2, is: TRACK },
  {
    words:
      /sanction|entry fees?|deadline|warm-?ups?|meet director|eligib|order of events|liability|concessions|scoring|awards|deck entr|officials|hospitality|registration|spectators|parking|scratch(?:es)? (?:rule|procedure)|facility|refund/gi,
    enough: 4,
    is: 'an announcement of a meet (a flyer or packet)',
  },
  {
    words:
      /\bresults?\b|ergebnis|resultados|r[ée]sultats|\bpoints\b|punkte|puntos|\bsplits?\b|reaction time|\bplace\b|platz|\bwa pts|fina p/gi,
    enough: 3,
    is: 'meet results',
  },
  { words: /time standards?|qualifying standards?|motivational|time cuts/gi, enough: 1, is: STANDARDS },
]

const STROKES = /\b(?:free(?:style)?|back(?:stroke)?|breast(?:stroke)?|fly|butterfly|medley|i\.?m\.?|relay)\b/i

/** Makes the error for a document of another kind. */
export function notASheet(is: string): MillraceError {
  return new MillraceError('NOT_A_HEAT_SHEET', `This document is ${is}, not a heat or psych sheet.`)
}

/** First pages that decide the kind of a document. */
const FIRST_PAGES = 5

const textOfPages = (pages: readonly TextPage[]) =>
  pages
    .slice(0, FIRST_PAGES)
    .flatMap(({ items }) => items.map((item) => item.text))
    .join(' ')

/** Checks whether a text mentions heats and lanes, or entries in order of seed. */
function speaksOfHeats(text: string): boolean {
  const events = text.match(/\bevent ?#? ?\d{1,4}\b|(?:^| )#\d{1,4} /gi)?.length ?? 0
  const heats =
    text.match(/\bheat ?\d{1,2}\b|\bH\d{1,2}\b(?= {1,3}L\d)|\blane\b|\bL\d{1,2}\b(?= {1,3}\()/gi)?.length ?? 0
  return events > 0 && (heats > 1 || /\b(?:psych sheet|heat sheet|meet program|seed time)\b/i.test(text))
}

function kindByWords(text: string): string | undefined {
  return KINDS_BY_WORDS.find(
    ({ words, enough }) => new Set((text.match(words) ?? []).map((word) => word.toLowerCase())).size >= enough,
  )?.is
}

/**
 * Refuses documents whose title is that of another kind.
 * @throws MillraceError NOT_A_HEAT_SHEET
 */
export function checkKind(pages: readonly SplitPage[]): void {
  const heads = pages.slice(0, 3).flatMap(({ head }) => head)
  for (const { says, is } of OTHER_KINDS) {
    if (heads.some((line) => says.test(line))) throw notASheet(is)
  }
}

/** Characters after which a document without a known letter counts as unreadable. */
const ENOUGH_LETTERS = 40

/**
 * Refuses text that maps to no letters, as of fonts without a Unicode mapping.
 * @throws MillraceError UNREADABLE_TEXT
 */
export function checkLetters(pages: readonly TextPage[]): void {
  const text = textOfPages(pages).replace(/\s+/g, '')
  const known = text.match(/[\p{L}\p{N}]/gu)?.length ?? 0
  const unknown = text.match(/[\p{Co}\p{Cc}\p{Cn}\uFFFD]/gu)?.length ?? 0
  // Some fonts encode their letters shifted, from the space on: `(YHQW` is `Event`.
  const shifted = /(?:\(YHQW|\+HDW|6HHG|\/DQH|1DPH)/.test(text) && !/event|heat|seed|lane|name/i.test(text)
  if (text.length < ENOUGH_LETTERS || !(unknown > 0.3 * text.length || known < 0.25 * text.length || shifted)) return
  throw new MillraceError(
    'UNREADABLE_TEXT',
    "This PDF's fonts don't say which letters their shapes are, so its text can't be read. Print it to a PDF anew, or export it again.",
  )
}

/** Refuses entries that name strokes or athletics events rather than swimmers, as lists of standards and other programs are parsed. */
function checkEntries({ entries, events }: Reading, text: string): void {
  const track = events.filter(({ name }) => name.match(TRACK_WORDS) !== null)
  const swum = events.filter(({ name }) => STROKES.test(name))
  if (track.length > swum.length) throw notASheet(TRACK)
  const unnamed = entries.filter(({ name }) => STROKES.test(name) || !/\p{L}{2}/u.test(name))
  if (unnamed.length > 0.3 * entries.length) throw notASheet(kindByWords(text) ?? STANDARDS)
}

/**
 * Refuses a document whose parse is no sheet.
 * @throws MillraceError NOT_A_HEAT_SHEET, UNRECOGNIZED_LAYOUT
 */
export function checkReading(reading: Reading, pages: readonly TextPage[]): void {
  const { entries, leftovers, rows, teams, results } = reading
  if (results > 3 && results > 0.5 * rows) throw notASheet('meet results')
  const text = textOfPages(pages)
  checkEntries(reading, text)
  const known = entries.filter(({ seed, age, grade }) => seed !== undefined || age !== undefined || grade !== undefined)
  const understood = entries.length > 0 && known.length >= 0.3 * entries.length
  if (understood && leftovers.length <= Math.max(3, rows)) return
  if (entries.length === 0 && teams > 0) {
    throw new MillraceError(
      'UNRECOGNIZED_LAYOUT',
      'This sheet lists relay teams but names no swimmers, so nobody can be looked up in it.',
    )
  }
  const kind = kindByWords(text)
  if (kind !== undefined && rows === 0) throw notASheet(kind)
  if (speaksOfHeats(text)) {
    throw new MillraceError(
      'UNRECOGNIZED_LAYOUT',
      'This looks like a heat sheet, but not in a layout that can be read. Sheets made by HY-TEK Meet Manager can.',
    )
  }
  throw notASheet(kind ?? 'something else')
}
