/** The books after a crash run: what must hold of every batch in the database, and of every batch that was promised. */
import { type SQL, sql } from 'drizzle-orm'
import { MAX_LOSSES } from '../../src/engine/transitions/sweep.ts'
import type { Database } from '../../src/ports.ts'
import { type Ledger, type Promised, succeeds } from './client.ts'

/** Rules that hold whatever was asked; each finds the rows that break it. */
const RULES: Readonly<Record<string, SQL>> = {
  'every batch has ended, and is counted to its end': sql`
    SELECT id, status, total, completed, failed, cancelled FROM batches
    WHERE finished_at IS NULL OR completed + failed + cancelled <> total`,
  'counters are the rows by status': sql`
    SELECT b.id, b.total, b.completed, b.failed, b.cancelled FROM batches b LEFT JOIN jobs j ON j.batch_id = b.id GROUP BY b.id
    HAVING count(j.id) <> b.total OR total(j.status = 'completed') <> b.completed
      OR total(j.status = 'failed') <> b.failed OR total(j.status = 'cancelled') <> b.cancelled`,
  'sequences are 1 to total': sql`
    SELECT b.id FROM batches b JOIN jobs j ON j.batch_id = b.id GROUP BY b.id
    HAVING min(j.sequence) <> 1 OR max(j.sequence) <> b.total OR count(DISTINCT j.sequence) <> b.total`,
  'no job is held any more': sql`SELECT id, status, lease FROM jobs WHERE lease IS NOT NULL OR lease_until IS NOT NULL OR finished_at IS NULL`,
  'no job is given up for lost workers before its time': sql`
    SELECT id, losses FROM jobs WHERE error_code = 'WORKER_LOST' AND (status <> 'failed' OR losses <> ${MAX_LOSSES - 1})`,
  'events are numbered 1 to n without a gap': sql`
    SELECT b.id, b.last_seq, count(e.seq) AS events FROM batches b LEFT JOIN events e ON e.batch_id = b.id GROUP BY b.id
    HAVING count(e.seq) <> b.last_seq OR min(e.seq) <> 1 OR max(e.seq) <> b.last_seq`,
  'every job has one event of its end, of the kind it came to': sql`
    SELECT j.id, j.status, count(e.seq) AS events FROM jobs j
    LEFT JOIN events e ON e.batch_id = j.batch_id AND e.job_id = j.id AND e.superseded_at IS NULL GROUP BY j.id
    HAVING count(e.seq) <> 1 OR max(e.type) <> CASE j.status WHEN 'completed' THEN 'job_completed' ELSE 'job_failed' END`,
  'no success is ever superseded, and none is told twice': sql`
    SELECT job_id, count(*) AS events FROM events WHERE type = 'job_completed' GROUP BY batch_id, job_id
    HAVING count(*) > 1 OR max(superseded_at) IS NOT NULL`,
  'the last event is the one batch_completed, and agrees with the counters': sql`
    SELECT b.id FROM batches b LEFT JOIN events e ON e.batch_id = b.id AND e.type = 'batch_completed' AND e.superseded_at IS NULL
    GROUP BY b.id HAVING count(e.seq) <> 1 OR max(e.seq) <> b.last_seq OR max(e.data ->> 'completedJobs') <> b.completed
      OR max(e.data ->> 'failedJobs') <> b.failed OR max(e.data ->> 'cancelledJobs') <> b.cancelled OR max(e.data ->> 'status') <> b.status`,
  'the tally of echo is the sum of what its results were worth': sql`
    SELECT b.id, b.tallies, total(j.input ->> 'amount') AS worth FROM batches b JOIN jobs j ON j.batch_id = b.id AND j.status = 'completed'
    WHERE b.operation = 'echo' GROUP BY b.id HAVING coalesce(b.tallies ->> 'amount', 0) <> total(j.input ->> 'amount')`,
  'an echo gives back its item': sql`
    SELECT id, result FROM jobs WHERE operation = 'echo' AND status = 'completed' AND result IS NOT json(input -> 'value')`,
  'the tally of heat sheets is the number of events found': sql`
    SELECT b.id, b.tallies FROM batches b JOIN jobs j ON j.batch_id = b.id AND j.status = 'completed'
    WHERE b.operation = 'heat-sheet' GROUP BY b.id
    HAVING coalesce(b.tallies ->> 'events', 0) <> total(json_array_length(j.result, '$.events')) OR total(json_array_length(j.result, '$.events')) = 0`,
  'a sheet that was read has one row of its result, and no other has': sql`
    SELECT j.id, count(r.code) AS codes FROM jobs j LEFT JOIN results r ON r.job_id = j.id WHERE j.operation = 'heat-sheet' GROUP BY j.id
    HAVING count(r.code) <> (j.status = 'completed') OR (count(r.code) = 1 AND max(r.code) <> j.summary ->> 'resultCode')`,
}

/** What a run did, beside being right. */
export interface Done {
  readonly batches: number
  readonly jobs: number
  readonly events: number
  /** Jobs that were taken back from a process that was gone. */
  readonly takenBack: number
  /** Jobs that were failed for being lost as often as the engine allows: lives were too short for them. */
  readonly givenUp: number
  /** Jobs run again by hand. */
  readonly superseded: number
}

/**
 * Goes through the books of a database that nobody writes to any more.
 * @returns a sentence for each rule or promise that was broken
 */
export async function checkBooks(db: Database, ledger: Ledger): Promise<string[]> {
  const faults = [...ledger.wrong]
  for (const [rule, query] of Object.entries(RULES)) {
    const rows = await db.all(sql`SELECT * FROM (${query}) LIMIT 3`)
    if (rows.length > 0) faults.push(`Broken: ${rule}: ${JSON.stringify(rows)}`)
  }
  const kept = await db.all<{ id: string; key: string }>(sql`SELECT id, idempotency_key AS key FROM batches`)
  const ids = new Map(kept.map(({ id, key }) => [key, id]))
  if (ids.size !== ledger.promised.length || kept.length !== ids.size) {
    faults.push(`${ledger.promised.length} batches were promised, ${kept.length} are there.`)
  }
  for (const promised of ledger.promised) {
    if (ids.get(promised.key) !== promised.batchId) faults.push(`${promised.key} was ${promised.batchId}, and is not.`)
    else faults.push(...(await checkPromise(db, promised)))
  }
  return faults
}

async function checkPromise(db: Database, promised: Promised): Promise<string[]> {
  const { key, batchId, items, jobs, operation } = promised
  const rows = await db.all<{ sequence: number; status: string; error_code: string | null; input: string }>(
    sql`SELECT sequence, status, error_code, input FROM jobs WHERE batch_id = ${batchId} ORDER BY sequence`,
  )
  if (rows.length !== jobs) return [`${key} has ${rows.length} jobs in place of ${jobs}.`]
  if (operation !== 'echo') {
    const done = rows.filter((row) => row.status === 'completed' || mayDiffer(promised, row)).length
    return done === jobs ? [] : [`${key} read ${done} documents of ${jobs}.`]
  }
  return rows.flatMap((row, i) => {
    const item = items[i]
    if (item === undefined || JSON.stringify(keptItem(row.input)) !== JSON.stringify(item.value)) {
      return [`${key} has ${row.input} at ${row.sequence} in place of ${JSON.stringify(item)}.`]
    }
    const wanted = succeeds(item) ? 'completed' : 'failed'
    return row.status === wanted || mayDiffer(promised, row)
      ? []
      : [`${key} has a ${row.status} job at ${row.sequence} in place of a ${wanted} one.`]
  })
}

/** Whether a job ended otherwise than it would have by itself, for a reason that is not a fault. */
function mayDiffer({ cancelled }: Promised, row: { status: string; error_code: string | null }): boolean {
  return (cancelled && row.status === 'cancelled') || row.error_code === 'WORKER_LOST'
}

function keptItem(input: string): unknown {
  const { value }: { value: unknown } = JSON.parse(input)
  return value
}

/** What the database says of a run. */
export async function readDone(db: Database): Promise<Done> {
  const row = await db.get<Done>(sql`
    SELECT (SELECT count(*) FROM batches) AS batches, (SELECT count(*) FROM jobs) AS jobs, (SELECT count(*) FROM events) AS events,
      (SELECT total(losses) FROM jobs) AS "takenBack",
      (SELECT count(*) FROM jobs WHERE error_code = 'WORKER_LOST') AS "givenUp", (SELECT count(*) FROM events WHERE type = 'job_failed' AND superseded_at IS NOT NULL) AS superseded`)
  return row
}
