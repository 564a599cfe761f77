/** Batches as a type of resource that batch reads look up. */

import { presentMetadata } from '../../events.ts'
import type { Database } from '../../ports.ts'
import type { Row } from '../../rows/owned-rows.ts'
import { asFound, asTime, ownedBy, type ReadableResource } from '../../rows/readable-resource.ts'
import { batches } from '../../schema/batches.ts'

/** Makes the resource `batches`. */
export function readableBatches(db: Database): ReadableResource {
  return {
    name: 'batches',
    noun: 'Batch',
    scope: 'batch:read',
    find: async (owner, ids) => asFound(await findBatches(db, owner, ids)),
  }
}

async function findBatches(db: Database, owner: string, ids: readonly string[]): Promise<Map<string, Row>> {
  const rows = await db
    .select({
      id: batches.id,
      operation: batches.operation,
      status: batches.status,
      total_jobs: batches.total,
      completed_jobs: batches.completed,
      failed_jobs: batches.failed,
      cancelled_jobs: batches.cancelled,
      created_at: batches.createdAt,
      finished_at: batches.finishedAt,
      metadata: batches.metadata,
    })
    .from(batches)
    .where(ownedBy(owner, ids))
  return new Map(
    rows.map(({ metadata, ...row }) => [
      row.id,
      {
        ...row,
        created_at: asTime(row.created_at),
        finished_at: asTime(row.finished_at),
        ...presentMetadata(metadata),
      },
    ]),
  )
}
