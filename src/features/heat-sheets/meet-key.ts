/** Makes keys that identify meets, and rounds of their events, across sheets. */
import { plain } from './merge.ts'
import type { Sheet } from './parser/sheet.ts'
import type { Extraction } from './schemas.ts'

/** Makes the key of a meet, equal for all its sheets: the name without case, accents and points, and the year. */
export function meetKeyOf({
  meetName,
  meetDateRange,
  sessionDate,
}: Pick<Extraction, 'meetName' | 'meetDateRange'> & { readonly sessionDate?: string | null | undefined }): string {
  const year = (meetDateRange?.start ?? sessionDate)?.slice(0, 4)
  return year === undefined ? plain(meetName) : `${plain(meetName)} ${year}`
}

/** Normalizes the name of a round; empty where the sheet names none, as psych sheets. */
export function roundOf(round = ''): string {
  if (/swim-?off/i.test(round)) return 'swim-off'
  if (/semi/i.test(round)) return 'semi-finals'
  if (/prelim|heats?\b/i.test(round)) return 'prelims'
  return /final|consol|bonus|champ/i.test(round) ? 'finals' : ''
}

/** Lists the events of a sheet with their printed rounds: `12 prelims`, `12`. */
export function coverageOf({ events, entries }: Sheet): string[] {
  const inHeats = entries.filter(({ alternate }) => alternate === undefined)
  return [...new Set(inHeats.map(({ event, round }) => `${events[event]?.number ?? 0} ${roundOf(round)}`.trim()))]
}
