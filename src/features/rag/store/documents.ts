/** Reads stored documents of one owner. */
import { type SQL, sql } from 'drizzle-orm'
import * as z from 'zod'
import type { Database } from '../../../ports.ts'
import type { Collection, StoredDocument } from '../types.ts'

const Row = z.object({
  id: z.string(),
  collection: z.string(),
  batchId: z.string(),
  title: z.string(),
  url: z.string().nullable(),
  language: z.string().nullable(),
  size: z.int(),
  chunks: z.int(),
  tokens: z.int(),
  createdAt: z.int(),
})

const read = (db: Database, rest: SQL) =>
  db.all(sql`
    SELECT d.id, c.name AS collection, d.batch_id AS batchId, d.title, d.url, d.language, d.size, d.chunks, d.tokens, d.created_at AS createdAt
    FROM rag_documents d JOIN rag_collections c ON c.id = d.collection_id ${rest}`)

/** Finds the document of a source, where its bytes and settings are unchanged. */
export async function findUnchanged(
  db: Database,
  { id, owner }: Collection,
  sourceKey: string,
  { contentHash, settingsHash }: { readonly contentHash: string; readonly settingsHash: string },
): Promise<StoredDocument | null> {
  const [row] = await read(
    db,
    sql`WHERE d.collection_id = ${id} AND d.owner = ${owner} AND d.source_key = ${sourceKey} AND d.content_hash = ${contentHash} AND d.settings_hash = ${settingsHash}`,
  )
  return row === undefined ? null : Row.parse(row)
}

/** Lists an owner's documents by id, of all collections or one, after a cursor. */
export async function listDocuments(
  db: Database,
  owner: string,
  {
    collection,
    after,
    limit,
  }: { readonly collection?: string | undefined; readonly after: string | null; readonly limit: number },
): Promise<{ readonly documents: readonly StoredDocument[]; readonly next: string | null }> {
  const inCollection = collection === undefined ? sql`` : sql`AND c.name = ${collection}`
  const rows = await read(
    db,
    sql`WHERE d.owner = ${owner} ${inCollection} AND d.id > ${after ?? ''} ORDER BY d.id LIMIT ${limit + 1}`,
  )
  const documents = rows.slice(0, limit).map((row) => Row.parse(row))
  return { documents, next: rows.length > limit ? (documents.at(-1)?.id ?? null) : null }
}
