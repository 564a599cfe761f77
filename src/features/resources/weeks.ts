/** Weeks as ISO 8601 counts them, in UTC. */

const DAY_MS = 24 * 60 * 60 * 1_000

/**
 * The week of a point in time (ISO 8601, 5.7: weeks begin on Monday and belong to the year that their Thursday is in).
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
