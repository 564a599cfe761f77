/** Estimates how long a bulk task on cards will take on this server, by what the last ones of its kind took. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../../ports.ts'

/** Measured run of a task: its cards and its milliseconds. */
export interface Measured {
  readonly cards: number
  readonly ms: number
}

/** Pace of tasks: milliseconds for each task, and milliseconds for each card. */
export interface Pace {
  readonly task: number
  readonly card: number
}

/** Tasks that are looked at, and of these the ones that are measured. */
const LOOKED_AT = 200
const MEASURED = 50

/** Pace measured on a small machine. */
const FIRST_GUESS: Readonly<Record<string, Pace>> = {
  'cards.import': { task: 20, card: 0.1 },
  'cards.export': { task: 20, card: 0.02 },
  'cards.delete': { task: 20, card: 0.05 },
  'cards.restore': { task: 20, card: 0.05 },
}

/**
 * Estimates how long a task will run. Left out are tasks that were stopped, lay paused, ran in parts or wrote nothing.
 * @returns whole seconds, at least 1
 */
export async function estimateSeconds(db: Database, operation: string, cards: number): Promise<number> {
  // The input of an import is small; that of others holds all their ids.
  const wrote = operation === 'cards.import' ? sql`NOT coalesce(input ->> 'validateOnly', false)` : sql`true`
  const measured = await db.all<Measured>(sql`
    SELECT finished_at - started_at AS ms, tallies ->> 'cards' AS cards FROM (
      SELECT * FROM batches WHERE operation = ${operation} AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT ${LOOKED_AT})
    WHERE started_at IS NOT NULL AND stop_code IS NULL AND idle_ms IS NULL AND tallies ->> 'cards' > 0 AND ${wrote} LIMIT ${MEASURED}`)
  const pace = paceOf(measured, FIRST_GUESS[operation] ?? { task: 20, card: 1 })
  return Math.max(1, Math.ceil((pace.task + pace.card * cards) / 1_000))
}

/** Relative errors of a measured time and of the guess of each part, in multiples of themselves. The cost of a card differs less. */
const ERROR = 0.3
const TASK_ERROR = 100
const CARD_ERROR = 10

/**
 * The pace that fits best: least squares of relative errors, so that small tasks tell what a task takes and large ones what a card takes,
 * with the guess as one measurement more of each (ridge regression, Hoerl and Kennard 1970), so that tasks of one size leave nothing open.
 */
export function paceOf(measured: readonly Measured[], guess: Pace): Pace {
  // Both in shares of the guess, `a` and `b`: a·aa + b·ab = ay, a·ab + b·bb = by.
  let aa = TASK_ERROR ** -2
  let bb = CARD_ERROR ** -2
  let [ay, by, ab] = [aa, bb, 0]
  for (const { cards, ms } of measured) {
    const scale = ERROR * Math.max(1, ms)
    const [task, card] = [guess.task / scale, (guess.card * cards) / scale]
    aa += task * task
    bb += card * card
    ab += task * card
    ay += task / ERROR
    by += card / ERROR
  }
  const determinant = aa * bb - ab * ab
  const a = (ay * bb - by * ab) / determinant
  const b = (by * aa - ay * ab) / determinant
  // Neither takes less than no time: where one would, the other explains all.
  if (a < 0) return { task: 0, card: (guess.card * by) / bb }
  if (b < 0) return { task: (guess.task * ay) / aa, card: 0 }
  return { task: guess.task * a, card: guess.card * b }
}
