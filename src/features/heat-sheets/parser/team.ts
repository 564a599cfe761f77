/** Finds the swimmers of a team: all whose row prints it, each as in a query by name. */
import { MillraceError } from '../../../errors.ts'
import { type FoundSwimmer, findIn, teamNotFound } from './match.ts'
import { searchNames } from './name-search.ts'
import { normalizeTeam, spoken } from './names.ts'
import type { Sheet, SheetEntry } from './sheet.ts'
import { editDistance } from './similar-names.ts'

/** A swimmer of a team, with the name as `First Last`. */
export interface TeamMember extends FoundSwimmer {
  readonly swimmerName: string
}

/** Region suffix of a code: `MILL-QZ`. */
const REGION = /-[A-Z]{2}$/

/** Finds the printed names of the requested team, by name or code, with or without its region. */
function teamsLike(sheet: Sheet, asked: string): Set<string> {
  const key = normalizeTeam(asked)
  const printed = new Set(
    sheet.entries.flatMap(({ team, relay }) => [team, relay?.team]).filter((one) => one !== undefined),
  )
  const same = [...printed].filter((team) => normalizeTeam(team) === key)
  return new Set(
    same.length > 0 ? same : [...printed].filter((team) => normalizeTeam(team.replace(REGION, '')) === key),
  )
}

/** Selects the entries of a swimmer by names, without those of another team. */
function ownEntries(sheet: Sheet, names: ReadonlySet<string>, teams: ReadonlySet<string>): SheetEntry[] {
  const all = sheet.entries.filter(({ name }) => names.has(name))
  const isAlone = all.every(({ relay, team }) => relay !== undefined || (team !== undefined && teams.has(team)))
  return all.filter(({ relay, team }) => (team !== undefined && teams.has(team)) || (relay !== undefined && isAlone))
}

/**
 * Finds all swimmers of a team, sorted by last name; none where the sheet has no such team.
 * @param most limit of swimmers
 * @throws MillraceError BATCH_TOO_LARGE beyond the limit
 */
export function findTeam(sheet: Sheet, asked: string, most: number): TeamMember[] {
  const teams = teamsLike(sheet, asked)
  const printed = new Set(
    sheet.entries.filter(({ team }) => team !== undefined && teams.has(team)).map(({ name }) => name),
  )
  const taken = new Set<string>()
  const people: { name: string; names: ReadonlySet<string>; warnings: ReturnType<typeof searchNames>['warnings'] }[] =
    []
  // Longest first, so that cut-off names join the whole name.
  for (const name of [...printed].toSorted((a, b) => b.length - a.length)) {
    if (taken.has(name)) continue
    const { names, warnings } = searchNames(sheet, name)
    const own = new Set([name, ...names])
    for (const one of own) taken.add(one)
    people.push({ name, names: own, warnings })
    if (people.length > most) throw tooMany(asked, most)
  }
  return people
    .toSorted((a, b) => a.name.localeCompare(b.name, 'en'))
    .map(({ name, names, warnings }) => ({
      swimmerName: spoken(name),
      ...findIn(sheet, ownEntries(sheet, names, teams), warnings),
    }))
}

/** Makes the result for a team without swimmers on the sheet; its warning names similar teams. */
export function withoutTeam(sheet: Sheet, asked: string): FoundSwimmer {
  const key = normalizeTeam(asked)
  const printed = [...new Set(sheet.entries.flatMap(({ team }) => team ?? []))]
  const near = printed
    .map((team) => ({ team, far: editDistance(key, normalizeTeam(team), 3) }))
    .toSorted((a, b) => a.far - b.far || a.team.localeCompare(b.team, 'en'))
  const close = near.filter(({ far }) => far <= 2)
  return teamNotFound(
    sheet,
    asked,
    (close.length > 0 ? close : near).map(({ team }) => team),
  )
}

const tooMany = (asked: string, most: number) =>
  new MillraceError(
    'BATCH_TOO_LARGE',
    `This sheet has more than ${most} swimmers of "${asked}", and one request takes at most ${most}. Ask for those you want by name, with "swimmer" repeated.`,
    { details: { field: 'team' } },
  )
