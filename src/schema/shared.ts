/** Rows that everybody may read, beside those of their owner. */
import { type SQL, sql } from 'drizzle-orm'
import type { TableResource } from './resources.ts'

/** Owner of what everybody may read. */
export const SHARED = 'shared'

/**
 * Selects `{id, own}` of those ids that an owner may read: `own` is 1 for its own rows, 0 for shared ones. An own row comes after a
 * shared one of the same id.
 * @param ids a JSON array
 */
export function selectWhose(table: TableResource['table'], owner: string, ids: string): SQL {
  return sql`SELECT id, owner = ${owner} AS own FROM ${table}
    WHERE owner IN (${owner}, ${SHARED}) AND id IN (SELECT value FROM json_each(${ids})) ORDER BY own`
}
