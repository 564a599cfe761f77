/** Reads heat-sheet results by their codes, and revokes codes. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../ports.ts'
import { batches } from '../../schema/batches.ts'
import { jobs } from '../../schema/jobs.ts'
import { labelOf } from './asked.ts'
import { extractionOf } from './cache.ts'
import type { Extraction } from './schemas.ts'
import { results } from './tables.ts'

/** A shared result: the extraction of one swimmer from one document. */
export interface SharedResult extends Extraction {
  readonly code: string
  /** Name as requested. */
  readonly swimmerName: string
  /** Time of the extraction, in milliseconds since the epoch. */
  readonly readAt: number
  /** Expiry of its code, in milliseconds since the epoch. */
  readonly expiresAt: number
}

/** Lifetime of a code, in days. */
export const CODE_DAYS = 30
const CODE_MS = CODE_DAYS * 24 * 60 * 60 * 1_000

/**
 * Reads the result of a code, of any owner: the code itself is the authorization.
 * @param code in any case
 * @param now milliseconds since the epoch
 * @returns null when there is none, it expired or was revoked, or its batch was deleted
 */
export async function readShared(db: Database, code: string, now: number): Promise<SharedResult | null> {
  const row = await db
    .select({
      result: jobs.result,
      input: batches.input,
      code: results.code,
      readAt: results.createdAt,
    })
    .from(results)
    .innerJoin(jobs, sql`${jobs.id} = ${results.jobId}`)
    .innerJoin(batches, sql`${batches.id} = ${results.batchId}`)
    .where(
      sql`${results.code} = ${code.toLowerCase()} AND ${results.createdAt} > ${now - CODE_MS} AND ${batches.deletedAt} IS NULL`,
    )
    .get()
  if (row === undefined) return null
  const { code: known, readAt } = row
  return {
    swimmerName: labelOf(row.input),
    ...extractionOf(row.result, known),
    code: known,
    readAt,
    expiresAt: readAt + CODE_MS,
  }
}

/**
 * Revokes a code. The result stays with its batch.
 * @param code in any case
 * @returns the code; null where the owner has none such
 */
export async function revokeCode(db: Database, owner: string, code: string): Promise<string | null> {
  const [revoked] = await db
    .delete(results)
    .where(sql`${results.code} = ${code.toLowerCase()} AND ${results.owner} = ${owner}`)
    .returning({ code: results.code })
  return revoked?.code ?? null
}
