/**
 * Turns: the order in which ready jobs are claimed, fair between owners (start-time fair queueing, Goyal et al. 1996, with jobs of
 * equal weight). An owner's new job starts at the later of the owner's last turn and the lowest ready turn, and takes one step.
 *
 * Which of an owner's ready jobs goes at the owner's next turn is a matter of the owner's alone. A job's `place` among them is its turn
 * less its batch's priority, so a priority is a head start in the owner's own turns; a claim lets the job with the lowest place have the
 * lowest turn, and the two change turns. Places are written down, and indexed, only of owners who use priorities: of a job without one
 * the place is the turn, and it had its turn before any job of its owner got a place.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { Database, Statement } from '../../ports.ts'

/** The lowest ready turn; where nothing is ready, the furthest any owner got, so that a newcomer gets no credit for time it was away. */
const FLOOR = sql`coalesce((SELECT min(turn) FROM jobs WHERE status = 'ready'), (SELECT max(last_turn) FROM owners), 0)`

/** Takes `count` turns for an owner; afterwards the owner's `last_turn` is the last of them. */
export function assignVirtualTimes(db: Database, owner: string, count: number): Statement {
  return db.run(sql`
    INSERT INTO owners (owner, last_turn) VALUES (${owner}, ${FLOOR} + ${count})
    ON CONFLICT (owner) DO UPDATE SET last_turn = max(last_turn, ${FLOOR}) + ${count}`)
}

/**
 * The place of a job that gets a turn; null where it need not be written down.
 * @param owner whose job it is
 */
export function priorityKey(owner: SQL, turn: SQL, priority: SQL): SQL {
  const ranked = sql`EXISTS (SELECT 1 FROM jobs p WHERE p.status = 'ready' AND p.place IS NOT NULL AND p.owner = ${owner})`
  return sql`CASE WHEN ${priority} <> 0 OR ${ranked} THEN ${turn} - ${priority} END`
}

/** Bounds how many ready jobs a SELECT looks at. */
export type Bound = (jobs: number) => SQL

/** Bounds by the number alone. */
export const plainBound: Bound = (jobs) => sql`${jobs}`

/** Looks at no job where nobody uses priorities. In a LIMIT, because SQLite would make a join of an EXISTS in a WHERE and walk all ready jobs. */
const boundByPlaces: Bound = (jobs) =>
  sql`(SELECT CASE WHEN EXISTS (SELECT 1 FROM jobs WHERE status = 'ready' AND place IS NOT NULL) THEN ${jobs} ELSE 0 END)`

/**
 * The ready jobs with the next turns, as `job, owner, turn, place`.
 * @param condition what else must hold of them
 */
export function nextTurns(limit: SQL, condition: SQL = sql`true`): SQL {
  return sql`
    SELECT rowid AS job, owner, turn, coalesce(place, turn) AS place FROM jobs
    WHERE status = 'ready' AND ${condition} ORDER BY turn LIMIT ${limit}`
}

/**
 * Lets each owner's jobs with the lowest places have those of the turns about to be claimed that are the owner's: they change turns with
 * the jobs that had them. Looks at no more jobs than it is about, and at none where nobody uses priorities.
 * @param claimed a SELECT of `job, owner, turn, place` from ready jobs within a bound: those that the claim would take
 */
export function swapByPriority(db: Database, claimed: (bound: Bound) => SQL): Statement {
  return db.run(sql`
    WITH slots AS MATERIALIZED (
      SELECT job, owner, turn, place FROM (${claimed(boundByPlaces)})
    ), shares AS MATERIALIZED (
      SELECT owner, count(*) AS n FROM slots GROUP BY owner
    ), candidates AS (
      SELECT job, owner, turn, place, true AS slot FROM slots
      UNION ALL
      SELECT p.rowid, p.owner, p.turn, p.place, false FROM shares s CROSS JOIN jobs p ON p.rowid IN (
        SELECT q.rowid FROM jobs q WHERE q.status = 'ready' AND q.place IS NOT NULL AND q.owner = s.owner ORDER BY q.place
        LIMIT (SELECT max(n) FROM shares))
      WHERE p.rowid NOT IN (SELECT job FROM slots)
    ), ranked AS (
      SELECT c.*, row_number() OVER (PARTITION BY c.owner ORDER BY c.place, c.turn) <= s.n AS chosen
      FROM candidates c JOIN shares s ON s.owner = c.owner
    ), moved AS MATERIALIZED (
      SELECT job, owner, turn, place, chosen, row_number() OVER (PARTITION BY owner, chosen ORDER BY turn) AS pair
      FROM ranked WHERE chosen <> slot
    )
    UPDATE jobs SET turn = other.turn, place = one.place
    FROM moved one JOIN moved other ON other.owner = one.owner AND other.pair = one.pair AND other.chosen <> one.chosen
    WHERE jobs.rowid = one.job`)
}

/**
 * Makes waiting jobs ready, each with a fresh turn of its owner.
 * @param waiting a SELECT of `id, owner, place` from jobs that are not ready yet; `place` orders one owner's jobs
 */
export function makeReady(db: Database, waiting: SQL): [Statement, Statement] {
  return [
    db.run(sql`
      UPDATE owners SET last_turn = max(last_turn, ${FLOOR}) + w.n
      FROM (SELECT owner, count(*) AS n FROM (${waiting}) GROUP BY owner) w WHERE w.owner = owners.owner`),
    db.run(sql`
      UPDATE jobs SET status = 'ready', run_at = NULL, turn = t.turn,
        place = ${priorityKey(sql`jobs.owner`, sql`t.turn`, sql`(SELECT b.priority FROM batches b WHERE b.id = jobs.batch_id)`)}
      FROM (
        SELECT w.id, o.last_turn - count(*) OVER (PARTITION BY w.owner) + row_number() OVER (PARTITION BY w.owner ORDER BY w.place) AS turn
        FROM (${waiting}) w JOIN owners o ON o.owner = w.owner
      ) t WHERE t.id = jobs.id`),
  ]
}
