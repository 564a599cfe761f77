/** Reads a heat-sheet result for whoever has its code. */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import type { Database } from '../../ports.ts'
import { batches } from '../../schema/batches.ts'
import { jobs } from '../../schema/jobs.ts'
import { Extraction } from './schemas.ts'
import { results } from './tables.ts'

/** A result as it is shared: what one document gave for one swimmer. */
export interface SharedResult extends Extraction {
  /** As was asked for. */
  readonly swimmerName: string
}

const Input = z.object({ swimmer: z.string() })

/**
 * Reads the result with a code, whoever's it is: to know the code is to be let in.
 * @param code as it was passed on, in any case
 * @returns null when there is none, or none any more since its batch was deleted
 */
export async function readShared(db: Database, code: string): Promise<SharedResult | null> {
  const row = await db
    .select({ result: jobs.result, input: batches.input })
    .from(results)
    .innerJoin(jobs, sql`${jobs.id} = ${results.jobId}`)
    .innerJoin(batches, sql`${batches.id} = ${results.batchId}`)
    .where(sql`${results.code} = ${code.toLowerCase()} AND ${batches.deletedAt} IS NULL`)
    .get()
  return row === undefined ? null : { ...Extraction.parse(row.result), swimmerName: Input.parse(row.input).swimmer }
}
