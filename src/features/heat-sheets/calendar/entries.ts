/** Converts swims to calendar entries. Their UIDs are stable, so that a newer sheet of the meet updates them. */
import { sha256 } from '../../../formats/sha256.ts'
import { meetKeyOf } from '../meet-key.ts'
import { normalizeSwimmer } from '../parser/names.ts'
import { secondsOf } from '../parser/seed-times.ts'
import type { Extraction, SwimEvent } from '../schemas.ts'
import type { Calendar, CalendarEntry } from './icalendar.ts'

/** A swim with the further facts of its entry. */
export interface Swim {
  readonly event: SwimEvent
  /** Name as requested. */
  readonly swimmer: string
  readonly meet: Pick<Extraction, 'meetName' | 'meetDateRange' | 'venue'>
  /** Time at which its sheet was read, in milliseconds since the epoch. */
  readonly readAt: number
  /** URL of the page of its result. */
  readonly url: string | undefined
}

/** Shortest duration of an entry in minutes, and the margin of a long swim. */
const ENTRY_MINUTES = 10
const BESIDE_MINUTES = 5

const minutesFor = (seedTime: string | undefined) =>
  Math.max(ENTRY_MINUTES, Math.ceil((secondsOf(seedTime) ?? 0) / 60) + BESIDE_MINUTES)

/**
 * Makes the calendar of swims. A swim without a day spans all days of its meet; where these are unknown as well, the description of the
 * calendar names it.
 */
export async function calendarOf(name: string, swims: readonly Swim[]): Promise<Calendar> {
  const entries: CalendarEntry[] = []
  const undated: string[] = []
  const seen = new Map<string, number>()
  for (const swim of swims) {
    const at = timeOf(swim)
    const key = keyOf(swim)
    const count = (seen.get(key) ?? 0) + 1
    seen.set(key, count)
    if (at === null) undated.push(titleOf(swim))
    else entries.push({ ...wordsOf(swim, at), uid: await uidOf(key, count), revisedAt: swim.readAt, at })
  }
  const description =
    undated.length === 0 ? undefined : `Not in this calendar, because their sheets say no day: ${undated.join('; ')}.`
  return { name, description, entries }
}

function timeOf({ event, meet }: Swim): CalendarEntry['at'] | null {
  const { sessionDate, heatStartTime, seedTime } = event
  if (sessionDate !== undefined && heatStartTime !== undefined) {
    return { start: `${sessionDate}T${heatStartTime}`, minutes: minutesFor(seedTime) }
  }
  if (sessionDate !== undefined) return { firstDay: sessionDate, lastDay: sessionDate }
  const { meetDateRange: days } = meet
  return days === undefined ? null : { firstDay: days.start, lastDay: days.end }
}

const uidOf = async (key: string, count: number) =>
  `${(await sha256(count === 1 ? key : `${key} ${count}`)).slice(0, 32)}@millrace`

/** Normalizes the name of a later round; empty for the first or only one. */
function laterRound(round = ''): string {
  if (/swim-?off/i.test(round)) return 'swim-off'
  if (/semi/i.test(round)) return 'semi-final'
  return /^[a-z] ?- ?finals?|consol|bonus|champ/i.test(round) ? 'final' : ''
}

/** Makes the stable key of a swim across editions of its meet's sheets: without heat, lane and time, which change. */
function keyOf({ event, swimmer, meet }: Swim): string {
  const { eventNumber, sessionDate, round, relay } = event
  const kind = relay === undefined ? 'own' : 'relay'
  return JSON.stringify([
    meetKeyOf({ ...meet, sessionDate }),
    eventNumber,
    kind,
    laterRound(round),
    normalizeSwimmer(swimmer),
  ])
}

function placeOf({ heatNumber, lane, alternate, rank }: SwimEvent): string | null {
  if (heatNumber !== null) return lane === null ? `heat ${heatNumber}` : `heat ${heatNumber}, lane ${lane}`
  if (alternate !== undefined) return `alternate ${alternate}`
  return rank === undefined ? null : `rank ${rank} of the entries`
}

function titleOf({ event, swimmer }: Swim): string {
  const where = [`Event ${event.eventNumber}`, placeOf(event), event.estimated && `about ${event.heatStartTime}`]
    .filter((one) => typeof one === 'string')
    .join(', ')
  return `${swimmer}: ${where} – ${event.eventName}`
}

function wordsOf(swim: Swim, at: CalendarEntry['at']): Pick<CalendarEntry, 'title' | 'details' | 'place' | 'url'> {
  const { event, meet, url } = swim
  const { relay, round, seedTime, team } = event
  const leg = relay?.leg === undefined ? '' : `, leg ${relay.leg}`
  const lines = [
    meet.meetName,
    'start' in at
      ? event.estimated && 'The time is an estimate: the sheet prints none for this heat.'
      : timeless(event),
    round && `Round: ${round}`,
    seedTime && `Seed: ${seedTime}`,
    relay && `Relay: ${[relay.team, relay.letter].filter((one) => one !== undefined).join(' ')}${leg}`,
    team && `Team: ${team}`,
    url,
  ]
  const details = lines.filter((line) => typeof line === 'string' && line !== '').join('\n')
  return { title: titleOf(swim), details, place: meet.venue, url }
}

const timeless = ({ sessionDate }: SwimEvent) =>
  sessionDate === undefined ? 'The sheet says neither the day nor the time.' : 'The sheet says no time.'
