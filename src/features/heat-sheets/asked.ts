/** Query of a batch: swimmers by name, or all swimmers of a team. */
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import { normalizeSwimmer, normalizeTeam } from './parser/names.ts'
import { MAX_SWIMMERS } from './schemas.ts'

/** Stored form of the query: `swimmer`, with or without others, or `team`. */
const BatchInput = z.object({
  swimmer: z.string().optional(),
  /** Others beside the first. */
  swimmers: z.array(z.string()).default([]),
  team: z.string().optional(),
})

/** Swimmers or team that a batch looks for. */
export interface Asked {
  /** Names as requested, without duplicates; empty for a team. */
  readonly swimmers: readonly string[]
  readonly team?: string | undefined
}

/** Parses the query of a batch. */
export function askedOf(batchInput: unknown): Asked {
  const { swimmer, swimmers, team } = BatchInput.parse(batchInput)
  return {
    swimmers: swimmer === undefined ? swimmers : [swimmer, ...swimmers],
    ...(team === undefined ? {} : { team }),
  }
}

/** Makes the prefix of the keys of a team's swimmers: swimmers of other teams may have the same names. */
export const teamPrefix = (team: string) => `team ${normalizeTeam(team)}: `

/** Returns the label of the batch for clients: the first swimmer, or the team. */
export function labelOf(batchInput: unknown): string {
  const { swimmers, team } = askedOf(batchInput)
  return team ?? swimmers[0] ?? ''
}

/**
 * Validates the query of a request. @returns its stored form, and the facts of the batch in answers and events
 * @throws MillraceError MISSING_SWIMMER for an empty query, or a name without letters, BATCH_TOO_LARGE, INVALID_REQUEST for swimmers and a team
 */
export function planAsked({ swimmers, team }: Asked): { input: object; facts: Readonly<Record<string, unknown>> } {
  if (team !== undefined) {
    if (swimmers.length > 0) throw bothAsked()
    if (normalizeTeam(team) === '')
      throw missing('team', 'The field "team" needs a name or code with letters, such as "MILL".')
    return { input: { team }, facts: { swimmerName: team, team } }
  }
  const names = distinctNames(swimmers)
  const [swimmer, ...others] = names
  if (swimmer === undefined) throw nobodyAsked()
  if (others.length === 0) return { input: { swimmer }, facts: { swimmerName: swimmer } }
  return { input: { swimmer, swimmers: others }, facts: { swimmerName: swimmer, swimmers: names } }
}

/** Removes duplicate names of a swimmer. */
function distinctNames(names: readonly string[]): string[] {
  const distinct = new Map(names.toReversed().map((name) => [normalizeSwimmer(name), name]))
  if (distinct.has('')) throw missing('swimmer', 'The field "swimmer" needs a name with letters, such as "First Last".')
  if (distinct.size > MAX_SWIMMERS) throw tooManySwimmers()
  return [...distinct.values()].toReversed()
}

const missing = (field: string, message: string) =>
  new MillraceError('MISSING_SWIMMER', message, { details: { field } })

/** Makes the error of an empty query. */
export const nobodyAsked = () =>
  missing('swimmer', 'Say whose events to look for: the field "swimmer" is missing or empty, and so is "team".')

/** Makes the error of a query for swimmers and a team. */
const bothAsked = () =>
  new MillraceError('INVALID_REQUEST', 'Send "team" or "swimmer", not both: a team is everybody of it on a sheet.', {
    details: { field: 'team' },
  })

/** Makes the error of a query for too many swimmers. */
export const tooManySwimmers = () =>
  new MillraceError('BATCH_TOO_LARGE', `One request looks for at most ${MAX_SWIMMERS} swimmers.`, {
    details: { field: 'swimmer' },
  })
