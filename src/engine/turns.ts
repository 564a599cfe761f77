/**
 * Turns: the order in which ready jobs are claimed, fair between owners (start-time fair queueing, Goyal et al. 1996, with jobs of
 * equal weight). An owner's new job starts at the later of the owner's last turn and the lowest ready turn, and takes one step.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { Database, Statement } from '../ports.ts'

/** The lowest ready turn; where nothing is ready, the furthest any owner got, so that a newcomer gets no credit for time it was away. */
const FLOOR = sql`coalesce((SELECT min(turn) FROM jobs WHERE status = 'ready'), (SELECT max(last_turn) FROM owners), 0)`

/** Takes `count` turns for an owner; afterwards the owner's `last_turn` is the last of them. */
export function takeTurns(db: Database, owner: string, count: number): Statement {
  return db.run(sql`
    INSERT INTO owners (owner, last_turn) VALUES (${owner}, ${FLOOR} + ${count})
    ON CONFLICT (owner) DO UPDATE SET last_turn = max(last_turn, ${FLOOR}) + ${count}`)
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
      UPDATE jobs SET status = 'ready', run_at = NULL, turn = t.turn - (SELECT b.priority FROM batches b WHERE b.id = jobs.batch_id)
      FROM (
        SELECT w.id, o.last_turn - count(*) OVER (PARTITION BY w.owner) + row_number() OVER (PARTITION BY w.owner ORDER BY w.place) AS turn
        FROM (${waiting}) w JOIN owners o ON o.owner = w.owner
      ) t WHERE t.id = jobs.id`),
  ]
}
