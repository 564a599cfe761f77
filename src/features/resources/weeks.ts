/** ISO 8601 weeks, in UTC. */

const DAY_MS = 24 * 60 * 60 * 1_000
/** Days from Sunday. */
const THURSDAY = 4

/**
 * Returns the week of a point in time (ISO 8601, 5.7: weeks begin on Monday and belong to the year that their Thursday is in).
 * @param ms since the epoch
 * @returns `2026-W07`
 */
export function isoWeek(ms: number): string {
  const daysSinceMonday = (new Date(ms).getUTCDay() + 6) % 7
  const thursday = new Date(ms + (3 - daysSinceMonday) * DAY_MS)
  const year = thursday.getUTCFullYear()
  const week = 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY_MS))
  return `${year}-W${String(week).padStart(2, '0')}`
}

/** Returns true for the name of a week that exists: the last one of a year is its 52nd, of some years its 53rd. */
export function isIsoWeek(name: string): boolean {
  const [, year, week] = /^(\d{4})-W(\d{2})$/.exec(name) ?? []
  return year !== undefined && Number(week) >= 1 && Number(week) <= weeksOf(Number(year))
}

/** Returns the number of weeks of a year: 53 where its first or its last day is a Thursday. */
function weeksOf(year: number): 52 | 53 {
  const lastDay = (of: number) => (of + Math.floor(of / 4) - Math.floor(of / 100) + Math.floor(of / 400)) % 7
  return lastDay(year) === THURSDAY || lastDay(year - 1) === THURSDAY - 1 ? 53 : 52
}
