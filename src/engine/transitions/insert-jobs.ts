/** Inserts the rows of jobs that are written in the same commit as what they belong to: a create, or items that are added to an open batch. */
import { type SQL, sql } from 'drizzle-orm'
import type { JobPlan } from '../../operation.ts'
import type { Database, Statement } from '../../ports.ts'
import { jsonLists, type Piece } from '../json.ts'
import { assignVirtualTimes, LAST_OFFERED, priorityKey } from './fair-queue.ts'
import { rowOfJob } from './staged.ts'

/**
 * Adds jobs to a batch that is there, as its own options say they are to be run: ready or offered at once, at their time, or when a slot of the batch is free.
 * Jobs whose sequence is taken are passed over.
 */
export function insertJobs(
  db: Database,
  add: {
    batchId: string
    owner: string
    now: number
    jobs: readonly JobPlan[]
    firstSequence: number
    /** Condition on the batch (as `b`) without which nothing is added. */
    condition?: SQL
    /** True where the batch had jobs before. With a concurrency limit the new ones are then blocked until {@link unblockJobs} gives them slots. */
    later?: boolean
  },
): Statement[] {
  const { jobs } = add
  return insertPieces(db, { ...add, pieces: jsonLists(jobs.map(rowOfJob)), count: jobs.length })
}

/** Likewise, of rows that are JSON already; `count` is how many they are together. */
export function insertPieces(
  db: Database,
  add: Omit<Parameters<typeof insertJobs>[1], 'jobs'> & { pieces: readonly Piece[]; count: number },
): Statement[] {
  const { batchId, owner, now, pieces, count, firstSequence } = add
  if (count === 0) return []
  return [
    // Jobs of a queue get virtual times of the queue.
    assignVirtualTimes(
      db,
      owner,
      sql`CASE WHEN (SELECT queue FROM batches WHERE id = ${batchId}) IS NULL THEN ${count} ELSE 0 END`,
    ),
    ...pieces.map(({ json, first }) => {
      // Sequences are counted rather than read from the rows: the key of a list's row costs nothing.
      const sequence = sql`(${firstSequence + first} + r.key)`
      const taken = add.later === true ? sql`b.concurrency IS NOT NULL` : sql`${sequence} > b.concurrency`
      const virtualTime = sql`(CASE WHEN b.queue IS NULL THEN o.last_virtual_time - ${count - first - 1} ELSE q.last_offered + 1 END + r.key)`
      const keyAmong = (ready?: SQL) => priorityKey(sql`${owner}`, virtualTime, sql`b.priority`, ready)
      const isDue = sql`coalesce(b.run_at, 0) <= ${now}`
      return db.run(sql`
        INSERT INTO jobs (id, batch_id, owner, operation, queue, sequence, status, label, item_id, url, input, virtual_time, priority_key, run_at, max_attempts, created_at)
        WITH q AS MATERIALIZED (
          SELECT CASE WHEN w.queue IS NOT NULL THEN ${LAST_OFFERED} END AS last_offered FROM batches w WHERE w.id = ${batchId}
        )
        SELECT r.value ->> 0, b.id, b.owner, b.operation, b.queue, ${sequence},
          CASE WHEN b.paused_at IS NOT NULL OR ${taken} THEN 'blocked' WHEN NOT ${isDue} THEN 'scheduled'
            WHEN b.queue IS NULL THEN 'ready' ELSE 'offered' END,
          r.value ->> 2, r.value ->> 3, r.value ->> 4, r.value -> 1, ${virtualTime},
          CASE WHEN b.queue IS NULL THEN ${keyAmong()} ELSE ${keyAmong(sql`p.status = 'offered' AND p.queue = b.queue`)} END,
          CASE WHEN b.queue IS NULL OR NOT ${isDue} THEN b.run_at END, b.max_attempts, ${now}
        FROM batches b CROSS JOIN owners o CROSS JOIN q CROSS JOIN json_each(${json}) r
        WHERE b.id = ${batchId} AND o.owner = ${owner} AND ${add.condition ?? sql`true`}
        ON CONFLICT DO NOTHING`)
    }),
  ]
}
