/**
 * Serializes calendars (RFC 5545) by ical.js, which does folding, escaping and value types. `ts-ics` has no floating times, and sheets
 * print no others.
 */
import ICAL from 'ical.js'
import { instantOf } from './time-zone.ts'

/** Whole days. */
interface Days {
  /** `YYYY-MM-DD`, as is `lastDay`. */
  readonly firstDay: string
  readonly lastDay: string
}

/** A time of day. */
interface Time {
  /** `YYYY-MM-DDTHH:MM`, local time of the pool. */
  readonly start: string
  readonly minutes: number
}

/** An entry of a calendar. */
export interface CalendarEntry {
  /** Unique, and the same in every edition of the entry. */
  readonly uid: string
  /** Time of this edition, in milliseconds since the epoch: a later one replaces an earlier one. */
  readonly revisedAt: number
  readonly at: Days | Time
  readonly title: string
  readonly details: string
  readonly place: string | undefined
  /** URL of a page about it. */
  readonly url: string | undefined
}

/** A calendar. */
export interface Calendar {
  readonly name: string
  readonly description: string | undefined
  readonly entries: readonly CalendarEntry[]
}

/** Options of serialization. */
export interface CalendarOptions {
  /** Minutes before a start at which an alarm rings; null for none. Entries of whole days have none: it would ring at midnight. */
  readonly reminder: number | null
  /** Zone of the IANA database that starts are in; without it they are floating: the same time of day wherever the reader is. */
  readonly timeZone: string | undefined
}

/** A property in jCal (RFC 7265): name, parameters, type, value. */
type Property = readonly [name: string, parameters: object, type: string, value: string | number]
type Component = readonly [name: string, properties: readonly Property[], components: readonly Component[]]

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
/** Refresh interval for subscribed calendars. */
const REFRESH = 'PT15M'

// Lines may have 75 bytes; the library does not count the space that begins a continuation line.
ICAL.foldLength = 74

const text = (name: string, value: string): Property => [name, {}, 'text', value]
/** ISO 8601 to the second, `Z` included. */
const utc = (instant: number) => `${new Date(instant).toISOString().slice(0, 19)}Z`

/** Writes a calendar as `text/calendar`. */
export function writeCalendar({ name, description, entries }: Calendar, options: CalendarOptions): string {
  const properties: Property[] = [
    text('version', '2.0'),
    text('prodid', '-//Millrace//Heat sheets//EN'),
    text('calscale', 'GREGORIAN'),
    text('method', 'PUBLISH'),
    text('name', name),
    text('x-wr-calname', name),
    ...(description === undefined ? [] : [text('description', description), text('x-wr-caldesc', description)]),
    ...(options.timeZone === undefined ? [] : [text('x-wr-timezone', options.timeZone)]),
    ['refresh-interval', {}, 'duration', REFRESH],
    text('x-published-ttl', REFRESH),
  ]
  const calendar: Component = ['vcalendar', properties, entries.map((entry) => component(entry, options))]
  return `${ICAL.stringify([...calendar])}\r\n`
}

function component(entry: CalendarEntry, options: CalendarOptions): Component {
  const { uid, revisedAt, at, title, details, place, url } = entry
  const properties: Property[] = [
    text('uid', uid),
    ['dtstamp', {}, 'date-time', utc(revisedAt)],
    ['last-modified', {}, 'date-time', utc(revisedAt)],
    // Minutes since the epoch, which fit into 32 bits for some 4,000 years.
    ['sequence', {}, 'integer', Math.floor(revisedAt / MINUTE_MS)],
    ...('start' in at ? timed(at, options.timeZone) : ofDays(at)),
    text('summary', title),
    text('description', details),
    ...(place === undefined ? [] : [text('location', place)]),
    ...(url === undefined ? [] : [['url', {}, 'uri', url] as const]),
  ]
  const alarms = 'start' in at && options.reminder !== null ? [alarm(title, options.reminder)] : []
  return ['vevent', properties, alarms]
}

function timed({ start, minutes }: Time, timeZone: string | undefined): Property[] {
  // Floating times are computed as UTC.
  const instant = timeZone === undefined ? Date.parse(`${start}:00Z`) : instantOf(start, timeZone)
  const shown = (at: number) => (timeZone === undefined ? utc(at).slice(0, -1) : utc(at))
  return [
    ['dtstart', {}, 'date-time', shown(instant)],
    ['dtend', {}, 'date-time', shown(instant + minutes * MINUTE_MS)],
  ]
}

/** Makes the properties of whole days: `DTEND` is exclusive, and the time is shown as free. */
function ofDays({ firstDay, lastDay }: Days): Property[] {
  const end = new Date(Date.parse(`${lastDay}T00:00:00Z`) + DAY_MS).toISOString().slice(0, 10)
  return [['dtstart', {}, 'date', firstDay], ['dtend', {}, 'date', end], text('transp', 'TRANSPARENT')]
}

const alarm = (title: string, minutes: number): Component => [
  'valarm',
  [text('action', 'DISPLAY'), text('description', title), ['trigger', {}, 'duration', `-PT${minutes}M`]],
  [],
]
