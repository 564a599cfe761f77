/** Types of resource that batch reads look up by id. Each feature gives its own; the app hands them to the route. */
import { type SQL, sql } from 'drizzle-orm'
import type { Scope } from '../scopes.ts'
import { LONGEST_ID, type Row } from './owned-rows.ts'

/** Result of looking up an id: the resource, or why it could not be looked up. */
export type Found = { readonly data: Row } | { readonly error: string; readonly status: number }

/** A type of resource. */
export interface ReadableResource {
  /** In requests: `activities`. */
  readonly name: string
  /** In front of an id in messages: `Activity`. */
  readonly noun: string
  /** The scope of the surface that keeps it; a batch read takes it beside its own. */
  readonly scope: Scope
  /** Looks ids up with one query; those that do not exist, or are another owner's, are left out. */
  find(owner: string, ids: readonly string[], signal: AbortSignal): Promise<Map<string, Found>>
}

/** Presents rows by id as what was found. */
export function asFound(rows: ReadonlyMap<string, Row>): Map<string, Found> {
  return new Map([...rows].map(([id, data]) => [id, { data }]))
}

/** Presents a time as ISO 8601. */
export const asTime = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())

/** Holds for rows of these ids that are the owner's and not deleted. */
export function ownedBy(owner: string, ids: readonly string[]): SQL {
  const wanted = JSON.stringify(ids.filter((id) => id.length <= LONGEST_ID))
  return sql`owner = ${owner} AND deleted_at IS NULL AND id IN (SELECT value FROM json_each(${wanted}))`
}
