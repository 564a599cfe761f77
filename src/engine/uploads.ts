/** Files of batches: callers' uploads, and what jobs make. A file is a blob and a row of `uploads` that names it. */
import { type SQL, sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { jsonArrays } from '../formats/json-arrays.ts'
import type { Database, Statement } from '../ports.ts'

/** Prefix of their keys. What is under it without a row that names it is swept after a day: see `transitions/retention.ts`. */
export const UPLOADS = 'uploads/'

/** A stored file. */
export interface Upload {
  readonly key: string
  readonly filename: string
  readonly size: number
  readonly md5: string
  readonly sha256: string
}

/**
 * Makes a key under which nothing was stored before.
 * @param suffix extension of the file name: `.part`
 */
export function newUploadKey(suffix = ''): string {
  return `${UPLOADS}${uuidv7()}${suffix}`
}

/** Makes the statements that name files as those of a batch. */
export function insertUploads(
  db: Database,
  batch: { readonly batchId: string; readonly owner: string; readonly now: number },
  uploads: readonly Upload[],
  condition: SQL<boolean> = sql`true`,
): Statement[] {
  return jsonArrays(uploads).map((array) =>
    db.run(sql`
      INSERT INTO uploads (key, owner, batch_id, filename, size, md5, sha256, created_at)
      SELECT r.value ->> 'key', ${batch.owner}, ${batch.batchId}, r.value ->> 'filename', r.value ->> 'size',
        r.value ->> 'md5', r.value ->> 'sha256', ${batch.now}
      FROM json_each(${array}) r WHERE ${condition}`),
  )
}
