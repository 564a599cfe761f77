/** Reads the previous extractions that a batch is compared with: of the same owner, swimmers and meets. */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import type { Database } from '../../ports.ts'
import { extractionOf } from './cache.ts'
import type { Extraction } from './schemas.ts'

/** Swims of one swimmer in one document. */
export interface Found {
  readonly batchId: string
  /** Key of the swimmer. */
  readonly subject: string
  readonly meet: string
  readonly swimmerName: string | undefined
  readonly extraction: Extraction
}

const Row = z.object({
  batchId: z.string(),
  subject: z.string(),
  meet: z.string(),
  code: z.string(),
  result: z.string(),
})

const rowsOf = (rows: readonly unknown[]): Found[] =>
  rows.map((row) => {
    const { code, result, ...found } = Row.parse(row)
    const { swimmerName, ...extraction } = extractionOf(JSON.parse(result), code)
    return { ...found, swimmerName, extraction }
  })

const FOUND = sql`r.batch_id AS "batchId", r.swimmer AS subject, r.meet, r.code, j.result`

/** Reads the swims of a batch, by document. */
export async function readFound(db: Database, batchId: string): Promise<Found[]> {
  return rowsOf(
    await db.all(sql`
      SELECT ${FOUND} FROM results r JOIN jobs j ON j.id = r.job_id
      WHERE r.batch_id = ${batchId} AND r.meet <> '' ORDER BY j.sequence, r.rowid`),
  )
}

/**
 * Reads the swims of the last earlier batch for each swimmer and meet.
 * @param pairs swimmers and meets of the batch
 */
export async function readEarlier(
  db: Database,
  owner: string,
  batchId: string,
  pairs: readonly { readonly subject: string; readonly meet: string }[],
): Promise<Found[]> {
  // Ids of batches are UUIDv7s, so earlier ones are smaller.
  return rowsOf(
    await db.all(sql`
      WITH asked AS (SELECT value ->> 'subject' AS subject, value ->> 'meet' AS meet FROM json_each(${JSON.stringify(pairs)})),
      last AS MATERIALIZED (
        SELECT DISTINCT a.meet, (
          SELECT p.batch_id FROM results p JOIN batches b ON b.id = p.batch_id
          WHERE p.owner = ${owner} AND p.swimmer = a.subject AND p.meet = a.meet AND p.batch_id < ${batchId} AND b.deleted_at IS NULL
          ORDER BY p.batch_id DESC LIMIT 1) AS batch_id
        FROM asked a)
      SELECT ${FOUND} FROM last l JOIN results r ON r.batch_id = l.batch_id AND r.meet = l.meet JOIN jobs j ON j.id = r.job_id
      ORDER BY r.batch_id, j.sequence, r.rowid`),
  )
}
