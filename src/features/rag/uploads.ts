/** Files uploaded for later jobs. They are kept for a day; a job copies each, so that several jobs may use the same. */
import { sql } from 'drizzle-orm'
import { newUploadKey, UPLOADS, type Upload } from '../../engine/uploads.ts'
import { invalidRequest } from '../../errors.ts'
import type { BlobStore, Clock, Database, Statement } from '../../ports.ts'

/** Batch id of uploads without a batch: see `schema/uploads.ts`. */
const UNCLAIMED = ''

/** An uploaded file. */
export interface UploadedFile extends Upload {
  readonly id: string
  readonly contentType: string
}

/** Makes the key of a new upload, and its public id. */
export function newUpload(): { readonly id: string; readonly key: string } {
  const key = newUploadKey()
  return { id: key.slice(UPLOADS.length), key }
}

/** Makes the statements that record files of an owner for later batches. */
export function insertUnclaimed(
  { db, clock }: { db: Database; clock: Clock },
  owner: string,
  files: readonly UploadedFile[],
): Statement[] {
  const rows = JSON.stringify(files)
  return [
    db.run(sql`
      INSERT INTO uploads (key, owner, batch_id, filename, content_type, size, md5, sha256, created_at)
      SELECT r.value ->> 'key', ${owner}, ${UNCLAIMED}, r.value ->> 'filename', r.value ->> 'contentType', r.value ->> 'size',
        r.value ->> 'md5', r.value ->> 'sha256', ${clock.now()} FROM json_each(${rows}) r`),
  ]
}

/** Finds an owner's uploads by their ids; unknown ones are left out. */
export async function findUploads(
  db: Database,
  owner: string,
  ids: readonly string[],
): Promise<Map<string, UploadedFile>> {
  const keys = JSON.stringify(ids.map((id) => `${UPLOADS}${id}`))
  const rows = await db.all<UploadedFile>(sql`
    SELECT substr(key, ${UPLOADS.length + 1}) AS id, key, filename, coalesce(content_type, '') AS "contentType", size, md5, sha256 FROM uploads
    WHERE key IN (SELECT value FROM json_each(${keys})) AND owner = ${owner} AND batch_id = ${UNCLAIMED}`)
  return new Map(rows.map((row) => [row.id, row]))
}

/**
 * Copies an upload for a job.
 * @throws MillraceError INVALID_REQUEST when its bytes were deleted
 */
export async function copyUpload(blobs: BlobStore, file: UploadedFile, field: string): Promise<Upload> {
  const body = await blobs.get(file.key)
  if (body === null)
    throw invalidRequest(field, `${field}: The upload "${file.id}" is no longer there. Upload it again`)
  const { key } = newUpload()
  const info = await blobs.put(key, body)
  return { key, filename: file.filename, ...info }
}
