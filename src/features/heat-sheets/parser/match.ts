/** Finds one swimmer's events in a sheet, and says in warnings whatever the reader of them should doubt. */
import type { SwimEvent } from '../schemas.ts'
import { type Name, printedForm, readingsOf, sameName, spoken, withoutSuffix } from './names.ts'
import { personWarnings } from './persons.ts'
import type { Sheet, SheetEntry } from './sheet.ts'
import { closeNames } from './similar-names.ts'

export interface FoundSwimmer {
  readonly meetName: string
  /** Day of the earliest event found, else of the sheet's first session; null when the sheet prints no dates. */
  readonly sessionDate: string | null
  readonly meetDateRange?: { readonly start: string; readonly end: string }
  readonly venue?: string
  /** By day, event, heat. */
  readonly events: SwimEvent[]
  readonly warnings: string[]
}

/** A cut-off name shorter than this says too little to be anyone's. */
const SHORTEST_BEGINNING = 10

interface Matches {
  /** Printed names taken for the swimmer's. */
  readonly names: ReadonlySet<string>
  readonly warnings: readonly string[]
}

function reversed({ given, last }: Name): Name {
  return { given: last, last: given }
}

function namesLike(asked: readonly Name[], printed: Iterable<string>, as = (name: Name): Name => name): Set<string> {
  const found = new Set<string>()
  for (const name of printed) {
    const readings = readingsOf(name).map(as)
    if (readings.some((reading) => asked.some((one) => sameName(one, reading)))) found.add(name)
  }
  return found
}

/** Tells whether a cut-off name is the beginning of the name asked for, in the order the sheet prints names. */
function isBeginning(cut: string, asked: readonly Name[]): boolean {
  const form = printedForm(cut)
  if (form.length < SHORTEST_BEGINNING) return false
  return asked.some(({ given, last }) => {
    const inOrder = form.includes(',') || last.join(' ').startsWith(form)
    const whole = inOrder ? `${last.join(' ')}, ${given.join(' ')}` : `${given.join(' ')} ${last.join(' ')}`
    return whole.length > form.length && whole.startsWith(form)
  })
}

function cutNames(sheet: Sheet, asked: readonly Name[], matched: ReadonlySet<string>): Matches {
  const full = new Set(sheet.entries.filter((entry) => entry.full).map(({ name }) => name))
  const names = new Set<string>()
  const warnings: string[] = []
  const all = new Set(sheet.entries.map(({ name }) => name))
  for (const cut of full) {
    if (matched.has(cut) || !isBeginning(cut, asked)) continue
    const form = printedForm(cut)
    const others = [...all].filter((name) => name !== cut && !matched.has(name) && printedForm(name).startsWith(form))
    if (others.length > 0) {
      warnings.push(`'${cut}' is cut off on the sheet and could be '${others[0]}'; its events are left out.`)
    } else {
      names.add(cut)
      warnings.push(`The sheet prints '${cut}', cut off by its column; it was taken for the swimmer asked for.`)
    }
  }
  return { names, warnings }
}

function matchNames(sheet: Sheet, swimmer: string): Matches {
  const asked = readingsOf(swimmer)
  const printed = new Set(sheet.entries.map(({ name }) => name))
  let names = namesLike(asked, printed)
  const warnings: string[] = []
  if (names.size === 0) names = namesLike(asked.map(withoutSuffix), printed, withoutSuffix)
  if (names.size === 0 && !swimmer.includes(',')) {
    names = namesLike(asked.map(reversed), printed)
    const [first] = names
    if (first !== undefined) warnings.push(`'${swimmer.trim()}' was read as last name first: '${spoken(first)}'.`)
  }
  const cut = cutNames(sheet, asked, names)
  return { names: new Set([...names, ...cut.names]), warnings: [...warnings, ...cut.warnings] }
}

function toEvent(sheet: Sheet, entry: SheetEntry): SwimEvent {
  const event = sheet.events[entry.event]
  const date = event && sheet.sessions[event.session]?.date
  return {
    eventNumber: event?.number ?? 0,
    eventName: event?.name ?? '',
    heatNumber: entry.heat ?? null,
    lane: entry.lane ?? null,
    swimmerName: spoken(entry.name),
    ...(entry.age === undefined ? {} : { age: entry.age }),
    ...(entry.grade === undefined ? {} : { grade: entry.grade }),
    ...(entry.team === undefined ? {} : { team: entry.team }),
    ...(entry.seed === undefined ? {} : { seedTime: entry.seed }),
    ...(entry.start === undefined ? {} : { heatStartTime: entry.start }),
    ...(date ? { sessionDate: date } : {}),
    ...(entry.rank === undefined ? {} : { rank: entry.rank }),
    ...(entry.alternate === undefined ? {} : { alternate: entry.alternate }),
    ...(entry.round === undefined ? {} : { round: entry.round }),
    ...(entry.relay === undefined ? {} : { relay: relayOf(entry.relay) }),
  }
}

function relayOf({ team, letter, leg }: NonNullable<SheetEntry['relay']>): NonNullable<SwimEvent['relay']> {
  return letter === undefined ? { team, leg } : { team, letter, leg }
}

function inOrder(a: SwimEvent, b: SwimEvent): number {
  const byDay = (a.sessionDate ?? '').localeCompare(b.sessionDate ?? '')
  return byDay || a.eventNumber - b.eventNumber || (a.heatNumber ?? 0) - (b.heatNumber ?? 0)
}

function dayWarnings(sheet: Sheet, entries: readonly SheetEntry[]): string[] {
  const sessions = new Set(entries.map((entry) => sheet.sessions[sheet.events[entry.event]?.session ?? -1]))
  const guessed = [...sessions].some((session) => session?.guessed)
  if (sheet.meet.start === null) return ['The sheet prints no dates, so the events have none.']
  return guessed ? ["The sheet does not say which day a session is on; its events carry the meet's first day."] : []
}

function unreadWarning(count: number): string[] {
  if (count === 0) return []
  return [count === 1 ? 'One line of this sheet could not be read.' : `${count} lines of this sheet could not be read.`]
}

function notFound(sheet: Sheet, swimmer: string): string {
  const close = closeNames(readingsOf(swimmer), new Set(sheet.entries.map(({ name }) => name)))
  const names = [...new Set(close.map(spoken))].map((name) => `'${name}'`)
  const ask = names.length === 0 ? '.' : `; did you mean ${names.join(' or ')}?`
  return [`'${swimmer.trim()}' is not on this sheet${ask}`, ...unreadWarning(sheet.unread)].join(' ')
}

/**
 * All events of a swimmer, named `First Last` or `Last, First`. A name that the sheet does not hold gives no events and one
 * warning, which names close ones.
 */
export function findSwimmer(sheet: Sheet, swimmer: string): FoundSwimmer {
  const { meet } = sheet
  const { names, warnings } = matchNames(sheet, swimmer)
  const entries = sheet.entries.filter((entry) => names.has(entry.name))
  const events = entries.map((entry) => toEvent(sheet, entry)).toSorted(inOrder)
  const told =
    entries.length === 0
      ? [[notFound(sheet, swimmer), ...warnings].join(' ')]
      : [...warnings, ...personWarnings(sheet, entries), ...dayWarnings(sheet, entries), ...unreadWarning(sheet.unread)]
  return {
    meetName: meet.name,
    sessionDate: events[0]?.sessionDate ?? sheet.sessions[0]?.date ?? null,
    ...(meet.start !== null && meet.end !== null ? { meetDateRange: { start: meet.start, end: meet.end } } : {}),
    ...(meet.venue === null ? {} : { venue: meet.venue }),
    events,
    warnings: told,
  }
}
