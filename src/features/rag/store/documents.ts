/** Reads stored documents of one owner. */
import { type SQL, sql } from 'drizzle-orm'
import * as z from 'zod'
import type { Database } from '../../../ports.ts'
import type { Collection, GuardedWrites, StoredDocument } from '../types.ts'
import { deleteDocument } from './delete.ts'

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

/** A stored item of a channel. */
export interface StoredItem {
  readonly id: string
  readonly sourceKey: string
  readonly version: string | null
  readonly settingsHash: string
}

/** Source keys of a query. */
const KEYS_A_QUERY = 1_000

/** Finds the documents of these sources in an owner's collection, by source key. */
export async function findStored(
  db: Database,
  owner: string,
  collection: string,
  sourceKeys: readonly string[],
): Promise<Map<string, StoredItem>> {
  const found = new Map<string, StoredItem>()
  for (let at = 0; at < sourceKeys.length; at += KEYS_A_QUERY) {
    const keys = JSON.stringify(sourceKeys.slice(at, at + KEYS_A_QUERY))
    const rows = await db.all<StoredItem>(sql`
      SELECT d.id, d.source_key AS "sourceKey", d.version, d.settings_hash AS "settingsHash"
      FROM rag_collections c CROSS JOIN json_each(${keys}) k
      CROSS JOIN rag_documents d ON d.collection_id = c.id AND d.source_key = k.value
      WHERE c.owner = ${owner} AND c.name = ${collection}`)
    for (const row of rows) found.set(row.sourceKey, row)
  }
  return found
}

/** Notes of an unchanged document what its channel lists of it now; nothing of a document that is no item of one. */
export function markListed(
  db: Database,
  id: string,
  {
    channel,
    version,
    title,
  }: { readonly channel: string | null; readonly version: string | null; readonly title: string | null },
): GuardedWrites {
  if (version === null) return () => []
  return (held) => [
    db.run(sql`
      UPDATE rag_documents SET channel = ${channel}, version = ${version}, title = coalesce(${title}, title) WHERE id = ${id} AND ${held}`),
  ]
}

/** Deletes the stored items of a channel that are not among these. @returns how many there were */
export async function deleteGone(
  db: Database,
  { owner, collection, channel }: { readonly owner: string; readonly collection: string; readonly channel: string },
  sourceKeys: readonly string[],
): Promise<number> {
  const listed = new Set(sourceKeys)
  const rows = await db.all<{ id: string; sourceKey: string }>(sql`
    SELECT d.id, d.source_key AS "sourceKey" FROM rag_collections c
    CROSS JOIN rag_documents d ON d.collection_id = c.id AND d.channel = ${channel}
    WHERE c.owner = ${owner} AND c.name = ${collection} AND d.owner = ${owner}`)
  const gone = rows.filter(({ sourceKey }) => !listed.has(sourceKey))
  for (const { id } of gone) await deleteDocument(db, owner, id)
  return gone.length
}
