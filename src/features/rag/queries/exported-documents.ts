/** Lists the documents of an export: those of a job in the order of its items, or those of a collection by their ids. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../../ports.ts'
import type { ExportedDocument } from '../export/records.ts'
import { readExportedDocuments } from './jobs.ts'

/** Documents that an export takes. */
export interface ExportScope {
  /** Null for any job. */
  readonly batchId: string | null
  /** Null for any collection. */
  readonly collection: string | null
  /** Ids; null for all. */
  readonly documents: readonly string[] | null
}

export async function listExported(
  db: Database,
  owner: string,
  { batchId, collection, documents }: ExportScope,
): Promise<readonly ExportedDocument[]> {
  const ofJob = batchId === null ? null : await readExportedDocuments(db, owner, batchId)
  if (ofJob !== null && collection === null) return keepOnly(ofJob, documents)
  const ofCollection = await db.all<{ id: string; itemId: string }>(sql`
    SELECT d.id, d.source_key AS "itemId" FROM rag_collections c CROSS JOIN rag_documents d ON d.collection_id = c.id
    WHERE c.owner = ${owner} AND d.owner = ${owner} AND c.name = ${collection} ORDER BY d.id`)
  const known = new Set(ofCollection.map(({ id }) => id))
  const listed =
    ofJob?.filter(({ documentId }) => known.has(documentId)) ??
    ofCollection.map(({ id, itemId }) => ({ documentId: id, itemId }))
  return keepOnly(listed, documents)
}

function keepOnly(listed: readonly ExportedDocument[], documents: readonly string[] | null) {
  if (documents === null) return listed
  const wanted = new Set(documents)
  return listed.filter(({ documentId }) => wanted.has(documentId))
}
