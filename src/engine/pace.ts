/** Pace of a kind of task, fitted to what the last ones of its kind took. */
import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../ports.ts'

/** Measured run of a task: its items and its milliseconds. */
export interface Measured {
  readonly items: number
  readonly ms: number
}

/** Pace of tasks: milliseconds for each task, and milliseconds for each item. */
export interface Pace {
  readonly task: number
  readonly item: number
}

/** Relative errors of a measured time and of the guess of each part, in multiples of themselves. The cost of an item differs less. */
const ERROR = 0.3
const TASK_ERROR = 100
const ITEM_ERROR = 10

/**
 * The pace that fits best: least squares of relative errors, so that small tasks determine the cost of a task and large ones that of an item,
 * with the guess as one measurement more of each (ridge regression, Hoerl and Kennard 1970), so that tasks of one size leave nothing open.
 */
export function fitPace(measured: readonly Measured[], guess: Pace): Pace {
  // Both in shares of the guess, `a` and `b`: a·aa + b·ab = ay, a·ab + b·bb = by.
  let aa = TASK_ERROR ** -2
  let bb = ITEM_ERROR ** -2
  let [ay, by, ab] = [aa, bb, 0]
  for (const { items, ms } of measured) {
    const scale = ERROR * Math.max(1, ms)
    const [task, item] = [guess.task / scale, (guess.item * items) / scale]
    aa += task * task
    bb += item * item
    ab += task * item
    ay += task / ERROR
    by += item / ERROR
  }
  const determinant = aa * bb - ab * ab
  const a = (ay * bb - by * ab) / determinant
  const b = (by * aa - ay * ab) / determinant
  // Neither takes less than no time: where one would, the other explains all.
  if (a < 0) return { task: 0, item: (guess.item * by) / bb }
  if (b < 0) return { task: (guess.task * ay) / aa, item: 0 }
  return { task: guess.task * a, item: guess.item * b }
}

/** Batches that are looked at, and of these the ones that are measured. */
const LOOKED_AT = 200
const MEASURED = 50

/**
 * Reads what the last batches of an operation took, those that were stopped, lay idle or did nothing left out.
 * @param measure.items number of items of a batch, as SQL on its row
 * @param measure.where condition that a batch is measured under; default: none
 */
export function readMeasured(
  db: Database,
  operation: string,
  { items, where = sql`true` }: { readonly items: SQL; readonly where?: SQL },
): Promise<Measured[]> {
  return db.all<Measured>(sql`
    SELECT finished_at - started_at AS ms, ${items} AS items FROM (
      SELECT * FROM batches WHERE operation = ${operation} AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT ${LOOKED_AT})
    WHERE started_at IS NOT NULL AND stop_code IS NULL AND idle_ms IS NULL AND ${items} > 0 AND ${where} LIMIT ${MEASURED}`)
}
