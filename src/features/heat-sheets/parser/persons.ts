/** Detects entries under one name that may be of several persons: by age, team, middle initial or gender. */
import { readingsOf, spoken } from './names.ts'
import type { Sheet, SheetEntry } from './sheet.ts'
import type { Warning } from './warnings.ts'

/** Returns the gender of an event by its name; null where it names none, or both. */
export function genderOf(eventName: string): 'female' | 'male' | null {
  const female = /\b(?:girls?|women|ladies|female)\b/i.test(eventName)
  const male = /\b(?:boys?|men|male)\b/i.test(eventName)
  return female === male ? null : female ? 'female' : 'male'
}

function distinct<T>(values: Iterable<T | undefined>): T[] {
  const found = new Set<T>()
  for (const value of values) if (value !== undefined) found.add(value)
  return [...found]
}

function initialOf(printed: string): string | undefined {
  const [reading] = printed.includes(',') ? readingsOf(printed) : []
  return reading?.given.slice(1).find((word) => word.length === 1)
}

/** Lists the teams of rows of one kind: relays may name a team differently, and lists may print codes where heats print names. */
function teamsOf(entries: readonly SheetEntry[], heats: boolean): string[] {
  return distinct(entries.filter((e) => !e.relay && (e.heat !== undefined) === heats).map(({ team }) => team))
}

/** Warns once where entries of one name seem to be of several swimmers. */
export function personWarnings(sheet: Sheet, entries: readonly SheetEntry[]): Warning[] {
  const ages = distinct(entries.map(({ age }) => age))
  const grades = distinct(entries.map(({ grade }) => grade))
  const initials = distinct(entries.map(({ name }) => initialOf(name)))
  const genders = distinct(entries.map(({ event }) => genderOf(sheet.events[event]?.name ?? '') ?? undefined))
  const teams = [teamsOf(entries, true), teamsOf(entries, false)].find((list) => list.length > 1) ?? []
  const signs = [
    ...(ages.length > 1 ? [`ages ${ages.toSorted((a, b) => a - b).join(', ')}`] : []),
    ...(grades.length > 1 ? [`school years ${grades.join(', ')}`] : []),
    ...(teams.length > 1 ? [`teams ${teams.join(', ')}`] : []),
    ...(initials.length > 1 ? [`middle initials ${initials.join(', ').toUpperCase()}`] : []),
    ...(genders.length > 1 ? ["both girls' and boys' events"] : []),
  ]
  const [first] = entries
  if (signs.length === 0 || !first) return []
  const seems = `More than one swimmer named '${spoken(first.name)}' may be on this sheet`
  const rest = 'the events of all are listed.'
  return [{ text: `${seems} (${signs.join('; ')}); ${rest}`, shared: `${seems}; ${rest}` }]
}
