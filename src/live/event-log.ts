/** Reading the event log, and the form in which its events reach clients. */
import { sql } from 'drizzle-orm'
import type { Database, Operation, Operations } from '../ports.ts'
import { readJobItems } from './state.ts'

/** A logged event as clients get it. */
export interface PublicEvent {
  readonly seq: number
  readonly type: string
  readonly batchId: string
  readonly jobId: string | null
  /** The body: common fields and those of the type. */
  readonly body: Readonly<Record<string, unknown>>
}

/** A stretch of a log. */
export interface EventPage {
  readonly events: readonly PublicEvent[]
  /** The page holds every event up to this number, those left out that a later run of the batch replaced. */
  readonly end: number
  /** True where the log went no further when it was read. */
  readonly complete: boolean
  /** True where nothing more comes, as long as nobody runs the batch again. */
  readonly finished: boolean
}

/** Longest list of job results that a closing event carries; with more jobs it names where to fetch them. */
const MAX_RESULTS = 100
const EVENTS_A_PAGE = 500
/** Stored bytes after which a page ends, so that reading for slow clients stays small whatever the size of the events. */
const BYTES_A_PAGE = 256 * 1024

interface EventRow {
  last_seq: number
  finished_at: number | null
  /** Null, with all that follows, where the batch has no event after the cursor. */
  seq: number | null
  type: string
  job_id: string | null
  job_sequence: number | null
  at: number
  data: string
}

/**
 * Reads the next events of a batch after a cursor, in order, and how far its log reaches, in one snapshot.
 * @returns null when the batch is gone
 */
export async function readPage(
  db: Database,
  operations: Operations,
  batch: { id: string; operation: string },
  after: number,
): Promise<EventPage | null> {
  const next = sql`batch_id = ${batch.id} AND seq > ${after} AND superseded_at IS NULL`
  const rows = await db.all<EventRow>(sql`
    SELECT b.last_seq, b.finished_at, e.seq, e.type, e.job_id, e.job_sequence, e.at, e.data
    FROM batches b LEFT JOIN events e ON e.batch_id = b.id AND e.seq > ${after} AND e.superseded_at IS NULL AND e.seq <= (
      SELECT max(seq) FROM (
        SELECT seq, sum(bytes) OVER (ORDER BY seq) - bytes AS before
        FROM (SELECT seq, octet_length(data) AS bytes FROM events WHERE ${next} ORDER BY seq LIMIT ${EVENTS_A_PAGE})
      ) WHERE before < ${BYTES_A_PAGE})
    WHERE b.id = ${batch.id} AND b.deleted_at IS NULL ORDER BY e.seq`)
  const head = rows[0]
  if (head === undefined) return null
  const events: PublicEvent[] = []
  for (const { seq, ...row } of rows) {
    if (seq !== null) events.push(await present(db, operations[batch.operation], batch.id, { seq, ...row }))
  }
  const end = events.at(-1)?.seq ?? Math.max(after, head.last_seq)
  return { events, end, complete: end >= head.last_seq, finished: head.finished_at !== null }
}

async function present(
  db: Database,
  operation: Operation | undefined,
  batchId: string,
  row: EventRow & { seq: number },
): Promise<PublicEvent> {
  const data = fields(JSON.parse(row.data))
  const closing = row.type === 'batch_completed' ? await closingFields(db, operation, batchId, data) : {}
  return {
    seq: row.seq,
    type: row.type,
    batchId,
    jobId: row.job_id,
    body: { ...common(batchId, row), ...data, ...closing },
  }
}

function common(batchId: string, row: EventRow) {
  return {
    type: row.type,
    batchId,
    ...(row.job_id === null ? {} : { jobId: row.job_id, sequence: row.job_sequence }),
    at: new Date(row.at).toISOString(),
  }
}

async function closingFields(
  db: Database,
  operation: Operation | undefined,
  batchId: string,
  data: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const totals = operation?.batchTotals(numbers(data.tallies)) ?? {}
  const rows = await readJobItems(db, operation, batchId, { after: 0, limit: MAX_RESULTS + 1 })
  return rows.length > MAX_RESULTS
    ? { ...totals, resultsUrl: `/api/batch/${batchId}/results` }
    : { ...totals, results: rows.map(({ progressPercent, progressMessage, ...result }) => result) }
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

function numbers(value: unknown): Record<string, number> {
  const entries = Object.entries(fields(value))
  return Object.fromEntries(entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
}

/** Reads the end of the log of all batches: the number of its last event, 0 for none. */
export async function readEnd(db: Database): Promise<number> {
  const rows = await db.all<{ end: number | null }>(sql`SELECT max(id) AS "end" FROM events`)
  return rows[0]?.end ?? 0
}

/** An event among all batches. */
interface OwnedRow extends EventRow {
  id: number
  batch_id: string
  operation: string
}

/**
 * Reads the next events of all batches of an owner, under the numbers that order the events of all batches. What a client must read may be
 * anyone's, so it is bounded by how far back a client may begin. Closing events name where results are, so that many of them stay small.
 */
export async function readOwnersPage(
  db: Database,
  operations: Operations,
  owner: string,
  after: number,
): Promise<EventPage> {
  const [ends, rows] = await db.batch([
    db.all<{ end: number | null }>(sql`SELECT max(id) AS "end" FROM events`),
    db.all<OwnedRow>(sql`
      SELECT e.id, e.batch_id, b.operation, e.seq, e.type, e.job_id, e.job_sequence, e.at, e.data
      FROM events e JOIN batches b ON b.id = e.batch_id WHERE e.id IN (
        SELECT id FROM (
          SELECT id, sum(bytes) OVER (ORDER BY id) - bytes AS before
          FROM (SELECT n.id, octet_length(n.data) AS bytes FROM events n
            CROSS JOIN batches o ON o.id = n.batch_id AND o.owner = ${owner} AND o.deleted_at IS NULL
            WHERE n.id > ${after} AND n.superseded_at IS NULL ORDER BY n.id LIMIT ${EVENTS_A_PAGE})
        ) WHERE before < ${BYTES_A_PAGE})
      ORDER BY e.id`),
  ])
  const events = rows.map(({ id, batch_id, operation, ...row }): PublicEvent => {
    const data = fields(JSON.parse(row.data))
    const totals =
      row.type === 'batch_completed' ? operations[operation]?.batchTotals(numbers(data.tallies)) : undefined
    const closing = totals === undefined ? {} : { ...totals, resultsUrl: `/api/batch/${batch_id}/results` }
    const body = { ...common(batch_id, row), eventId: row.seq, ...data, ...closing }
    return { seq: id, type: row.type, batchId: batch_id, jobId: row.job_id, body }
  })
  const reached = ends[0]?.end ?? 0
  const end = events.at(-1)?.seq ?? Math.max(after, reached)
  return { events, end, complete: end >= reached, finished: false }
}
