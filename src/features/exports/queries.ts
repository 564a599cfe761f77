/** Finds the artifacts that batches made, for download. */
import { sql } from 'drizzle-orm'
import type { Artifact } from '../../http/response/artifact.ts'
import type { Database } from '../../ports.ts'

/** Operations that make one. */
const MAKERS = ['cards.export']

/** The artifact of an owner's batch; null when there is none. */
export async function readArtifact(db: Database, owner: string, batchId: string): Promise<Artifact | null> {
  const [row] = await db.all<Omit<Artifact, 'createdAt'> & { created_at: number }>(sql`
    SELECT u.key, u.filename, u.size, u.sha256, u.created_at FROM batches b CROSS JOIN uploads u ON u.batch_id = b.id
    WHERE b.id = ${batchId} AND b.owner = ${owner} AND b.deleted_at IS NULL
      AND b.operation IN (SELECT value FROM json_each(${JSON.stringify(MAKERS)}))
    ORDER BY u.created_at DESC LIMIT 1`)
  if (row === undefined) return null
  const { created_at: createdAt, ...artifact } = row
  return { ...artifact, createdAt }
}
