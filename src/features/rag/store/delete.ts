/** Deletes documents with their chunks, vectors and words, in one commit. */
import { type SQL, sql } from 'drizzle-orm'
import type { Database, Statement } from '../../../ports.ts'

/** Makes the statements that delete the documents of a sub-select of ids. */
export function deleteContent(db: Database, documents: SQL): Statement[] {
  const chunks = sql`SELECT id FROM rag_chunks WHERE document_id IN (${documents})`
  const sum = (column: 'chunks' | 'words') =>
    sql`(SELECT total(d.${sql.raw(column)}) FROM rag_documents d WHERE d.collection_id = rag_collections.id AND d.id IN (${documents}))`
  return [
    db.run(sql`DELETE FROM rag_text WHERE rowid IN (${chunks})`),
    db.run(sql`DELETE FROM rag_chunks WHERE document_id IN (${documents})`),
    db.run(sql`DELETE FROM rag_pages WHERE document_id IN (${documents})`),
    db.run(sql`DELETE FROM rag_segments WHERE document_id IN (${documents})`),
    db.run(sql`
      UPDATE rag_collections SET chunks = CAST(chunks - ${sum('chunks')} AS INTEGER), words = CAST(words - ${sum('words')} AS INTEGER),
        version = version + 1, removals = removals + 1
      WHERE id IN (SELECT collection_id FROM rag_documents WHERE id IN (${documents}))`),
    db.run(sql`DELETE FROM rag_documents WHERE id IN (${documents})`),
  ]
}

/** Makes the statements that delete the documents of these batches; `ids` is a JSON array. */
export function deleteDocumentsOf(db: Database, ids: string): readonly Statement[] {
  return deleteContent(db, sql`SELECT id FROM rag_documents WHERE batch_id IN (SELECT value FROM json_each(${ids}))`)
}

/** Deletes a document of an owner. @returns false where there is none */
export async function deleteDocument(db: Database, owner: string, id: string): Promise<boolean> {
  const [found] = await db.all(sql`SELECT 1 FROM rag_documents WHERE id = ${id} AND owner = ${owner}`)
  if (found === undefined) return false
  const [first, ...rest] = deleteContent(db, sql`SELECT id FROM rag_documents WHERE id = ${id} AND owner = ${owner}`)
  if (first !== undefined) await db.batch([first, ...rest])
  return true
}
