/** Changes that ended jobs make to their batches: counters, sums, an event per job, and the blocked jobs that take the freed concurrency slots. */
import { type SQL, sql } from 'drizzle-orm'
import { insertJobEvents } from '../../events.ts'
import type { Database, Statement } from '../../ports.ts'
import { type GroupedRow, jsonGroups, jsonObject, jsonObjects } from '../json.ts'

/** A job that ended, as its batch counts it. */
export interface Ended {
  readonly jobId: string
  readonly batchId: string
  /** Place in its batch, from 1. */
  readonly sequence: number
  readonly kind: 'completed' | 'failed' | 'cancelled'
  /** Fields that its event carries beside the common ones. */
  readonly data: unknown
  readonly tallies: Readonly<Record<string, number>>
}

/** Changes that one commit makes to a batch. */
export interface Change {
  readonly jobs: Ended[]
  failed: number
  cancelled: number
  tallies: Readonly<Record<string, number>>
}

/** By batch. */
export type Changes = ReadonlyMap<string, Change>

const NONE: Change['tallies'] = {}

/**
 * Sums up what jobs change of their batches.
 * @param jobs in the order in which their events are to be numbered: those that completed, then those that did not
 */
export function changesOf(jobs: readonly Ended[]): Changes {
  const changes = new Map<string, Change>()
  for (const job of jobs) {
    let change = changes.get(job.batchId)
    if (change === undefined) {
      change = { jobs: [], failed: 0, cancelled: 0, tallies: NONE }
      changes.set(job.batchId, change)
    }
    change.jobs.push(job)
    if (job.kind !== 'completed') change[job.kind]++
    change.tallies = sums(change.tallies, job.tallies)
  }
  return changes
}

/** Adds up tallies. An amount that is not a finite number adds nothing. */
function sums(a: Change['tallies'], b: Change['tallies']): Change['tallies'] {
  const more = Object.entries(b).filter(([, amount]) => Number.isFinite(amount))
  if (more.length === 0) return a
  return { ...a, ...Object.fromEntries(more.map(([name, amount]) => [name, (a[name] ?? 0) + amount])) }
}

/** Adds to the batches' counters. Returns each batch's last event number, as it is once {@link appendJobEvents} has written the events of all these jobs. */
export function incrementCounters(db: Database, changes: Changes) {
  const rows = [...changes].map(([id, { jobs, failed, cancelled }]) => [id, [jobs.length, failed, cancelled]] as const)
  return db.all<{ id: string; last_seq: number }>(sql`
    UPDATE batches SET completed = completed + (c.value ->> 0) - (c.value ->> 1) - (c.value ->> 2), failed = failed + (c.value ->> 1),
      cancelled = cancelled + (c.value ->> 2), last_seq = last_seq + (c.value ->> 0)
    FROM json_each(${jsonObject(rows)}) c WHERE batches.id = c.key RETURNING id, last_seq`)
}

/** Inserts one event a job. Comes after {@link incrementCounters}, and after the statements that end the jobs. */
export function appendJobEvents(db: Database, changes: Changes, now: number): Statement[] {
  const completed: GroupedRow[] = []
  const failed: GroupedRow[] = []
  for (const [batchId, { jobs }] of changes) {
    for (const [index, { jobId, kind, data }] of jobs.entries()) {
      const row: GroupedRow = [batchId, jobId, [index + 1 - jobs.length, data]]
      if (kind === 'completed') completed.push(row)
      else failed.push(row)
    }
  }
  const insert = (type: 'job_completed' | 'job_failed', rows: readonly GroupedRow[]) =>
    jsonGroups(rows).map(({ json }) => db.run(insertJobEvents(type, json, now)))
  return [...insert('job_completed', completed), ...insert('job_failed', failed)]
}

/** Adds what each batch's jobs give to the sums that the batch has. */
export function addTallies(db: Database, changes: Changes): Statement[] {
  const rows = [...changes].flatMap(([id, { tallies }]) => (tallies === NONE ? [] : [[id, tallies] as const]))
  return jsonObjects(rows).map(({ json }) =>
    db.run(sql`
      UPDATE batches SET tallies = (
        SELECT json_group_object(name, amount) FROM (
          SELECT name, sum(amount) AS amount FROM (
            SELECT key AS name, value AS amount FROM json_each(batches.tallies) UNION ALL SELECT key, value FROM json_each(c.value)
          ) GROUP BY name))
      FROM json_each(${json}) c WHERE batches.id = c.key`),
  )
}

/**
 * Selects the blocked jobs that take the slots of ended ones: of each batch as many as ended, lowest sequence first. Walks the index of blocked
 * jobs step by step, so that it costs the same however many are blocked.
 */
export function nextBlocked(changes: Changes): SQL {
  const ended = jsonObject([...changes].map(([id, change]) => [id, change.jobs.length] as const))
  const first = sql`SELECT min(n.sequence) FROM jobs n WHERE n.status = 'blocked' AND n.batch_id`
  return sql`
    SELECT h.id, h.owner, h.queue, h.sequence AS position FROM (
      WITH RECURSIVE walk (batch_id, ended, step, sequence) AS (
        SELECT b.id, c.value, 1, (${first} = b.id)
        FROM json_each(${ended}) c CROSS JOIN batches b ON b.id = c.key AND b.paused_at IS NULL AND b.stop_code IS NULL
        UNION ALL
        SELECT w.batch_id, w.ended, w.step + 1, (${first} = w.batch_id AND n.sequence > w.sequence)
        FROM walk w WHERE w.step < w.ended AND w.sequence IS NOT NULL
      )
      SELECT batch_id, sequence FROM walk WHERE sequence IS NOT NULL
    ) w JOIN jobs h ON h.batch_id = w.batch_id AND h.sequence = w.sequence`
}
