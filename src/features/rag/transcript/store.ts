/** Stores the segments of documents that are recordings or captions: rows of JSON arrays, deleted with their document. */
import { type SQL, sql } from 'drizzle-orm'
import * as z from 'zod'
import type { Database, Statement } from '../../../ports.ts'
import { JsonParts } from '../store/json-parts.ts'
import type { Segment } from '../types.ts'

/** Rows as arrays: half the length of objects. */
const Rows = z.array(z.tuple([z.number(), z.number(), z.string()]))

/** Makes the statements that store the segments of a document; none where it has none. */
export function insertSegments(db: Database, documentId: string, segments: readonly Segment[], held: SQL): Statement[] {
  const parts = new JsonParts()
  for (const { start, end, text } of segments) parts.add([start, end, text])
  return parts.all().map((part, index) =>
    db.run(sql`
      INSERT INTO rag_segments (document_id, position, segments) SELECT ${documentId}, ${index}, ${part} WHERE ${held}`),
  )
}

/** A document's segments in order of time, with its title. */
export interface Transcript {
  readonly title: string
  readonly language: string | null
  readonly segments: readonly Segment[]
}

const Row = z.object({ title: z.string(), language: z.string().nullable(), segments: z.string().nullable() })

/** Reads the transcript of an owner's document; null where there is no such document. Without segments it is no recording. */
export async function readTranscript(db: Database, owner: string, documentId: string): Promise<Transcript | null> {
  const found = await db.all(sql`
    SELECT d.title, d.language, s.segments FROM rag_documents d LEFT JOIN rag_segments s ON s.document_id = d.id
    WHERE d.id = ${documentId} AND d.owner = ${owner} ORDER BY s.position`)
  const rows = found.map((row) => Row.parse(row))
  const [first] = rows
  if (first === undefined) return null
  const segments = rows.flatMap(({ segments }) => (segments === null ? [] : Rows.parse(JSON.parse(segments))))
  const { title, language } = first
  return { title, language, segments: segments.map(([start, end, text]) => ({ start, end, text })) }
}
