/**
 * Passing over: claims for the reserve take no jobs of owners who run enough already, although their virtual times are lower.
 *
 * Their ready jobs may be many, so a claim looks at the next {@link WINDOW} jobs only. Where all of them are such owners', those jobs are
 * moved behind the last ones of their owners, to the virtual times that they would have had time passed without them; each keeps its order
 * among its owner's jobs. So a claim stays a look-up however many jobs are passed over, and jobs are moved only as far as others are served.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../../ports.ts'
import { type Bound, nextReady, plainBound, READY } from './fair-queue.ts'

/** Jobs looked at by one claim. */
const WINDOW = 200

const listed = (owners: readonly string[]) => sql`(SELECT value FROM json_each(${JSON.stringify(owners)}))`

/** The next jobs; none beyond the last virtual time of any other owner, so that nothing is looked at where no other has a job. */
const windowOf = (passed: readonly string[], bound = plainBound) =>
  nextReady(
    bound(WINDOW),
    READY,
    sql`virtual_time <= (SELECT o.last_virtual_time FROM owners o WHERE o.owner NOT IN ${listed(passed)} ORDER BY o.last_virtual_time DESC LIMIT 1)`,
  )

/** The next job of each other owner, `limit` at most, as {@link nextReady} gives those of all. */
export function firstOfOthers(passed: readonly string[], limit: number, bound?: Bound): SQL {
  return sql`
    SELECT job, owner, virtual_time, priority_key FROM (
      SELECT w.*, row_number() OVER (PARTITION BY w.owner ORDER BY w.virtual_time) AS nth FROM (${windowOf(passed, bound)}) w
      WHERE w.owner NOT IN ${listed(passed)})
    WHERE nth = 1 ORDER BY virtual_time LIMIT ${limit}`
}

/**
 * Looks for a ready job of another owner, and moves jobs that come before it.
 * @param passed owners whose jobs are passed over
 * @returns true when there is one
 */
export async function othersAreReady(db: Database, passed: readonly string[]): Promise<boolean> {
  for (;;) {
    const row = await db.get<{ seen: number; others: number | null }>(
      sql`SELECT count(*) AS seen, max(owner NOT IN ${listed(passed)}) AS others FROM (${windowOf(passed)})`,
    )
    if (row.others === 1) return true
    if (row.seen < WINDOW) return false
    await moveBack(db, passed)
  }
}

/** Moves the next jobs behind the last ones of their owners, unless another owner's is among them. */
async function moveBack(db: Database, passed: readonly string[]): Promise<void> {
  const window = sql`SELECT w.*, max(w.owner NOT IN ${listed(passed)}) OVER () AS others, max(w.virtual_time) OVER () AS top FROM (${windowOf(passed)}) w`
  await db.batch([
    db.run(sql`
      UPDATE owners SET last_virtual_time = max(last_virtual_time, m.top) + m.n
      FROM (SELECT owner, max(top) AS top, count(*) AS n FROM (${window}) WHERE others = 0 GROUP BY owner) m WHERE m.owner = owners.owner`),
    db.run(sql`
      UPDATE jobs SET virtual_time = m.virtual_time, priority_key = m.priority_key
      FROM (
        SELECT t.job, t.priority_key, o.last_virtual_time - count(*) OVER (PARTITION BY t.owner) + row_number() OVER (PARTITION BY t.owner ORDER BY t.virtual_time) AS virtual_time
        FROM (${window}) t JOIN owners o ON o.owner = t.owner WHERE t.others = 0
      ) m WHERE jobs.rowid = m.job`),
  ])
}
