/**
 * The order in which ready jobs are claimed, fair between owners (start-time fair queueing, Goyal et al. 1996, with jobs of equal weight).
 * A job's virtual time is its column `virtual_time`: the later of its owner's last one and the lowest of all ready jobs, plus one.
 *
 * Priorities order the jobs of one owner alone. A job's priority key (column `priority_key`) is its virtual time less its batch's priority, so a
 * priority is a head start over the owner's other jobs; a claim gives the lowest virtual time to the job with the lowest key, and the two
 * swap virtual times. Keys are stored, and indexed, only for owners who use priorities: without one the key is the virtual time, which was
 * assigned before any job of the owner had a key.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { Database, Statement } from '../../ports.ts'

/** Jobs that the server's own workers may claim, as a condition. */
export const READY = sql`status = 'ready'`

/** A queue that workers over HTTP claim from, and the owner whose jobs they may see; null for all owners. */
export interface OfferedQueue {
  readonly name: string
  readonly owner: string | null
}

/** Jobs that are offered in a queue, as a condition. */
export function offeredIn({ name, owner }: { readonly name: string | SQL; readonly owner: string | SQL | null }): SQL {
  return sql`status = 'offered' AND queue = ${name} AND ${owner === null ? sql`true` : sql`owner = ${owner}`}`
}

/** The lowest virtual time of a ready job; where nothing is ready, the highest of any owner, so that a newcomer gets no credit for idle time. */
const FLOOR = sql`coalesce((SELECT min(virtual_time) FROM jobs WHERE status = 'ready'), (SELECT max(last_virtual_time) FROM owners), 0)`

/** Assigns `count` virtual times to an owner; afterwards the owner's `last_virtual_time` is the last of them. */
export function assignVirtualTimes(db: Database, owner: string, count: SQL): Statement {
  return db.run(sql`
    INSERT INTO owners (owner, last_virtual_time) VALUES (${owner}, ${FLOOR} + ${count})
    ON CONFLICT (owner) DO UPDATE SET last_virtual_time = max(last_virtual_time, ${FLOOR}) + ${count}`)
}

/**
 * The priority key of a job that gets a virtual time; null where it need not be stored.
 * @param owner whose job it is
 * @param ready what holds of the jobs (as `p`) that it stands among
 */
export function priorityKey(owner: SQL, virtualTime: SQL, priority: SQL, ready = sql`p.status = 'ready'`): SQL {
  const ranked = sql`EXISTS (SELECT 1 FROM jobs p WHERE ${ready} AND p.priority_key IS NOT NULL AND p.owner = ${owner})`
  return sql`CASE WHEN ${priority} <> 0 OR ${ranked} THEN ${virtualTime} - ${priority} END`
}

/** Bounds how many ready jobs a SELECT looks at. */
export type Bound = (jobs: number) => SQL

/** Bounds by the number alone. */
export const plainBound: Bound = (jobs) => sql`${jobs}`

/** Looks at no job where no owner uses priorities. In a LIMIT, because SQLite would make a join of an EXISTS in a WHERE and walk all ready jobs. */
const boundByKeys =
  (ready: SQL): Bound =>
  (jobs) =>
    sql`(SELECT CASE WHEN EXISTS (SELECT 1 FROM jobs WHERE ${ready} AND priority_key IS NOT NULL) THEN ${jobs} ELSE 0 END)`

/**
 * The ready jobs with the lowest virtual times, as `job, owner, virtual_time, priority_key`.
 * @param ready which they are: {@link READY}, or {@link offeredIn} a queue
 * @param condition what else must hold of them
 */
export function nextReady(limit: SQL, ready: SQL, condition: SQL = sql`true`): SQL {
  return sql`
    SELECT rowid AS job, owner, virtual_time, coalesce(priority_key, virtual_time) AS priority_key FROM jobs
    WHERE ${ready} AND ${condition} ORDER BY virtual_time LIMIT ${limit}`
}

/**
 * Gives the virtual times that are about to be claimed to the jobs of the same owner with the lowest priority keys, which swap with the
 * jobs that had them. Looks at no more jobs than are claimed, and at none where no owner uses priorities.
 * @param claimed a SELECT of `job, owner, virtual_time, priority_key` from ready jobs within a bound: those that the claim would take
 * @param ready the jobs that it claims from, as {@link nextReady} has it
 */
export function swapByPriority(db: Database, claimed: (bound: Bound) => SQL, ready: SQL): Statement {
  return db.run(sql`
    WITH slots AS MATERIALIZED (
      SELECT job, owner, virtual_time, priority_key FROM (${claimed(boundByKeys(ready))})
    ), shares AS MATERIALIZED (
      SELECT owner, count(*) AS n FROM slots GROUP BY owner
    ), candidates AS (
      SELECT job, owner, virtual_time, priority_key, true AS slot FROM slots
      UNION ALL
      SELECT p.rowid, p.owner, p.virtual_time, p.priority_key, false FROM shares s CROSS JOIN jobs p ON p.rowid IN (
        SELECT q.rowid FROM jobs q WHERE ${ready} AND q.priority_key IS NOT NULL AND q.owner = s.owner ORDER BY q.priority_key
        LIMIT (SELECT max(n) FROM shares))
      WHERE p.rowid NOT IN (SELECT job FROM slots)
    ), ranked AS (
      SELECT c.*, row_number() OVER (PARTITION BY c.owner ORDER BY c.priority_key, c.virtual_time) <= s.n AS chosen
      FROM candidates c JOIN shares s ON s.owner = c.owner
    ), moved AS MATERIALIZED (
      SELECT job, owner, virtual_time, priority_key, chosen, row_number() OVER (PARTITION BY owner, chosen ORDER BY virtual_time) AS pair
      FROM ranked WHERE chosen <> slot
    )
    UPDATE jobs SET virtual_time = other.virtual_time, priority_key = one.priority_key
    FROM moved one JOIN moved other ON other.owner = one.owner AND other.pair = one.pair AND other.chosen <> one.chosen
    WHERE jobs.rowid = one.job`)
}

/**
 * The virtual time after which an owner's jobs come in a queue. No clock is stored for it: claimed jobs had lower virtual times than those left,
 * so an owner without jobs there begins at the lowest that is left, and gets no credit for idle time. Of the queue and the owner of a row `w`.
 */
export const LAST_OFFERED = sql`max(
  coalesce((SELECT max(e.virtual_time) FROM jobs e WHERE e.status = 'offered' AND e.queue = w.queue AND e.owner = w.owner), 0),
  coalesce((SELECT min(e.virtual_time) - 1 FROM jobs e WHERE e.status = 'offered' AND e.queue = w.queue), 0))`

/**
 * Makes waiting jobs ready, each with a new virtual time of its owner; those of a queue are offered in it, unless their batch was stopped: then a
 * worker of the server's own ends them.
 * @param waiting a SELECT of `id, owner, queue, position` from jobs that are not ready yet; `position` orders the jobs of an owner
 */
export function makeReady(db: Database, waiting: SQL): [Statement, Statement] {
  const priority = sql`(SELECT b.priority FROM batches b WHERE b.id = jobs.batch_id)`
  const isOffered = sql`(t.queue IS NOT NULL AND (SELECT b.stop_code FROM batches b WHERE b.id = jobs.batch_id) IS NULL)`
  return [
    db.run(sql`
      UPDATE owners SET last_virtual_time = max(last_virtual_time, ${FLOOR}) + w.n
      FROM (SELECT owner, count(*) AS n FROM (${waiting}) WHERE queue IS NULL GROUP BY owner) w WHERE w.owner = owners.owner`),
    db.run(sql`
      UPDATE jobs SET status = CASE WHEN ${isOffered} THEN 'offered' ELSE 'ready' END, run_at = NULL,
        virtual_time = CASE WHEN t.queue IS NULL OR ${isOffered} THEN t.virtual_time ELSE ${FLOOR} END,
        priority_key = CASE WHEN t.queue IS NULL THEN ${priorityKey(sql`jobs.owner`, sql`t.virtual_time`, priority)}
          WHEN ${isOffered} THEN ${priorityKey(sql`jobs.owner`, sql`t.virtual_time`, priority, sql`p.status = 'offered' AND p.queue = t.queue`)} END
      FROM (
        SELECT w.id, w.queue, row_number() OVER (PARTITION BY w.queue, w.owner ORDER BY w.position)
          + CASE WHEN w.queue IS NULL THEN o.last_virtual_time - count(*) OVER (PARTITION BY w.queue, w.owner) ELSE ${LAST_OFFERED} END AS virtual_time
        FROM (${waiting}) w LEFT JOIN owners o ON o.owner = w.owner
      ) t WHERE t.id = jobs.id`),
  ]
}
