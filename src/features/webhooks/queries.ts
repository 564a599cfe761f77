/** The log of an owner's deliveries: which events its webhooks were sent, and what came of it. */
import { type SQL, sql } from 'drizzle-orm'
import * as z from 'zod'
import type { Database } from '../../ports.ts'
import { webhooks } from '../../schema/webhooks.ts'
import { Delivery, type DeliveryStatus } from './schemas.ts'

/** Which deliveries to list, and from where. */
export interface DeliveryFilter {
  readonly batchId?: string | undefined
  readonly status?: DeliveryStatus | undefined
  /** Id of the last delivery of the page before. */
  readonly before?: string | undefined
  readonly limit: number
}

const STATUSES: Readonly<Record<DeliveryStatus, SQL>> = {
  pending: sql`j.status IN ('ready', 'scheduled', 'blocked')`,
  processing: sql`j.status = 'running'`,
  completed: sql`j.status = 'completed'`,
  failed: sql`j.status = 'failed'`,
}

const Row = z.object({
  id: z.string(),
  batch_id: z.string(),
  label: z.string(),
  url: z.string(),
  status: z.string(),
  attempt: z.int(),
  /** Of the latest try that ended; the operation `webhook` writes it. */
  last: z.string().nullable(),
  error_message: z.string().nullable(),
  created_at: z.int(),
  run_at: z.int().nullable(),
  finished_at: z.int().nullable(),
})
const Last = z.object({ responseStatus: z.int().nullable(), at: z.int() })

const COLUMNS = sql`j.id, w.batch_id, j.label, w.url, j.status, j.attempt, coalesce(j.result, j.checkpoint) AS last, j.error_message,
  j.created_at, j.run_at, j.finished_at`

/**
 * Lists deliveries: those of the newest batch first, and of one batch the latest event first. Without a status it reads no more rows
 * than the page has.
 */
export async function listDeliveries(db: Database, owner: string, filter: DeliveryFilter): Promise<Delivery[]> {
  const conditions: SQL[] = [sql`w.owner = ${owner}`, sql`b.deleted_at IS NULL`]
  if (filter.batchId !== undefined) {
    conditions.push(sql`w.id = (SELECT webhook_id FROM batches WHERE id = ${filter.batchId})`)
  }
  if (filter.status !== undefined) conditions.push(STATUSES[filter.status])
  if (filter.before !== undefined) {
    const cut = filter.before.lastIndexOf('-')
    const webhook = filter.before.slice(0, cut)
    const seq = Number(filter.before.slice(cut + 1))
    conditions.push(sql`w.id <= ${webhook}`)
    conditions.push(sql`j.sequence < CASE w.id WHEN ${webhook} THEN ${seq} ELSE 9e15 END`)
  }
  const rows = await db.all(sql`
    SELECT ${COLUMNS} FROM ${webhooks} w CROSS JOIN jobs j ON j.batch_id = w.id CROSS JOIN batches b ON b.id = w.batch_id
    WHERE ${sql.join(conditions, sql` AND `)} ORDER BY w.id DESC, j.sequence DESC LIMIT ${filter.limit}`)
  return rows.map(present)
}

/** Reads a delivery of an owner; null when there is none, or when it is another's. */
export async function readDelivery(db: Database, owner: string, id: string): Promise<Delivery | null> {
  const rows = await db.all(sql`
    SELECT ${COLUMNS} FROM jobs j JOIN webhooks w ON w.id = j.batch_id JOIN batches b ON b.id = w.batch_id AND b.deleted_at IS NULL
    WHERE j.id = ${id} AND w.owner = ${owner}`)
  return rows.length === 0 ? null : present(rows[0])
}

function present(from: unknown): Delivery {
  const row = Row.parse(from)
  const last = row.last === null ? null : Last.parse(JSON.parse(row.last))
  const waits = row.status === 'ready' || row.status === 'scheduled' || row.status === 'blocked'
  return Delivery.parse({
    id: row.id,
    batchId: row.batch_id,
    event: row.label,
    url: row.url,
    status: waits ? 'pending' : row.status === 'running' ? 'processing' : row.status,
    attempts: row.attempt,
    responseStatus: last?.responseStatus ?? null,
    error: row.error_message,
    createdAt: iso(row.created_at),
    lastAttemptAt: iso(last?.at ?? null),
    nextAttemptAt: iso(waits ? row.run_at : null),
    finishedAt: iso(row.finished_at),
  })
}

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
