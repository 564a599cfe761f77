/** Days as sheets print them, in the US, European, ISO and written ways, and the day of a session. */

export interface DateRange {
  readonly start: string
  readonly end: string
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
/** By weekday from Sunday, the words that meets name it by: English, Spanish, Portuguese, French, German. */
const WEEKDAYS: readonly RegExp[] = [
  /\b(?:sun(?:day)?|domingo|dimanche|sonntag)\b/,
  /\b(?:mon(?:day)?|lunes|segunda|lundi|montag)\b/,
  /\b(?:tue(?:s(?:day)?)?|martes|terca|mardi|dienstag)\b/,
  /\b(?:wed(?:nesday|s)?|miercoles|quarta|mercredi|mittwoch)\b/,
  /\b(?:thu(?:rs(?:day)?|r)?|jueves|quinta|jeudi|donnerstag)\b/,
  /\b(?:fri(?:day)?|viernes|sexta|vendredi|freitag)\b/,
  /\b(?:sat(?:urday)?|sabado|samedi|samstag)\b/,
]
/** A meet is shorter than this, so a range that is longer was read in the wrong order of day and month. */
const LONGEST_MEET_DAYS = 31

const MONTH = '(?:jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]{0,6}\\.?'
const NUMERIC = String.raw`\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{4}`
const UNTIL = String.raw`\s{0,3}(?:-|–|—|to|until|thru|through|&)\s{0,3}`

const NUMERIC_RANGE = new RegExp(`(?:${NUMERIC})(?:${UNTIL}(?:${NUMERIC}))?`, 'i')
/** `August 7-10, 2031`, `July 30 - August 2, 2031`, `January 16, 2031`. */
const US_WRITTEN = new RegExp(
  String.raw`\b(${MONTH})\s{0,3}(\d{1,2})(?:${UNTIL}(?:(${MONTH})\s{0,3})?(\d{1,2}))?,?\s{0,3}(\d{4})\b`,
  'i',
)
/** `7-10 August 2031`, `30 July - 2 August 2031`. */
const WRITTEN = new RegExp(
  String.raw`\b(\d{1,2})(?:\s{0,3}(${MONTH}))?(?:${UNTIL}(\d{1,2}))?\s{0,3}(${MONTH}),?\s{0,3}(\d{4})\b`,
  'i',
)

function iso(year: number, month: number, day: number): string | null {
  const date = new Date(Date.UTC(year, month - 1, day))
  const right = date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  return right ? date.toISOString().slice(0, 10) : null
}

function range(start: string | null, end: string | null): DateRange | null {
  if (start === null) return null
  return { start, end: end !== null && end >= start ? end : start }
}

function numericDay(text: string, dayFirst: boolean): string | null {
  const [a = 0, b = 0, c = 0] = text.split(/[-/.]/).map(Number)
  if (text.includes('-')) return iso(a, b, c)
  if (text.includes('.') || dayFirst) return iso(c, b, a) ?? iso(c, a, b)
  return iso(c, a, b) ?? iso(c, b, a)
}

/**
 * Tells whether slashed days among these texts put the day first: some first part is beyond 12 and no second part is, or a range
 * of them would be longer than any meet otherwise.
 */
export function putsDayFirst(texts: readonly string[]): boolean {
  let first = false
  for (const text of texts) {
    const days = [...text.matchAll(/\b(\d{1,2})\/(\d{1,2})\/(\d{4})\b/g)]
    for (const [, a, b] of days) {
      if (Number(b) > 12) return false
      if (Number(a) > 12) first = true
    }
    const [from, to] = days.map(([day]) => day)
    if (from !== undefined && to !== undefined && NUMERIC_RANGE.exec(text)?.[0].includes(to)) {
      first ||= span(from, to, false) > LONGEST_MEET_DAYS && span(from, to, true) <= LONGEST_MEET_DAYS
    }
  }
  return first
}

/** Days between two days; infinite when they are none, or the wrong way round. */
function span(from: string, to: string, dayFirst: boolean): number {
  const [start, end] = [numericDay(from, dayFirst), numericDay(to, dayFirst)]
  if (start === null || end === null || end < start) return Number.POSITIVE_INFINITY
  return (Date.parse(end) - Date.parse(start)) / 86_400_000
}

function monthNumber(name: string | undefined): number {
  return name === undefined ? 0 : MONTHS.indexOf(name.slice(0, 3).toLowerCase()) + 1
}

function writtenRange(text: string): { range: DateRange | null; printed: string } | null {
  const us = US_WRITTEN.exec(text)
  if (us) {
    const [printed, month, day, month2, day2, year] = us
    const start = iso(Number(year), monthNumber(month), Number(day))
    const end = day2 === undefined ? null : iso(Number(year), monthNumber(month2 ?? month), Number(day2))
    return { range: range(start, end), printed }
  }
  const other = WRITTEN.exec(text)
  if (!other) return null
  const [printed, day, month, day2, month2, year] = other
  const start = iso(Number(year), monthNumber(month ?? month2), Number(day))
  const end = day2 === undefined ? null : iso(Number(year), monthNumber(month2), Number(day2))
  return { range: range(start, end), printed }
}

/** The first day or range of days in a line, and the line without it; null when it names none. */
export function findDates(text: string, dayFirst: boolean): { range: DateRange; rest: string } | null {
  const numeric = NUMERIC_RANGE.exec(text)
  if (numeric) {
    const [printed] = numeric
    const [from = '', to] = printed.match(new RegExp(NUMERIC, 'g')) ?? []
    const found = range(numericDay(from, dayFirst), to === undefined ? null : numericDay(to, dayFirst))
    return found && { range: found, rest: without(text, printed) }
  }
  const written = writtenRange(text)
  return written?.range ? { range: written.range, rest: without(text, written.printed) } : null
}

function without(text: string, printed: string): string {
  const [before = '', after = ''] = text.split(printed, 2)
  const clean = (part: string) => part.trim().replace(/^[-–—,;(]\s*|\s*[-–—,;)(]$/g, '')
  return [clean(before), clean(after)]
    .filter((part) => part.trim() !== '')
    .join(' ')
    .trim()
}

function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10)
}

/** The weekday a session's name begins to speak of, 0 for Sunday. */
function weekdayIn(name: string): number | null {
  const plain = name.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '')
  const found = WEEKDAYS.flatMap((word, day) => {
    const at = plain.search(word)
    return at < 0 ? [] : [{ day, at }]
  })
  return found.toSorted((one, other) => one.at - other.at)[0]?.day ?? null
}

/**
 * The day of a session: one that its name prints, else the first day of the meet that is the weekday it names, else `Day 2`
 * counted from the start, else the start, `guessed` unless the meet has one day only. Null without a meet's dates.
 */
export function sessionDay(
  name: string,
  meet: DateRange | null,
  dayFirst: boolean,
): { date: string | null; guessed: boolean } {
  const printed = findDates(name, dayFirst)
  if (printed) return { date: printed.range.start, guessed: false }
  if (!meet) return { date: null, guessed: false }
  const weekday = weekdayIn(name)
  if (weekday !== null) {
    const first = new Date(`${meet.start}T00:00:00Z`).getUTCDay()
    const day = addDays(meet.start, (weekday - first + 7) % 7)
    if (day <= meet.end) return { date: day, guessed: false }
  }
  const nth = /\bday\s{0,2}(\d)\b/i.exec(name)
  if (nth) {
    const day = addDays(meet.start, Number(nth[1]) - 1)
    if (Number(nth[1]) > 0 && day <= meet.end) return { date: day, guessed: false }
  }
  return { date: meet.start, guessed: meet.end !== meet.start }
}
