/** Finds the day of a session by its name and the days of its meet. */
import { normalizeText } from '../../../formats/unicode.ts'
import {
  DAY_MS,
  type DateRange,
  type DayOrder,
  findDates,
  findDayOnly,
  LONGEST_MEET_DAYS,
  toIso,
} from './date-texts.ts'

/** Names of each weekday from Sunday: English, Spanish, Portuguese, French, German. */
const WEEKDAYS: readonly RegExp[] = [
  /\b(?:sun(?:day)?|domingo|dimanche|sonntag)\b/,
  /\b(?:mon(?:day)?|lunes|segunda|lundi|montag)\b/,
  /\b(?:tue(?:s(?:day)?)?|martes|terca|mardi|dienstag)\b/,
  /\b(?:wed(?:nesday|s)?|miercoles|quarta|mercredi|mittwoch)\b/,
  /\b(?:thu(?:rs(?:day)?|r)?|jueves|quinta|jeudi|donnerstag)\b/,
  /\b(?:fri(?:day)?|viernes|sexta|vendredi|freitag)\b/,
  /\b(?:sat(?:urday)?|sabado|samedi|samstag)\b/,
]
/** Portuguese weekdays that are ordinals as well. */
const ORDINALS = /\b(?:segunda|terca|quarta|quinta|sexta)\b/g
function addDays(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10)
}

/** Finds the weekdays in a session's name, 0 for Sunday. */
function weekdaysIn(name: string): number[] {
  const plain = normalizeText(name.toLowerCase(), 'NFD').replace(/\p{M}/gu, '')
  const days = WEEKDAYS.flatMap((word, day) => (word.test(plain) ? [day] : []))
  // Some Portuguese weekdays are ordinals as well: `Segunda Jornada Sábado` is on a Saturday.
  const sure = days.filter((day) => WEEKDAYS[day]?.test(plain.replace(ORDINALS, '')))
  return sure.length > 0 ? sure : days
}

/**
 * Returns the day of a session: one that its name prints, else the day of the meet that is the weekday it names, else `Day 2` counted from
 * the start, else the meet's only day. A day without a year is of the meet's year, else of `year`. Null where the name leaves several days possible, or there are none: a day is never guessed.
 */
export function sessionDay(name: string, meet: DateRange | null, order: DayOrder, year?: number): string | null {
  const printed = findDates(name, order)?.range
  if (printed) return onlyDay(printed)
  const dated = findDayOnly(name)
  if (dated) return yearlessDay(dated, meet, year)
  if (!meet) return null
  const weekdays = weekdaysIn(name)
  const days = daysOf(meet).filter((day) => weekdays.includes(new Date(`${day}T00:00:00Z`).getUTCDay()))
  if (days.length > 0) return days.length === 1 ? (days[0] ?? null) : null
  const nth = /\bday\s{0,2}(\d)\b(?!\s{0,2}(?:[-–—&/+]|to|and)\s{0,2}\d)/i.exec(name)
  return (nth ? daysOf(meet)[Number(nth[1]) - 1] : undefined) ?? onlyDay(meet)
}

/** Completes a date without a year: to the day of the meet, else of the year. */
function yearlessDay(dated: { day: number; month: number }, meet: DateRange | null, year?: number): string | null {
  const { month, day } = dated
  const end = `-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`
  const ofMeet = meet ? daysOf(meet).find((one) => one.endsWith(end)) : undefined
  const inYear = meet ? Number(meet.start.slice(0, 4)) : year
  return ofMeet ?? (inYear === undefined ? null : toIso(inYear, month, day))
}

const onlyDay = ({ start, end }: DateRange) => (start === end ? start : null)

/** Lists the days of a meet in order; none of a range longer than the longest meet. */
function daysOf({ start, end }: DateRange): string[] {
  const count = (Date.parse(end) - Date.parse(start)) / DAY_MS + 1
  return count > LONGEST_MEET_DAYS ? [] : Array.from({ length: count }, (_, i) => addDays(start, i))
}

const SPOKEN = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' })

/** Formats a range of days: `5–7 March 2031`, `30 March – 2 April 2031`, `5 March 2031`. */
export function spokenDays({ start, end }: DateRange): string {
  const days = SPOKEN.formatRange(new Date(`${start}T00:00:00Z`), new Date(`${end}T00:00:00Z`))
  // The space around a dash differs between versions of ICU.
  return days.replace(/\s?–\s?/u, /^\d+\s?–\s?\d/u.test(days) ? '–' : ' – ')
}

const WEEKDAY = new Intl.DateTimeFormat('en-GB', { weekday: 'long', timeZone: 'UTC' })

/** Formats a day with its weekday: `Friday, 7 March 2031`. */
export function spokenWeekday(day: string): string {
  return `${WEEKDAY.format(new Date(`${day}T00:00:00Z`))}, ${spokenDays({ start: day, end: day })}`
}
