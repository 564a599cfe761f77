/** Reading the event log, and the form in which its events reach clients. */
import { sql } from 'drizzle-orm'
import type { Database, Operation, Operations } from '../ports.ts'
import { events } from '../schema/events.ts'
import { readJobItems } from './state.ts'

/** A logged event as clients get it. */
export interface PublicEvent {
  readonly seq: number
  readonly type: string
  readonly jobId: string | null
  /** The body: common fields and those of the type. */
  readonly body: Readonly<Record<string, unknown>>
}

/** Longest list of job results that a closing event carries; with more jobs it names where to fetch them. */
const MOST_RESULTS = 100

/** Reads the events after a cursor, in order, at most `limit` of them. */
export async function readEvents(
  db: Database,
  operations: Operations,
  batch: { id: string; operation: string },
  after: number,
  limit: number,
): Promise<PublicEvent[]> {
  const rows = await db
    .select()
    .from(events)
    .where(sql`batch_id = ${batch.id} AND seq > ${after} AND superseded_at IS NULL`)
    .orderBy(events.seq)
    .limit(limit)
  const operation = operations[batch.operation]
  const list: PublicEvent[] = []
  for (const row of rows) {
    const common = {
      type: row.type,
      batchId: row.batchId,
      ...(row.jobId === null ? {} : { jobId: row.jobId, sequence: row.jobSequence }),
      at: new Date(row.at).toISOString(),
    }
    const closing = row.type === 'batch_completed' ? await closingFields(db, operation, row.batchId, row.data) : {}
    list.push({ seq: row.seq, type: row.type, jobId: row.jobId, body: { ...common, ...row.data, ...closing } })
  }
  return list
}

async function closingFields(
  db: Database,
  operation: Operation | undefined,
  batchId: string,
  data: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const totals = operation?.totals(numbers(data.tallies)) ?? {}
  const rows = await readJobItems(db, operation, batchId, { after: 0, limit: MOST_RESULTS + 1 })
  return rows.length > MOST_RESULTS
    ? { ...totals, resultsUrl: `/api/batch/${batchId}/results` }
    : { ...totals, results: rows.map(({ progressPercent, progressMessage, ...result }) => result) }
}

function numbers(value: unknown): Record<string, number> {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : []
  return Object.fromEntries(entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number'))
}
