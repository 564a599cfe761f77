/** Estimates the duration of a job, from the durations of the last ones on this server. */
import { sql } from 'drizzle-orm'
import { fitPace, type Pace, readMeasured } from '../../../engine/pace.ts'
import type { Database } from '../../../ports.ts'
import { PROCESS } from '../names.ts'

/** Default pace, measured on a small machine with documents of a few pages. */
const FIRST_GUESS: Pace = { task: 1_500, item: 2_500 }

/** Formats a duration in words: `40 seconds`, `1 minute`, `3 hours`. Rounded up. */
export function phraseOf(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1_000))
  if (seconds < 60) return counted(seconds, 'second')
  const minutes = Math.ceil(seconds / 60)
  return minutes < 60 ? counted(minutes, 'minute') : counted(Math.ceil(minutes / 60), 'hour')
}

const counted = (count: number, unit: string) => `${count} ${unit}${count === 1 ? '' : 's'}`

/** Estimates a job of so many documents. The sample omits jobs that were stopped or retried, and documents that were skipped as unchanged. */
export async function estimatePhrase(db: Database, documents: number): Promise<string> {
  const measured = await readMeasured(db, PROCESS, { items: sql`completed - coalesce(tallies ->> 'skipped', 0)` })
  const pace = fitPace(measured, FIRST_GUESS)
  return phraseOf(pace.task + pace.item * documents)
}
