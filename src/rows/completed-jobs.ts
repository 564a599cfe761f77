/** The merged results of a batch: lists are merged when asked for. */
import { sql } from 'drizzle-orm'
import type { CompletedJob } from '../operation.ts'
import type { Database } from '../ports.ts'
import { batches } from '../schema/batches.ts'
import { jobs } from '../schema/jobs.ts'

/** Reads what the completed jobs of a batch gave, by sequence, and what the batch was asked. */
export async function readCompleted(
  db: Database,
  batchId: string,
): Promise<{ batchInput: unknown; jobs: CompletedJob[] }> {
  const [inputs, rows] = await db.batch([
    db.select({ input: batches.input }).from(batches).where(sql`id = ${batchId}`),
    db
      .select({
        jobId: jobs.id,
        sequence: jobs.sequence,
        filename: jobs.label,
        url: jobs.url,
        result: jobs.result,
        summary: jobs.summary,
        finishedAt: jobs.finishedAt,
      })
      .from(jobs)
      .where(sql`batch_id = ${batchId} AND status = 'completed'`)
      .orderBy(jobs.sequence),
  ])
  return { batchInput: inputs[0]?.input, jobs: rows.map((row) => ({ ...row, summary: row.summary ?? {} })) }
}
