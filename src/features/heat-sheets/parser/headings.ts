/** Parses headings of events, of heats and of alternates. Each function takes a line's text and returns its facts. */
import type { Line } from './lines.ts'

export interface EventHeading {
  readonly number: number
  /** As printed; empty where only the number is on this line. */
  readonly name: string
  /** True where the event began earlier and continues here. */
  readonly continued: boolean
}

export interface HeatHeading {
  readonly heat: number
  /** Number of heats that the event has, where that is printed. */
  readonly of?: number
  readonly round?: string
  /** `HH:MM`. */
  readonly start?: string
  /** Event that continues here, in a heading at the top of a column. */
  readonly event?: EventHeading
}

const EVENT = /^(\(?)(?:event|#) ?(\d{1,4})[a-z]?(?: ?[/&] ?#?\d{1,4}[a-z]?)*(?= |\.|$|\()(.*)$/i
const HEAT = /^heat (\d{1,3})(?: of (\d{1,3}))?(?= |$|\()(.*)$/i
const CLOCK = /(?:starts? at )?\b(\d{1,2}):(\d{2}) ?(?:([ap])\.?m\b\.?)?/i
const CLOCK_LINE = /^(?:starts? at )?\d{1,2}:\d{2} ?(?:[ap]\.?m\.?)?$/i

const EVENT_WORD =
  /^[(]?(?:girls?|boys?|women|men|ladies|mixed|open|male|female|masters?|para|multi-?class|age|group|&|and|over|under|o|u|senior|junior|novice|\d{1,4}|\d{1,2}-\d{1,2}|\d{1,2}x\d{2,3}|x|yards?|yd|y|meters?|metres?|mtrs?|m|lc|sc|lcm|scm|scy|course|long|short|free(?:style)?|back(?:stroke)?|breast(?:stroke)?|(?:butter)?fly|butterfly|individual|medley|im|relay|diving|dive|springboard|platform|board|kick|pull)[),]?$/i

/** Checks whether all words are words of event names. */
function isEventName(text: string): boolean {
  return /\p{L}{2}/u.test(text) && text.split(' ').every((word) => EVENT_WORD.test(word))
}

/** Checks whether a text begins as the heading of an event does. */
export function isEventHeading(text: string): boolean {
  return /^\(?(?:event|#)/i.test(text)
}

/**
 * Checks whether an event's name continues in the line below its heading: it reached the end of its column, or the line consists of
 * words of event names.
 * @param name as read so far
 */
export function goesOnBelow(name: string, line: Line, above: Line): boolean {
  const [first] = line.words
  if (!first || line.words.length > 8) return false
  if (isEventName(line.text)) return line.x > above.x - 2 && line.x < above.x + 60
  const wrapped = above.right + (first.right - first.x) > line.end - 2 * line.size
  const isText = /^[\p{L}(]/u.test(line.text) && !/[:.]|\d{3}/.test(line.text) && line.words.length <= 6
  return isText && Math.abs(line.x - above.x) < 2 && (wrapped || name === '')
}

function eventName(rest: string): { name: string; dotted: boolean } {
  const dotted = /^ ?\.\.+ ?/.exec(rest)
  let name = rest.slice(dotted?.[0].length ?? 0).trim()
  if (dotted && name.startsWith('(')) name = name.slice(1).replace(/\)$/, '').trim()
  return { name: name.replace(/^[-–:.] ?/, ''), dotted: dotted !== null }
}

/** `Event 26 Girls …`, `#5 Women …`, `Event 21 / 22 Girls / Boys …`, `Event 8 ... (Men …)`, `(Event 8 Men …)`; else null. */
export function readEventHeading(text: string): EventHeading | null {
  const found = EVENT.exec(text)
  if (!found) return null
  const [, bracket, number, rest = ''] = found
  const { name, dotted } = eventName(bracket === '(' ? rest.replace(/\) *$/, '') : rest)
  if (name !== '' && !/^[\p{L}\d(]/u.test(name)) return null
  return { number: Number(number), name, continued: dotted || bracket === '(' }
}

/** Converts hours and minutes, with or without AM or PM, to a 24-hour clock. */
function clock(hours: number, minutes: number, half: string | undefined): string | null {
  if (minutes > 59 || hours > 23 || (half !== undefined && (hours < 1 || hours > 12))) return null
  const shift = half === undefined ? hours : (hours % 12) + (half.toLowerCase() === 'p' ? 12 : 0)
  return `${String(shift).padStart(2, '0')}:${String(minutes).padStart(2, '0')}`
}

function takeClock(text: string): { start?: string; rest: string } {
  const found = CLOCK.exec(text)
  const start = found && clock(Number(found[1]), Number(found[2]), found[3])
  if (!found || !start) return { rest: text }
  return { start, rest: text.replace(found[0], ' ') }
}

function takeBracket(text: string): { inner: string; rest: string } {
  const open = text.indexOf('(')
  if (open < 0) return { inner: '', rest: text }
  const close = text.lastIndexOf(')')
  const end = close > open ? close : text.length
  return { inner: text.slice(open + 1, end), rest: `${text.slice(0, open)} ${text.slice(end + 1)}` }
}

/** `Heat 3 of 7 Finals Starts at 10:12 AM`, `Heat 1 C - Final`, `Heat 5 (#7 Girls …)`, `Heat 5 (Heat 3 Girls …)`; else null. */
export function readHeatHeading(text: string): HeatHeading | null {
  const found = HEAT.exec(text)
  if (!found) return null
  const [, heat, of, tail = ''] = found
  const { inner, rest } = takeBracket(tail)
  const clocked = takeClock(rest)
  const round = clocked.rest
    .replace(/ +/g, ' ')
    .trim()
    .replace(/^[-–] ?| ?[-–]$/g, '')
  const event = readEventHeading(inner)
  return {
    heat: Number(heat),
    ...(of === undefined ? {} : { of: Number(of) }),
    ...(round === '' ? {} : { round }),
    ...(clocked.start === undefined ? {} : { start: clocked.start }),
    ...(event === null ? {} : { event }),
  }
}

/** A heat's start on a line of its own, wrapped off its heading: `HH:MM`, else null. */
export function readClockLine(text: string): string | null {
  return CLOCK_LINE.test(text) ? (takeClock(text).start ?? null) : null
}

/** Checks whether a text is the heading of alternates, so that the rows below are such. */
export function isAlternatesHeading(text: string): boolean {
  return /^(?:alternates?|reserves?)\b:?(?: \(.{0,60}\))?$/i.test(text)
}
