/** Pages of an owner's batches, of a batch's jobs, and of what its jobs came to. */
import { type SQL, sql } from 'drizzle-orm'
import * as z from 'zod'
import { parseLossless } from '../../lossless-json.ts'
import type { Database } from '../../ports.ts'
import { batches, batchLabels } from '../../schema/batches.ts'
import { withId } from './item-ids.ts'
import type { ItemResult } from './schemas.ts'

/** Labels of a batch as SQLite groups them. */
const Labels = z.array(z.string())

/** Which batches to list, and from where. */
export interface BatchFilter {
  readonly status?: string | undefined
  readonly operation?: string | undefined
  readonly label?: string | undefined
  /** Id of the last batch of the page before. */
  readonly before?: string | undefined
  readonly limit: number
}

/** Lists an owner's batches, newest first. Reads no more rows than the page has when at most one filter is given. */
export async function listBatches(db: Database, owner: string, filter: BatchFilter) {
  const conditions: SQL[] = [sql`${batches.owner} = ${owner}`, sql`${batches.deletedAt} IS NULL`]
  if (filter.status !== undefined) conditions.push(sql`${batches.status} = ${filter.status}`)
  if (filter.operation !== undefined) conditions.push(sql`${batches.operation} = ${filter.operation}`)
  if (filter.before !== undefined) conditions.push(sql`${batches.id} < ${filter.before}`)
  if (filter.label !== undefined) {
    conditions.push(
      sql`${batches.id} IN (SELECT ${batchLabels.batchId} FROM ${batchLabels} WHERE ${batchLabels.owner} = ${owner} AND ${batchLabels.label} = ${filter.label})`,
    )
  }
  return db
    .select({
      id: batches.id,
      operation: batches.operation,
      status: batches.status,
      facts: batches.facts,
      total: batches.total,
      completed: batches.completed,
      failed: batches.failed,
      cancelled: batches.cancelled,
      pausedAt: batches.pausedAt,
      openUntil: batches.openUntil,
      createdAt: batches.createdAt,
      finishedAt: batches.finishedAt,
      metadata: batches.metadata,
      labels:
        sql<string>`(SELECT json_group_array(label) FROM batch_labels l WHERE l.batch_id = ${batches.id})`.mapWith(
          (text: string) => Labels.parse(JSON.parse(text)),
        ),
    })
    .from(batches)
    .where(sql.join(conditions, sql` AND `))
    .orderBy(sql`${batches.id} DESC`)
    .limit(filter.limit)
}

type Set = ItemResult['set']

/** Stored bytes after which a page of results ends, so that reading stays small whatever the size of the items. One item may go beyond. */
const BYTES_A_PAGE = 4 * 1024 * 1024

/** Set that a job's result is in. A job that a deadline ended before it ever ran is untouched, as a cancelled one is. */
const SET_OF = sql`CASE status WHEN 'completed' THEN 'succeeded'
  WHEN 'failed' THEN CASE WHEN error_code = 'DEADLINE_EXCEEDED' AND started_at IS NULL THEN 'untouched' ELSE 'failed' END
  ELSE 'untouched' END`

interface ItemRow {
  id: string
  sequence: number
  item_id: string | null
  label: string | null
  url: string | null
  set: Set
  input: string
  result: string | null
  error_code: string | null
  error_message: string | null
  bytes: number
}

/** A page of results. */
export interface ItemResults {
  readonly rows: readonly ItemResult[]
  /** Cursor of the next page: the last position of this one; null on the last page. */
  readonly next: number | null
}

/**
 * Reads the results of a batch's jobs, in order of position. A running job counts as untouched until it ends. A page holds `limit` jobs, or as
 * many as come to 4 MB.
 */
export async function readItemResults(
  db: Database,
  batchId: string,
  { set, after, limit }: { set?: Set | undefined; after: number; limit: number },
): Promise<ItemResults> {
  const wanted = set === undefined ? sql`true` : sql`${SET_OF} = ${set}`
  // The size of a row is known without reading it.
  const rows = await db.all<ItemRow>(sql`
    SELECT j.id, j.sequence, j.item_id, j.label, j.url, ${SET_OF} AS "set", j.input, j.result, j.error_code, j.error_message, p.bytes
    FROM (
      SELECT job_rowid, sequence, sum(size) OVER (ORDER BY sequence) AS bytes, size FROM (
        SELECT rowid AS job_rowid, sequence, octet_length(input) + coalesce(octet_length(result), 0) AS size
        FROM jobs WHERE batch_id = ${batchId} AND sequence > ${after} AND ${wanted} ORDER BY sequence LIMIT ${limit})
    ) p CROSS JOIN jobs j ON j.rowid = p.job_rowid
    WHERE p.bytes - p.size < ${BYTES_A_PAGE} ORDER BY p.sequence`)
  const last = rows.at(-1)
  const isFull = last !== undefined && (rows.length === limit || last.bytes >= BYTES_A_PAGE)
  return { rows: rows.map(resultOf), next: isFull ? last.sequence : null }
}

function resultOf(row: ItemRow): ItemResult {
  const { id, sequence, item_id, label, url, set, input, result, error_code, error_message } = row
  return {
    index: sequence - 1,
    jobId: id,
    itemId: item_id,
    filename: label,
    url,
    set,
    item: withId(item_id, parseLossless(input)),
    ...(set === 'succeeded' ? { result: result === null ? null : parseLossless(result) } : {}),
    ...(set === 'failed' ? { errorCode: error_code ?? 'UNKNOWN', errorMessage: error_message ?? '' } : {}),
  }
}

/** Reads the input that a batch's operation keeps for all its jobs. */
export async function readBatchInput(db: Database, batchId: string): Promise<unknown> {
  const row = await db.select({ input: batches.input }).from(batches).where(sql`id = ${batchId}`).get()
  return row?.input
}

/** Reads when the jobs of a batch may begin; null where nothing puts them off. */
export async function readStart(db: Database, batchId: string): Promise<string | null> {
  const row = await db.select({ runAt: batches.runAt }).from(batches).where(sql`id = ${batchId}`).get()
  return row === undefined || row.runAt === null ? null : new Date(row.runAt).toISOString()
}

/** Returns the first free position of a batch, from 0. */
export async function readNextPosition(db: Database, batchId: string): Promise<number> {
  const rows = await db.all<{ last: number | null }>(
    sql`SELECT max(sequence) AS "last" FROM jobs WHERE batch_id = ${batchId}`,
  )
  return rows[0]?.last ?? 0
}
