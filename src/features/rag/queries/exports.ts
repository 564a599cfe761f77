/** Reads the state of an export, and its file. */
import { sql } from 'drizzle-orm'
import * as z from 'zod'
import type { Artifact } from '../../../http/response/artifact.ts'
import type { Database } from '../../../ports.ts'
import type { ExportStatus } from '../export-schemas.ts'
import { EXPORT } from '../names.ts'

/** An export as stored. */
export interface ExportTask {
  readonly id: string
  readonly name: string
  readonly status: ExportStatus['status']
  readonly progress: number
  readonly error: string | null
  /** Null until it is written. */
  readonly file: Artifact | null
}

interface Row {
  readonly id: string
  readonly name: string
  readonly status: 'pending' | 'processing' | 'completed' | 'partial' | 'failed' | 'cancelled'
  readonly percent: number | null
  readonly error: string | null
  readonly file: string | null
}

const FileRow = z.object({
  key: z.string(),
  filename: z.string(),
  size: z.int(),
  sha256: z.string(),
  createdAt: z.int(),
})

/** Finds an owner's export by its name or its id; null when there is none. */
export async function findExport(db: Database, owner: string, name: string): Promise<ExportTask | null> {
  const [row] = await db.all<Row>(sql`
    SELECT b.id, coalesce(b.idempotency_key, b.id) AS name, b.status, j.progress_percent AS percent, j.error_message AS error,
      (SELECT json_object('key', key, 'filename', filename, 'size', size, 'sha256', sha256, 'createdAt', created_at)
        FROM uploads WHERE batch_id = b.id ORDER BY created_at DESC LIMIT 1) AS file
    FROM batches b LEFT JOIN jobs j ON j.batch_id = b.id AND j.sequence = 1
    WHERE b.owner = ${owner} AND b.deleted_at IS NULL AND b.operation = ${EXPORT}
      AND b.id = coalesce((SELECT id FROM batches WHERE id = ${name} AND owner = ${owner}),
        (SELECT id FROM batches WHERE owner = ${owner} AND idempotency_key = ${name}))`)
  if (row === undefined) return null
  const status = row.status === 'partial' ? 'failed' : row.status
  return {
    id: row.id,
    name: row.name,
    status,
    progress: status === 'completed' ? 100 : (row.percent ?? 0),
    error: status === 'failed' || status === 'cancelled' ? (row.error ?? 'The export was stopped.') : null,
    file: status === 'completed' && row.file !== null ? FileRow.parse(JSON.parse(row.file)) : null,
  }
}
