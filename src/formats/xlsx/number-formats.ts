/** Numbers of cells as text: dates by their number formats, all else with the digits that the file has. */

/** Style of a cell as far as it changes what a number means. */
export type NumberStyle =
  | { readonly kind: 'plain' }
  | { readonly kind: 'date'; readonly hasDay: boolean; readonly hasTime: boolean }
  /** Hours beyond 24, minutes beyond 60. */
  | { readonly kind: 'elapsed' }
  /** Leading zeros, as of postal codes. */
  | { readonly kind: 'digits'; readonly digits: number }

const PLAIN: NumberStyle = { kind: 'plain' }
const DAY: NumberStyle = { kind: 'date', hasDay: true, hasTime: false }
const TIME: NumberStyle = { kind: 'date', hasDay: false, hasTime: true }
const DAY_AND_TIME: NumberStyle = { kind: 'date', hasDay: true, hasTime: true }

const between = (id: number, first: number, last: number) => id >= first && id <= last

/** Style of a format that every program knows by its number (18.8.30 of the standard; 27 to 36 and 50 to 58 are dates of East Asia). */
export function builtInStyle(id: number): NumberStyle {
  if (id === 22) return DAY_AND_TIME
  if (between(id, 18, 21) || id === 45 || id === 47 || between(id, 32, 33)) return TIME
  if (id === 46) return { kind: 'elapsed' }
  if (between(id, 14, 17) || between(id, 27, 36) || between(id, 50, 58)) return DAY
  return PLAIN
}

/** Style of a format as it is written: `yyyy-mm-dd`, `[$-409]h:mm AM/PM`, `00000`. */
export function styleOfFormat(code: string): NumberStyle {
  // Quoted and escaped characters, and blanks as wide as one, stand for themselves; in brackets are colours and languages.
  const [first = ''] = code.replace(/"[^"]*"|\\.|_.|\*./g, '').split(';')
  if (/\[(?:h+|m+|s+)\]/i.test(first)) return { kind: 'elapsed' }
  const letters = first.replace(/\[[^\]]*\]/g, '')
  if (/^0{2,}$/.test(letters)) return { kind: 'digits', digits: letters.length }
  if (/general/i.test(letters)) return PLAIN
  const hasTime = /[hs]/i.test(letters)
  const hasDay = /[dy]/i.test(letters) || (/m/i.test(letters) && !hasTime)
  return hasDay || hasTime ? { kind: 'date', hasDay, hasTime } : PLAIN
}

const DAY_MS = 86_400_000
/** The last day of the year 9999. */
const LAST_DAY = 2_958_466

/**
 * Writes a number as the text of a card.
 * @param written as the file has it
 * @param startsIn1904 of workbooks that were made on a Mac, whose dates begin later
 * @returns null where it is no number, or no day of the calendar
 */
export function formatNumber(written: string, style: NumberStyle, startsIn1904: boolean): string | null {
  const text = written.trim()
  if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text)) return null
  if (style.kind === 'elapsed') return formatElapsed(Number(text))
  if (style.kind === 'date') return formatDate(Number(text), style, startsIn1904)
  const digits = plainDigits(text)
  if (style.kind === 'plain' || !/^\d+$/.test(digits)) return digits
  return digits.padStart(style.digits, '0')
}

/**
 * Spreadsheets calculate with doubles and write 1.1 as 1.1000000000000001, which is the same double; of such a one, and of powers of ten,
 * the shortest text is given. All other digits, also those that no double holds, were meant as they stand.
 */
function plainDigits(text: string): string {
  if (/^-?\d+$/.test(text)) return text
  const digits = text.replace(/e.*$/i, '').replace(/\D/g, '').replace(/^0+/, '').length
  const number = Number(text)
  const isShort = digits <= 15 && /^-?\d+(?:\.\d+)?$/.test(text)
  if (isShort || digits > 17 || !Number.isFinite(number)) return text
  return Object.is(number, -0) ? '0' : String(number)
}

/** Milliseconds of a day, rounded as spreadsheets do: a fraction of a day is seldom a whole second. */
const timeOf = (fraction: number) => Math.round(fraction * DAY_MS)

function clock(ms: number, hours: number): string {
  const two = (number: number) => String(number).padStart(2, '0')
  const rest = ms % 1_000
  const minutes = Math.floor(ms / 60_000) % 60
  const seconds = Math.floor(ms / 1_000) % 60
  return `${two(hours)}:${two(minutes)}:${two(seconds)}${rest === 0 ? '' : `.${String(rest).padStart(3, '0')}`}`
}

function formatElapsed(days: number): string | null {
  if (Math.abs(days) > LAST_DAY) return null
  const ms = timeOf(Math.abs(days))
  return `${days < 0 ? '-' : ''}${clock(ms, Math.floor(ms / 3_600_000))}`
}

function formatDate(
  days: number,
  { hasDay, hasTime }: { hasDay: boolean; hasTime: boolean },
  startsIn1904: boolean,
): string | null {
  if (days < 0 || days >= LAST_DAY) return null
  const ms = timeOf(days)
  const inDay = ms % DAY_MS
  const time = clock(inDay, Math.floor(inDay / 3_600_000))
  const serial = Math.floor(ms / DAY_MS)
  if (serial === 0 && !hasDay) return time
  const day = dayOf(serial, startsIn1904)
  return hasTime || inDay !== 0 ? `${day}T${time}` : day
}

/** The calendar of spreadsheets has a 29th of February 1900, day 60, that no other has. */
function dayOf(serial: number, startsIn1904: boolean): string {
  if (!startsIn1904 && serial === 60) return '1900-02-29'
  const first = startsIn1904 ? Date.UTC(1904, 0, 1) : Date.UTC(1899, 11, serial < 60 ? 31 : 30)
  return new Date(first + serial * DAY_MS).toISOString().slice(0, 10)
}
