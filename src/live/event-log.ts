/** Reading the event log, and the form in which its events reach clients. */
import { sql } from 'drizzle-orm'
import { EVENT_COLUMNS, type EventFields, type EventRow, presentEvent } from '../events.ts'
import type { Operation, Operations } from '../operation.ts'
import type { Database } from '../ports.ts'
import { readJobItems, readRun } from './state.ts'

/** A logged event as clients get it. */
export interface PublicEvent {
  readonly seq: number
  readonly type: string
  readonly batchId: string
  readonly jobId: string | null
  /** The body: common fields and those of the type. */
  readonly body: Readonly<Record<string, unknown>>
}

/** Parts that the form of events depends on. */
export interface Presentation {
  readonly operations: Operations
  /** Path below which addresses are, as `basePathOf` reads it from the configuration. Default: the root. */
  readonly basePath?: string
}

/** A stretch of a log. */
export interface EventPage {
  readonly events: readonly PublicEvent[]
  /** The page holds every event up to this number, those left out that a later run of the batch replaced. */
  readonly end: number
  /** True where the log went no further when it was read. */
  readonly complete: boolean
  /** True where no event follows, unless the batch is rerun. */
  readonly finished: boolean
}

/** Longest list of job results that a closing event carries; with more jobs it names where to fetch them. */
const MAX_RESULTS = 100
const EVENTS_A_PAGE = 500
/** Stored bytes after which a page ends, so that reading for slow clients stays small whatever the size of the events. */
const BYTES_A_PAGE = 256 * 1024

interface PageRow extends EventRow {
  last_seq: number
  run: number
  finished_at: number | null
  /** Null, with all that follows, where the batch has no event after the cursor. */
  seq: number | null
}

/**
 * Reads the next events of a batch after a cursor, in order, and how far its log reaches, in one snapshot.
 * @returns null when the batch is gone
 */
export async function readPage(
  db: Database,
  { operations, basePath = '' }: Presentation,
  batch: { id: string; operation: string },
  after: number,
): Promise<EventPage | null> {
  const next = sql`batch_id = ${batch.id} AND seq > ${after} AND superseded_at IS NULL`
  const rows = await db.all<PageRow>(sql`
    SELECT b.last_seq, b.run, b.finished_at, e.seq, ${EVENT_COLUMNS}
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
    if (seq !== null)
      events.push(await present(db, { operation: operations[batch.operation], basePath }, batch.id, { seq, ...row }))
  }
  if (events.some(({ type }) => type === 'batch_completed')) {
    // The results of a closing event are read after it: those of a batch that was deleted or rerun meanwhile may be incomplete.
    const run = await readRun(db, batch.id)
    if (run === null) return null
    if (run !== head.run) return readPage(db, { operations, basePath }, batch, after)
  }
  const end = events.at(-1)?.seq ?? Math.max(after, head.last_seq)
  return { events, end, complete: end >= head.last_seq, finished: head.finished_at !== null }
}

async function present(
  db: Database,
  { operation, basePath }: { operation: Operation | undefined; basePath: string },
  batchId: string,
  row: EventRow & { seq: number },
): Promise<PublicEvent> {
  const shown = presentEvent(row, operation)
  const results = row.type === 'batch_completed' ? await resultsOf(db, { operation, basePath }, batchId) : {}
  return {
    seq: row.seq,
    type: row.type,
    batchId,
    jobId: row.job_id,
    body: { ...common(batchId, row, shown), ...shown.data, ...shown.totals, ...results },
  }
}

function common(batchId: string, row: EventRow, { job }: EventFields) {
  return { type: row.type, batchId, ...job, at: new Date(row.at).toISOString() }
}

/** The results of few jobs; of more, where to fetch them. */
async function resultsOf(
  db: Database,
  { operation, basePath }: { operation: Operation | undefined; basePath: string },
  batchId: string,
): Promise<Record<string, unknown>> {
  const rows = await readJobItems(db, operation, batchId, { after: 0, limit: MAX_RESULTS + 1 })
  return rows.length > MAX_RESULTS
    ? { resultsUrl: `${basePath}/api/batch/${batchId}/results` }
    : { results: rows.map(({ progressPercent, progressMessage, ...result }) => result) }
}

/** Reads the end of the log of all batches: the number of its last event, 0 for none. */
export async function readEnd(db: Database): Promise<number> {
  const rows = await db.all<{ end: number | null }>(sql`SELECT max(id) AS "end" FROM events`)
  return rows[0]?.end ?? 0
}

/** An event among all batches. */
interface OwnedRow extends PageRow {
  seq: number
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
  { operations, basePath = '' }: Presentation,
  owner: string,
  after: number,
): Promise<EventPage> {
  const [ends, rows] = await db.batch([
    db.all<{ end: number | null }>(sql`SELECT max(id) AS "end" FROM events`),
    db.all<OwnedRow>(sql`
      SELECT e.id, e.batch_id, b.operation, e.seq, ${EVENT_COLUMNS}
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
    const shown = presentEvent(row, operations[operation])
    const closing =
      row.type === 'batch_completed' ? { ...shown.totals, resultsUrl: `${basePath}/api/batch/${batch_id}/results` } : {}
    const body = { ...common(batch_id, row, shown), eventId: row.seq, ...shown.data, ...closing }
    return { seq: id, type: row.type, batchId: batch_id, jobId: row.job_id, body }
  })
  const reached = ends[0]?.end ?? 0
  const end = events.at(-1)?.seq ?? Math.max(after, reached)
  return { events, end, complete: end >= reached, finished: false }
}
