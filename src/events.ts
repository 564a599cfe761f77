/**
 * Events: the statements that write each type, and the form in which they are shown. Every writer and every reader of the log uses these, so
 * that a new field is added here alone.
 */
import { type SQL, sql } from 'drizzle-orm'
import { parseLossless } from './lossless-json.ts'
import type { Operation } from './operation.ts'
import type { JobFacts } from './ports.ts'
import type { events } from './schema/events.ts'

/** Columns of a job's event, in the order of {@link jobValues}. */
const JOB_COLUMNS = sql`batch_id, seq, type, job_id, job_sequence, item_id, filename, url, attempt, max_attempts, started_at, at, data`

/** Values of those columns, read from a row of `jobs` as it is when its event is written. */
const jobValues = (job: string, event: { batchId: SQL; seq: SQL; type: SQL; at: number; data: SQL }) => {
  const of = (column: string) => sql.raw(`${job}.${column}`)
  return sql`${event.batchId}, ${event.seq}, ${event.type}, ${of('id')}, ${of('sequence')}, ${of('item_id')}, ${of('label')}, ${of('url')}, ${of('attempt')}, ${of('max_attempts')},
    ${of('started_at')}, ${event.at}, ${event.data}`
}

/** Makes the first event of a batch. */
export function batchStarted(event: {
  batchId: string
  at: number
  totalJobs: number
  open: boolean
  facts: Readonly<Record<string, unknown>>
}): typeof events.$inferInsert {
  const { batchId, at, totalJobs, open, facts } = event
  return { batchId, seq: 1, type: 'batch_started', at, data: { totalJobs, ...(open ? { open } : {}), ...facts } }
}

/** Writes `batch_started` for batches that are rerun, as the next event of each. @param where condition on `batches` */
export function insertBatchRestarted(where: SQL, at: number): SQL {
  return sql`
    INSERT INTO events (batch_id, seq, type, at, data)
    SELECT id, last_seq + 1, 'batch_started', ${at}, json_patch(json_object('totalJobs', total, 'retriedJobs', failed + cancelled), facts)
    FROM batches WHERE ${where}`
}

/**
 * Writes the events of jobs that ended, as the last events of their batches, whose counters include them already.
 * @param rows JSON, `{"batch":{"job":[number from the last event, 0 or less; fields of the event], …}, …}`
 */
export function insertJobEvents(type: 'job_completed' | 'job_failed', rows: string, at: number): SQL {
  const values = jobValues('j', {
    batchId: sql`b.id`,
    seq: sql`b.last_seq + (c.value ->> 0)`,
    type: sql`${type}`,
    at,
    data: sql`c.value -> 1`,
  })
  // CROSS JOIN fixes the order: the rows drive.
  return sql`
    INSERT INTO events (${JOB_COLUMNS}) SELECT ${values}
    FROM json_each(${rows}) g CROSS JOIN batches b ON b.id = g.key CROSS JOIN json_each(g.value) c CROSS JOIN jobs j ON j.id = c.key`
}

/**
 * Writes the events of jobs that end before they run, as the last events of their batch, whose counters include them already.
 * @param jobs condition on `jobs`, of one batch
 */
export function insertStoppedJobEvents(jobs: SQL, at: number, error: { code: SQL; message: SQL }): SQL {
  const values = jobValues('w', {
    batchId: sql`w.batch_id`,
    seq: sql`b.last_seq - count(*) OVER () + row_number() OVER (ORDER BY w.sequence)`,
    type: sql`'job_failed'`,
    at,
    data: sql`json_object('errorCode', ${error.code}, 'errorMessage', ${error.message})`,
  })
  return sql`
    INSERT INTO events (${JOB_COLUMNS}) SELECT ${values}
    FROM (SELECT id, batch_id, sequence, item_id, label, url, attempt, max_attempts, started_at FROM jobs WHERE ${jobs}) w JOIN batches b ON b.id = w.batch_id`
}

/**
 * Writes `batch_completed` for batches that ended.
 * @param where condition on `batches`
 * @param status their final status
 * @param next the batch that follows each, and why there is none where another was to follow: two expressions, of which one is NULL
 */
export function insertBatchCompleted(
  where: SQL,
  at: number,
  status: SQL,
  next: { readonly batchId: SQL; readonly skipped: SQL },
): SQL {
  const counts = sql`json_object('status', ${status}, 'completedJobs', completed,
      'failedJobs', failed, 'cancelledJobs', cancelled, 'tallies', json(tallies))`
  const chained = sql`CASE WHEN ${next.skipped} IS NULL THEN json_set(${counts}, '$.nextBatchId', ${next.batchId})
      ELSE json_set(${counts}, '$.nextBatchId', NULL, '$.nextSkipped', ${next.skipped}) END`
  return sql`
    INSERT INTO events (batch_id, seq, type, at, data)
    SELECT id, last_seq + 1, 'batch_completed', ${at}, CASE WHEN next IS NOT NULL THEN ${chained}
      WHEN superseded_by IS NOT NULL THEN json_set(${counts}, '$.supersededBy', superseded_by) ELSE ${counts} END
    FROM batches WHERE ${where}`
}

/**
 * Writes the first event of batches that follow others.
 * @param begun a SELECT of `id` (of the new batch) and `facts` (JSON)
 */
export function insertNextStarted(begun: SQL, at: number): SQL {
  return sql`
    INSERT INTO events (batch_id, seq, type, at, data)
    SELECT n.id, 1, 'batch_started', ${at}, json_patch(json_object('totalJobs', 0, 'open', json('true')), n.facts) FROM (${begun}) n`
}

/** Writes `chain_fed`, as the last event of a batch whose items are all there. @param where condition on `batches` */
export function insertChainFed(where: SQL, at: number): SQL {
  return sql`
    INSERT INTO events (batch_id, seq, type, at, data)
    SELECT id, last_seq, 'chain_fed', ${at}, json_object('chainedFrom', chain ->> '$.from', 'totalJobs', total,
      'rejectedResults', chain ->> '$.rejected', 'errors', json(chain -> '$.errors'))
    FROM batches WHERE ${where}`
}

/** Writes `budget_exceeded` for batches that exceeded their budgets. @param where condition on `batches` @param excess JSON: the limit, its bound and the value */
export function insertBudgetExceeded(where: SQL, at: number, excess: SQL): SQL {
  return sql`
    INSERT INTO events (batch_id, seq, type, at, data)
    SELECT id, last_seq + 1, 'budget_exceeded', ${at}, json_set(json_remove(${excess}, '$.at'), '$.action', budget ->> 'onExceeded')
    FROM batches WHERE ${where}`
}

/** An event as it is read. */
export interface EventRow {
  type: string
  job_id: string | null
  job_sequence: number | null
  item_id: string | null
  filename: string | null
  url: string | null
  attempt: number | null
  max_attempts: number | null
  started_at: number | null
  at: number
  data: string
  /** Of its batch; null where its batch has none, and where the event is not about the batch as a whole. */
  metadata: string | null
}

/** Columns of {@link EventRow}, of an event `e` of a batch `b`. */
export const EVENT_COLUMNS = sql.raw(
  `e.type, e.job_id, e.job_sequence, e.item_id, e.filename, e.url, e.attempt, e.max_attempts, e.started_at, e.at, e.data,
   CASE WHEN e.job_id IS NULL THEN b.metadata END AS metadata`,
)

/** Fields of an event, common to streams, polling and webhooks. */
export interface EventFields {
  /** Fields of its job; empty for an event of the batch as a whole. */
  readonly job: Readonly<Record<string, unknown>>
  /** Fields that its type and its operation add. */
  readonly data: Readonly<Record<string, unknown>>
  /** Sums of a closing event, as its operation names them; empty for others. */
  readonly totals: Readonly<Record<string, unknown>>
}

/** Presents an event. */
export function presentEvent(row: EventRow, operation: Operation | undefined): EventFields {
  const data = fields(parseLossless(row.data))
  return {
    job: row.job_id === null ? {} : { jobId: row.job_id, sequence: row.job_sequence, ...factsOf(row) },
    data: { ...data, ...presentMetadata(row.metadata) },
    totals: row.type === 'batch_completed' ? (operation?.batchTotals(numbers(data.tallies)) ?? {}) : {},
  }
}

/** The facts of the job; none of them in events that an earlier release wrote. */
function factsOf({ item_id, filename, url, attempt, max_attempts, started_at, at }: EventRow): Record<string, unknown> {
  if (attempt === null || max_attempts === null) return {}
  return presentJobFacts({
    itemId: item_id,
    filename,
    url,
    attempt,
    maxAttempts: max_attempts,
    startedAt: started_at,
    finishedAt: at,
  })
}

/** Presents facts about a job as lists, polling and events show them. */
export function presentJobFacts({ itemId, filename, url, attempt, maxAttempts, startedAt, finishedAt }: JobFacts) {
  return { itemId, filename, url, attempt, maxAttempts, startedAt: iso(startedAt), finishedAt: iso(finishedAt) }
}

/** The caller's own data, as it was sent; no field where there is none. */
export function presentMetadata(text: string | null): { metadata?: unknown } {
  return text === null ? {} : { metadata: parseLossless(text) }
}

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

function numbers(value: unknown): Record<string, number> {
  const entries = Object.entries(fields(value))
  return Object.fromEntries(entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
}
