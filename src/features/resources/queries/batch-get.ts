/** Reads resources of many types in one request. Another table is one entry of `TABLE_RESOURCES`; other features register their own types. */
import type { Database } from '../../../ports.ts'
import { findRows, type Row } from '../../../rows/owned-rows.ts'
import { asFound, type Found, type ReadableResource } from '../../../rows/readable-resource.ts'
import type { Scope } from '../../../scopes.ts'
import type { ItemOutcome } from '../schemas.ts'
import { TABLE_RESOURCES } from '../tables.ts'
import { readAnalytics } from './analytics.ts'

const SCOPE: Scope = 'resources:read'

/** Makes the types of resource that are tables of this feature. */
export function readableTables(db: Database): ReadableResource[] {
  const tables = Object.entries(TABLE_RESOURCES).map(([name, resource]) => ({
    name,
    noun: resource.noun,
    scope: SCOPE,
    find: async (owner: string, ids: readonly string[]) => asFound(await findRows(db, resource, owner, ids)),
  }))
  const analytics: ReadableResource = {
    name: 'analytics',
    noun: 'Analytics',
    scope: SCOPE,
    find: (owner, ids) => readAnalytics(db, owner, ids),
  }
  return [...tables, analytics]
}

/**
 * Parses a `fields` parameter; null for all fields.
 * @param fields comma-separated; unknown names are ignored
 */
export function parseFields(fields: string | undefined): ReadonlySet<string> | null {
  const names = (fields ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  return names.length === 0 ? null : new Set(names)
}

/** Presents one result for each id, in their order, duplicates included. `id` is always part of the data. */
export function presentFound(
  noun: string,
  ids: readonly string[],
  found: ReadonlyMap<string, Found>,
  fields: ReadonlySet<string> | null,
): ItemOutcome[] {
  const pick = (data: Row) =>
    fields === null
      ? data
      : Object.fromEntries(Object.entries(data).filter(([name]) => name === 'id' || fields.has(name)))
  return ids.map((id): ItemOutcome => {
    const answer = found.get(id)
    if (answer === undefined) return { id, status: 'error', error: `${noun} with id ${id} not found`, status_code: 404 }
    if ('error' in answer) return { id, status: 'error', error: answer.error, status_code: answer.status }
    return { id, status: 'success', data: pick(answer.data), status_code: 200 }
  })
}
