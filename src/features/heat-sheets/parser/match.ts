/** Finds one swimmer's events in a sheet, with warnings about uncertain results. */
import type { SwimEvent } from '../schemas.ts'
import { searchNames } from './name-search.ts'
import { spoken } from './names.ts'
import { personWarnings } from './persons.ts'
import type { Sheet, SheetEntry } from './sheet.ts'
import { closeNames } from './similar-names.ts'
import { dayWarnings, readingWarnings, type Warning } from './warnings.ts'

export interface FoundSwimmer {
  readonly meetName: string
  /** Day of the earliest event found, else of the sheet's first session; null where the sheet does not say. */
  readonly sessionDate: string | null
  readonly meetDateRange?: { readonly start: string; readonly end: string }
  readonly venue?: string
  /** Events in order of day, event, heat. */
  readonly events: SwimEvent[]
  readonly warnings: string[]
  /** Warnings for shared results, which reveal nothing of other swimmers. */
  readonly sharedWarnings: string[]
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
    ...(entry.estimated === undefined ? {} : { estimated: true as const }),
    ...(date ? { sessionDate: date } : {}),
    ...(entry.rank === undefined ? {} : { rank: entry.rank }),
    ...(entry.alternate === undefined ? {} : { alternate: entry.alternate }),
    ...(entry.round === undefined ? {} : { round: entry.round }),
    ...(entry.relay === undefined ? {} : { relay: relayOf(entry.relay) }),
    ...(entry.page === undefined ? {} : { page: entry.page }),
    ...(entry.line === undefined ? {} : { line: boxOf(entry.line) }),
  }
}

const boxOf = ([x, y, width, height]: NonNullable<SheetEntry['line']>) => ({ x, y, width, height })

function relayOf({ team, letter, leg }: NonNullable<SheetEntry['relay']>): NonNullable<SwimEvent['relay']> {
  return { team, ...(letter === undefined ? {} : { letter }), ...(leg === undefined ? {} : { leg }) }
}

/** Compares by day, those without one last, then by event and heat. */
function inOrder(a: SwimEvent, b: SwimEvent): number {
  const byDay = (a.sessionDate ?? '~').localeCompare(b.sessionDate ?? '~', 'en')
  return byDay || a.eventNumber - b.eventNumber || (a.heatNumber ?? 0) - (b.heatNumber ?? 0)
}

/** Describes a swimmer for suggestions: with teams and ages, where rows print them. */
function described(sheet: Sheet, name: string): string {
  const rows = sheet.entries.filter((entry) => entry.name === name)
  const facts = [rows.find(({ team }) => team)?.team, rows.find(({ age }) => age)?.age].filter(
    (fact) => fact !== undefined,
  )
  return facts.length === 0 ? `'${spoken(name)}'` : `'${spoken(name)}' (${facts.join(', ')})`
}

/** Most swimmers that a warning suggests. */
const MAX_SUGGESTIONS = 10

/** Warns that the swimmer was not found. Shared pages show that by themselves, and must not name other swimmers. */
function notFound(sheet: Sheet, swimmer: string, several: readonly string[]): Warning {
  if (several.length > 0) {
    const names = several.slice(0, MAX_SUGGESTIONS).map((name) => described(sheet, name))
    const text = `'${swimmer.trim()}' could be several swimmers of this sheet: ${names.join(', ')}; ask for one of them.`
    return { text, shared: null }
  }
  const { names, close } = closeNames(sheet, swimmer)
  const quoted = [...new Set(names.map(spoken))].map((name) => `'${name}'`)
  const hint = close ? `did you mean ${quoted.join(' or ')}?` : `the closest names on it are ${quoted.join(', ')}.`
  return { text: `'${swimmer.trim()}' is not on this sheet${quoted.length === 0 ? '.' : `; ${hint}`}`, shared: null }
}

/** Joins warnings to one, as for a name that was not found. */
function joined(warnings: readonly Warning[]): Warning {
  const shared = warnings.flatMap((warning) => warning.shared ?? [])
  return { text: warnings.map(({ text }) => text).join(' '), shared: shared.length === 0 ? null : shared.join(' ') }
}

/**
 * Finds all events of a swimmer, named `First Last` or `Last, First`. For a name that is not on the sheet there are no events and one
 * warning, which names similar ones.
 */
export function findSwimmer(sheet: Sheet, swimmer: string): FoundSwimmer {
  const { names, warnings, several = [] } = searchNames(sheet, swimmer)
  const entries = sheet.entries.filter((entry) => names.has(entry.name))
  if (entries.length > 0) return findIn(sheet, entries, warnings)
  const warning = joined([notFound(sheet, swimmer, several), ...readingWarnings(sheet), ...warnings])
  return foundOf(sheet, [], [warning])
}

/** Presents the entries of one swimmer as events, with warnings. */
export function findIn(sheet: Sheet, entries: readonly SheetEntry[], warnings: readonly Warning[]): FoundSwimmer {
  const all = [
    ...warnings,
    ...personWarnings(sheet, entries),
    ...dayWarnings(sheet, entries),
    ...readingWarnings(sheet),
  ]
  return foundOf(sheet, entries, all)
}

/** Makes the result for a team that is not on the sheet. @param near teams of the sheet, nearest first */
export function teamNotFound(sheet: Sheet, team: string, near: readonly string[]): FoundSwimmer {
  const named = near.slice(0, MAX_TEAMS).map((one) => `'${one}'`)
  const hint =
    named.length === 0
      ? 'it prints no teams.'
      : `it prints ${named.join(', ')}${near.length > MAX_TEAMS ? ' and others' : ''}.`
  const text = `No swimmer of the team '${team.trim()}' is on this sheet; ${hint}`
  return foundOf(sheet, [], [joined([{ text, shared: null }, ...readingWarnings(sheet)])])
}

/** Most teams that a warning names. */
const MAX_TEAMS = 5

function foundOf(sheet: Sheet, entries: readonly SheetEntry[], warnings: readonly Warning[]): FoundSwimmer {
  const { meet } = sheet
  const events = entries.map((entry) => toEvent(sheet, entry)).toSorted(inOrder)
  return {
    meetName: meet.name,
    sessionDate: (events.length === 0 ? sheet.sessions[0]?.date : events[0]?.sessionDate) ?? null,
    ...(meet.start !== null && meet.end !== null ? { meetDateRange: { start: meet.start, end: meet.end } } : {}),
    ...(meet.venue === null ? {} : { venue: meet.venue }),
    events,
    warnings: warnings.map(({ text }) => text),
    sharedWarnings: warnings.flatMap(({ shared }) => shared ?? []),
  }
}
