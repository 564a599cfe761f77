/** Estimates the duration of a bulk task on cards, from the durations of the last ones of its kind on this server. */
import { sql } from 'drizzle-orm'
import { fitPace, type Pace, readMeasured } from '../../../engine/pace.ts'
import type { Database } from '../../../ports.ts'

/** Pace measured on a small machine. */
const FIRST_GUESS: Readonly<Record<string, Pace>> = {
  'cards.import': { task: 20, item: 0.1 },
  'cards.export': { task: 20, item: 0.02 },
  'cards.delete': { task: 20, item: 0.05 },
  'cards.restore': { task: 20, item: 0.05 },
}

/**
 * Estimates the duration of a task. Tasks that were stopped, paused, ran in parts or wrote nothing are left out of the sample.
 * @returns whole seconds, at least 1
 */
export async function estimateSeconds(db: Database, operation: string, cards: number): Promise<number> {
  // Only the input of an import is read, which is small; that of other tasks contains all their ids.
  const wrote = operation === 'cards.import' ? sql`NOT coalesce(input ->> 'validateOnly', false)` : sql`true`
  const measured = await readMeasured(db, operation, { items: sql`tallies ->> 'cards'`, where: wrote })
  const pace = fitPace(measured, FIRST_GUESS[operation] ?? { task: 20, item: 1 })
  return Math.max(1, Math.ceil((pace.task + pace.item * cards) / 1_000))
}
