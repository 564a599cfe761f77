/** Finds and creates collections. Each has one model, which its first document determines. */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import * as z from 'zod'
import type { Database } from '../../../ports.ts'
import type { Collection } from '../types.ts'

const Row = z.object({
  id: z.int(),
  key: z.string(),
  owner: z.string(),
  name: z.string(),
  model: z.string(),
  dimensions: z.int(),
  space: z.string(),
  chunks: z.int(),
  words: z.int(),
  version: z.int(),
  removals: z.int(),
})

/** A collection with the statistics for searches. */
export type CollectionState = z.infer<typeof Row>

/** Finds a collection of an owner; null where there is none. */
export async function findCollection(db: Database, owner: string, name: string): Promise<CollectionState | null> {
  const [row] = await db.all(sql`SELECT * FROM rag_collections WHERE owner = ${owner} AND name = ${name}`)
  return row === undefined ? null : Row.parse(row)
}

/**
 * Finds a collection, or creates it with this model.
 * @returns the collection, which may have another model
 */
export async function openCollection(
  { db }: { readonly db: Database },
  owner: string,
  {
    name,
    model,
    dimensions,
    space = '',
  }: Pick<Collection, 'name' | 'model' | 'dimensions'> & { readonly space?: string },
): Promise<Collection> {
  const known = await findCollection(db, owner, name)
  if (known !== null) return known
  await db.run(sql`
    INSERT INTO rag_collections (key, owner, name, model, dimensions, space, chunks, words, version, removals)
    VALUES (${uuidv7()}, ${owner}, ${name}, ${model}, ${dimensions}, ${space}, 0, 0, 0, 0) ON CONFLICT DO NOTHING`)
  const made = await findCollection(db, owner, name)
  if (made === null) throw new Error('A collection that was made is not there.')
  return made
}
