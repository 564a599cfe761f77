/** Pages of an owner's batches, of a batch's jobs, and of what its jobs came to. */
import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../ports.ts'
import { batches, batchLabels } from '../schema/batches.ts'
import { jobs } from '../schema/jobs.ts'
import type { ItemResult } from '../wire/native.ts'

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
      labels:
        sql<string>`(SELECT json_group_array(label) FROM batch_labels l WHERE l.batch_id = ${batches.id})`.mapWith(
          (text: string): unknown => JSON.parse(text),
        ),
    })
    .from(batches)
    .where(sql.join(conditions, sql` AND `))
    .orderBy(sql`${batches.id} DESC`)
    .limit(filter.limit)
}

type Set = ItemResult['set']

const SETS: Readonly<Record<Set, SQL>> = {
  succeeded: sql`status = 'completed'`,
  failed: sql`status = 'failed'`,
  untouched: sql`status NOT IN ('completed', 'failed')`,
}

/** Reads what a batch's jobs came to, by their place in it. A running job counts as untouched until it ends. */
export async function readItemResults(
  db: Database,
  batchId: string,
  page: { set?: Set | undefined; after: number; limit: number },
): Promise<ItemResult[]> {
  const rows = await db
    .select({
      jobId: jobs.id,
      sequence: jobs.sequence,
      status: jobs.status,
      item: jobs.input,
      result: jobs.result,
      errorCode: jobs.errorCode,
      errorMessage: jobs.errorMessage,
    })
    .from(jobs)
    .where(
      sql`batch_id = ${batchId} AND sequence > ${page.after} AND ${page.set === undefined ? sql`true` : SETS[page.set]}`,
    )
    .orderBy(jobs.sequence)
    .limit(page.limit)
  return rows.map(({ sequence, status, result, errorCode, errorMessage, ...row }) => ({
    index: sequence - 1,
    ...row,
    ...(status === 'completed'
      ? { set: 'succeeded', result }
      : status === 'failed'
        ? { set: 'failed', errorCode: errorCode ?? 'UNKNOWN', errorMessage: errorMessage ?? '' }
        : { set: 'untouched' }),
  }))
}

/** What a batch's operation keeps for all its jobs. */
export async function readBatchInput(db: Database, batchId: string): Promise<unknown> {
  const row = await db.select({ input: batches.input }).from(batches).where(sql`id = ${batchId}`).get()
  return row?.input
}
