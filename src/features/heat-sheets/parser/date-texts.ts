/** Parses printed dates: numbers in the orders of several countries, and month names of several languages. */
import { normalizeText } from '../../../formats/unicode.ts'

export interface DateRange {
  readonly start: string
  readonly end: string
}

/** Order of day and month in numeric dates, by separator. With points the day is always first. */
export interface DayOrder {
  /** True for `16/1/2031`, false for `1/16/2031`. */
  readonly slash: boolean
  readonly dash: boolean
  /** A printed date that is ambiguous on this sheet. */
  readonly unsure?: string
}

/** Names of each month in English, Spanish, Portuguese, French, German, Italian and Dutch, without accents. */
const MONTHS = `
january jan janvier janv januar jaenner enero ene janeiro gennaio gen januari|february feb fevrier fevr fev februar febrero febr fevereiro febbraio februari
march mar mars marz maerz mrz marzo marco maart mrt|april apr avril avr abril abr aprile|may mai mayo maio maggio mag mei|june jun juin juni junio junho giugno giu
july jul juillet juil juli julio julho luglio lug|august aug aout agosto ago augustus|september sept sep septembre septiembre setiembre setembro set settembre
october oct octobre oktober okt octubre outubro out ottobre ott|november nov novembre noviembre novembro|december dec decembre dezember dez diciembre dic dezembro dicembre`
  .trim()
  .split(/[|\n]/)
  .map((names) => names.split(' '))

/** Longest meet, in days: a longer range was read in the wrong order of day and month. */
export const LONGEST_MEET_DAYS = 31
export const DAY_MS = 86_400_000
/** Most days between the printing of a sheet and its meet by which the order is decided. */
const NEAR_DAYS = 45
/** Factor, and number of days, by which the wrong order must put the meet further from the printing. */
const FARTHER = 2
const FARTHER_DAYS = 20

const WORDS = MONTHS.flat().toSorted((a, b) => b.length - a.length)
const MONTH = String.raw`(${WORDS.join('|')})\b\.?`
const DAY = String.raw`(\d{1,2})(?:st|nd|rd|th|er|\.|º|ª)?`
const OF = String.raw`\s{0,3}(?:-|/|of |de |di |d')?\s{0,3}`
/** Year: two digits only after a dash, a slash or an apostrophe. */
const YEAR = String.raw`(?:\s{0,3}(?:,|de|del|of|-|/)?\s{0,3}(\d{4})|\s?[-/'’](\d{2}))(?!\d)`
const PLAIN_YEAR = String.raw`(?:\s{0,3},?\s{0,3}(\d{4})|\s?['’](\d{2}))(?!\d)`
const UNTIL = String.raw`\s{0,3}(?:-|–|—|to|until|thru|through|and|&|al|a|bis|und|au|et|ate|y|e|t/m)\s{0,3}`
const WEEKDAY = String.raw`(?:(?:mon|tue|wed|thu|fri|sat|sun|lun|mar|mie|jue|vie|sab|dom|seg|ter|qua|qui|sex|mer|jeu|ven|sam|dim|mo|di|mi|do|fr|sa|so)[a-z]{0,8}(?:-feira)?\.?,?\s{1,3})?`
const MORE_DAYS = String.raw`(?:,\s?\d{1,2}){0,5}`
const NUMERIC = String.raw`(?<![\d/.-])(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2(?:\d{4}|\d{2}))(?![\d/])`

/** `16-18 January 2031`, `16 Jan 2031 to 18 Jan 2031`, `30 July - 2 August 2031`, `16 al 18 de enero de 2031`. */
const DAY_RANGE = new RegExp(
  String.raw`\b${DAY}${MORE_DAYS}(?:${OF}${MONTH}(?:${YEAR})?)?${UNTIL}${WEEKDAY}${DAY}${OF}${MONTH}${YEAR}`,
)
/** `Saturday 17th January 2031`, `01-Dec-17`. */
const DAY_FIRST = new RegExp(String.raw`\b${DAY}${OF}${MONTH}${YEAR}`)
/** `August 7-10, 2031`, `July 30 - August 2, 2031`, `January 16, 2031`. */
const MONTH_FIRST = new RegExp(
  String.raw`\b${MONTH}\s{0,3}${DAY}${MORE_DAYS}(?:${PLAIN_YEAR})?(?:${UNTIL}${WEEKDAY}(?:${MONTH}\s{0,3})?${DAY})?${PLAIN_YEAR}`,
)
const SECOND_NUMERIC = NUMERIC.replaceAll('\\1', '\\3').replaceAll('\\2', '\\4')
const NUMERIC_RANGE = new RegExp(`${NUMERIC}(?:${UNTIL}${WEEKDAY}${SECOND_NUMERIC})?`)
/** `16/01 - 18/01/2031`, `16.1.-18.1.2031`, `3/7-3/9/2031`. */
const SHORT_RANGE = /(?<![\d/.-])(\d{1,2})([/.])(\d{1,2})\.?\s?[-–]\s?(\d{1,2})\2(\d{1,2})\2(\d{4}|\d{2})(?!\d)/
/** `3/7-9/2031` and `16.-18.1.2031`, `16-18/1/2031`. */
const SHORTER_RANGE =
  /(?<![\d/.-])(?:(\d{1,2})\/(\d{1,2})[-–](\d{1,2})\/(\d{4})|(\d{1,2})\.?[-–](\d{1,2})([/.])(\d{1,2})\7(\d{4}))(?!\d)/
/** Days of a month without a year. */
const DAYS_ONLY = new RegExp(
  String.raw`\b${DAY}${UNTIL}${WEEKDAY}${DAY}${OF}${MONTH}|\b${MONTH}\s{0,3}${DAY}${UNTIL}(?:${MONTH}\s{0,3})?${DAY}`,
)
const DAY_ONLY = new RegExp(String.raw`\b${DAY}${OF}${MONTH}|\b${MONTH}\s{0,3}${DAY}(?![\d:])`)

/** Folds to lower case without accents, letter by letter, so that offsets are those of the text. */
function fold(text: string): string {
  return [...normalizeText(text, 'NFC')]
    .map((letter) => normalizeText(letter, 'NFD').replace(/\p{M}/gu, '').toLowerCase() || letter)
    .join('')
}

export function toIso(year: number, month: number, day: number): string | null {
  const full = year < 100 ? 2000 + year : year
  const date = new Date(Date.UTC(full, month - 1, day))
  const right = date.getUTCFullYear() === full && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  return right ? date.toISOString().slice(0, 10) : null
}

function monthOf(name: string | undefined): number {
  return name === undefined ? 0 : MONTHS.findIndex((names) => names.includes(name)) + 1
}

function range(start: string | null, end: string | null): DateRange | null {
  if (start === null) return null
  return { start, end: end !== null && end >= start ? end : start }
}

/** Parses a numeric date in both orders; both the same where only one is possible. */
function numericDays(text: string): { monthFirst: string | null; dayFirst: string | null } {
  const [a = 0, b = 0, c = 0] = text.split(/[-/.]/).map(Number)
  const yearFirst = /^\d{4}/.test(text)
  const [us, other] = yearFirst ? [toIso(a, b, c), toIso(a, b, c)] : [toIso(c, a, b), toIso(c, b, a)]
  return { monthFirst: us ?? other, dayFirst: other ?? us }
}

function putsDayFirst(text: string, order: DayOrder): boolean {
  return text.includes('.') || (text.includes('/') ? order.slash : order.dash)
}

function numericDay(text: string, order: DayOrder): string | null {
  const { monthFirst, dayFirst } = numericDays(text)
  return putsDayFirst(text, order) ? dayFirst : monthFirst
}

interface Found {
  readonly range: DateRange | null
  readonly at: number
  readonly length: number
}

const found = (match: RegExpExecArray, days: DateRange | null): Found => ({
  range: days,
  at: match.index,
  length: match[0].length,
})

function shortRange(text: string, order: DayOrder): Found | null {
  const short = SHORT_RANGE.exec(text)
  if (short) {
    const [, a, mark, b, c, d, year] = short
    const [from, to] = [`${a}${mark}${b}${mark}${year}`, `${c}${mark}${d}${mark}${year}`]
    return found(short, range(numericDay(from, order), numericDay(to, order)))
  }
  const shorter = SHORTER_RANGE.exec(text)
  if (!shorter) return null
  const [, month, day, last, year, from, to, mark, in_, of] = shorter
  if (year !== undefined) {
    if (order.slash) return null
    const end = toIso(Number(year), Number(month), Number(last))
    return found(shorter, range(toIso(Number(year), Number(month), Number(day)), end))
  }
  if ((mark === '/' && !order.slash) || Number(from) >= Number(to)) return null
  return found(shorter, range(toIso(Number(of), Number(in_), Number(from)), toIso(Number(of), Number(in_), Number(to))))
}

function numericRange(text: string, order: DayOrder): Found | null {
  const match = NUMERIC_RANGE.exec(text)
  if (!match) return null
  const [from = '', to] = match[0].match(new RegExp(NUMERIC, 'g')) ?? []
  return found(match, range(numericDay(from, order), to === undefined ? null : numericDay(to, order)))
}

function writtenRange(text: string): Found | null {
  const several = DAY_RANGE.exec(text)
  if (several) {
    const [, day, month, year, year2, day2, month2, year3, year4] = several
    const until = Number(year3 ?? year4)
    const start = toIso(Number(year ?? year2 ?? until), monthOf(month ?? month2), Number(day))
    return found(several, range(start, toIso(until, monthOf(month2), Number(day2))))
  }
  const one = DAY_FIRST.exec(text)
  if (one) {
    const [, day, month, year, year2] = one
    return found(one, range(toIso(Number(year ?? year2), monthOf(month), Number(day)), null))
  }
  const us = MONTH_FIRST.exec(text)
  if (!us) return null
  const [, month, day, year, year2, month2, day2, year3, year4] = us
  const until = Number(year3 ?? year4)
  const start = toIso(Number(year ?? year2 ?? until), monthOf(month), Number(day))
  const end = day2 === undefined ? null : toIso(until, monthOf(month2 ?? month), Number(day2))
  return found(us, range(start, end))
}

/** Finds the first date or range in a line, and the line without it; null when there is none. */
export function findDates(text: string, order: DayOrder): { range: DateRange; rest: string } | null {
  const plain = fold(text)
  const days = shortRange(plain, order) ?? numericRange(plain, order) ?? writtenRange(plain)
  if (!days?.range) return null
  const before = text.slice(0, days.at).replace(WEEKDAY_AT_END, '')
  return { range: days.range, rest: joined(before, text.slice(days.at + days.length)) }
}

/** Weekday before a date, which belongs to it. */
const WEEKDAY_AT_END = /(?:^|[\s,–-])(?:mon|tues|wednes|thurs|fri|satur|sun)day,?\s*$|\b(?:del|vom|du|from)\s*$/i

function joined(before: string, after: string): string {
  const clean = (part: string) => part.trim().replace(/^[-–—,;()]\s*|\s*[-–—,;)(]$/g, '')
  return [clean(before), clean(after)]
    .filter((part) => part.trim() !== '')
    .join(' ')
    .trim()
}

/** Finds a date without a year; null where there is none, or more than one. */
export function findDayOnly(text: string): { readonly day: number; readonly month: number } | null {
  const plain = fold(text)
  const one = DAYS_ONLY.test(plain) ? null : DAY_ONLY.exec(plain)
  if (!one) return null
  const [, day, month, month2, day2] = one
  return { day: Number(day ?? day2), month: monthOf(month ?? month2) }
}

/** Counts the days between two dates; infinite when one is invalid. */
function span(from: string | null, to: string | null): number {
  return from === null || to === null ? Number.POSITIVE_INFINITY : (Date.parse(to) - Date.parse(from)) / DAY_MS
}

interface Printed {
  readonly text: string
  readonly monthFirst: string
  readonly dayFirst: string
}

/** Lists the numeric dates of a text, ambiguous or not. */
function daysIn(text: string, mark: string): Printed[] {
  return [...text.matchAll(new RegExp(NUMERIC, 'g'))].flatMap(([day]) => {
    const { monthFirst, dayFirst } = numericDays(day)
    const known = monthFirst !== null && dayFirst !== null && !/^\d{4}/.test(day) && day.includes(mark)
    return known ? [{ text: day, monthFirst, dayFirst }] : []
  })
}

/** Returns true where a numeric date is valid only with the day first, false only with the month first; null where it is ambiguous. */
function ownOrder({ text, monthFirst, dayFirst }: Printed): boolean | null {
  return monthFirst === dayFirst && !/^0?(\d+)\D0?\1\D/.test(text) ? Number(text.split(/\D/)[0]) > 12 : null
}

function isMeet(from: string, to: string): boolean {
  const days = span(from, to)
  return days >= 0 && days <= LONGEST_MEET_DAYS
}

/** Finds the order in which no range is longer than a meet; null where that decides nothing. */
function orderOfRanges(lines: readonly string[], mark: string): boolean | null {
  for (const line of lines) {
    const [from, to] = daysIn(NUMERIC_RANGE.exec(line)?.[0] ?? '', mark)
    if (!from || !to) continue
    const [us, other] = [isMeet(from.monthFirst, to.monthFirst), isMeet(from.dayFirst, to.dayFirst)]
    if (us !== other) return other
  }
  return null
}

/** Finds the order in which dates are near the day of printing. */
function orderOfStamps(days: readonly Printed[], stamps: readonly string[], mark: string): boolean | null {
  const [day] = days
  const stamp = stamps.flatMap((line) => ['/', '-', '.'].flatMap((one) => daysIn(line, one)))[0]
  if (!day || !stamp) return null
  const own = stamp.text.includes('.') ? true : ownOrder(stamp)
  const stampOf = (dayFirst: boolean) => {
    const order = own ?? (stamp.text.includes(mark) ? dayFirst : null)
    return order === null ? null : order ? stamp.dayFirst : stamp.monthFirst
  }
  const [us, other] = [Math.abs(span(stampOf(false), day.monthFirst)), Math.abs(span(stampOf(true), day.dayFirst))]
  const [least, most] = [Math.min(us, other), Math.max(us, other)]
  if (least > NEAR_DAYS || most < FARTHER * least || most - least < FARTHER_DAYS) return null
  return other < us
}

/**
 * Detects the order of day and month in a document: from an unambiguous date, from ranges, or from the distance to the day of printing.
 * @param lines texts that may contain dates
 * @param stamps those of them with the day of printing
 */
export function readDayOrder(lines: readonly string[], stamps: readonly string[] = []): DayOrder {
  let unsure: string | undefined
  const orderOf = (mark: string, usual: boolean) => {
    const own = [...lines, ...stamps].flatMap((line) => daysIn(line, mark)).map(ownOrder)
    // A date that is valid only with the month first outweighs those that allow the day first.
    if (own.includes(false)) return false
    if (own.includes(true)) return true
    const days = lines.flatMap((line) => daysIn(line, mark))
    const order = orderOfRanges(lines, mark) ?? orderOfStamps(days, stamps, mark)
    unsure ??= order === null ? days.find((day) => day.monthFirst !== day.dayFirst)?.text : undefined
    return order ?? usual
  }
  const [slash, dash] = [orderOf('/', false), orderOf('-', true)]
  return { slash, dash, ...(unsure === undefined ? {} : { unsure }) }
}
