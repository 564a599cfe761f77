/** Changes and deletes resources: validates items, makes the statements, and presents the outcome of each item. */
import { type SQL, sql } from 'drizzle-orm'
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import { jsonArrays } from '../../formats/json-arrays.ts'
import { safeParse } from '../../http/request/safe-parse.ts'
import type { Database } from '../../ports.ts'
import { selectWhose } from '../../rows/owned-rows.ts'
import type { ItemOutcome } from './schemas.ts'
import { TABLE_RESOURCES, type TableResource } from './tables.ts'

/** Writes that a request asks for on one type of resource. */
export const Write = z.object({
  resource_type: z.string(),
  action: z.enum(['update', 'delete']),
  items: z.array(z.object({ id: z.string(), data: z.record(z.string(), z.unknown()).optional() })),
})
export type Write = z.infer<typeof Write>

/** A type that may be written. */
export type Writable = TableResource & { readonly changes: NonNullable<TableResource['changes']> }

/**
 * Finds a type that may be written, by its name.
 * @throws MillraceError INVALID_REQUEST naming the types that exist
 */
export function writable(name: string, action: Write['action']): Writable {
  const types: [string, TableResource][] = Object.entries(TABLE_RESOURCES)
  const resource = new Map(types).get(name)
  const changes = resource?.changes
  if (resource !== undefined && changes != null) return { ...resource, changes }
  const supported = types.filter(([, type]) => type.changes !== null).map(([type]) => type)
  throw new MillraceError(
    'INVALID_REQUEST',
    `Unsupported resource type for ${action}: ${name}. Supported types: ${supported.join(', ')}`,
    { details: { field: 'resource_type' } },
  )
}

/** Validated items: the changes to write, by id, and the faults of items that are not written. */
export interface Checked {
  /** Changes of an id that is named twice are merged; later fields win. Empty for a delete. */
  readonly changes: ReadonlyMap<string, Readonly<Record<string, unknown>>>
  /** By index in the request. */
  readonly faults: ReadonlyMap<number, string>
}

/** Validates each item by itself; an invalid one does not keep the others from being written. */
export function check(resource: Writable, { action, items }: Write): Checked {
  const changes = new Map<string, Record<string, unknown>>()
  const faults = new Map<number, string>()
  for (const [index, { id, data }] of items.entries()) {
    if (action === 'delete') {
      changes.set(id, {})
      continue
    }
    const parsed = safeParse(resource.changes, data ?? {})
    if (!parsed.success) {
      const issue = parsed.error.issues[0]
      faults.set(index, `data.${issue?.path.map(String).join('.')}: ${issue?.message}`)
      continue
    }
    const given = Object.entries(parsed.data).filter(([, value]) => value !== undefined)
    if (given.length === 0)
      faults.set(index, `data: names no field of a ${resource.noun.toLowerCase()} that can be changed`)
    else changes.set(id, { ...changes.get(id), ...Object.fromEntries(given) })
  }
  return { changes, faults }
}

/** Makes the statements of the writes; each returns the ids it wrote. All are guarded by `condition`. */
export function statements(
  db: Database,
  resource: Writable,
  write: { action: Write['action']; owner: string; changes: Checked['changes']; now: number; condition: SQL },
) {
  const { table } = resource
  const { action, owner, condition } = write
  if (action === 'delete') {
    return jsonArrays(write.changes.keys()).map((array) =>
      db.all<{ id: string }>(sql`
        DELETE FROM ${table} WHERE owner = ${owner} AND id IN (SELECT value FROM json_each(${array})) AND ${condition} RETURNING id`),
    )
  }
  const columns = [...new Set([...write.changes.values()].flatMap((change) => Object.keys(change)))]
  if (columns.length === 0) return []
  // A field that an item leaves out is unchanged; one that is null becomes NULL. Objects and arrays become JSON text.
  const sets = columns.map((column) => {
    const name = sql.identifier(column)
    return sql`${name} = CASE WHEN json_type(c.value -> 'data', ${`$.${column}`}) IS NULL THEN ${table}.${name} ELSE c.value -> 'data' ->> ${column} END`
  })
  const rows = [...write.changes].map(([id, data]) => ({ id, data }))
  return jsonArrays(rows).map((array) =>
    db.all<{ id: string }>(sql`
      UPDATE ${table} SET ${sql.join(sets, sql`, `)}, updated_at = ${write.now} FROM json_each(${array}) c
      WHERE ${table}.owner = ${owner} AND ${table}.id = c.value ->> 'id' AND ${condition} RETURNING ${table}.id`),
  )
}

/** Reads the ownership of rows: the owner's own, or shared by another. Ids that are neither are left out. */
export async function whose(
  db: Database,
  { table }: Writable,
  owner: string,
  ids: Iterable<string>,
): Promise<Map<string, 'own' | 'shared'>> {
  const found = new Map<string, 'own' | 'shared'>()
  for (const array of jsonArrays(ids)) {
    const rows = await db.all<{ id: string; own: number }>(selectWhose(table, owner, array))
    for (const { id, own } of rows) found.set(id, own === 1 ? 'own' : 'shared')
  }
  return found
}

/** Presents one result for each item, in their order. */
export function present(
  { noun }: Writable,
  { items }: Write,
  { faults }: Checked,
  found: ReadonlyMap<string, 'own' | 'shared'>,
  data: ReadonlyMap<string, Readonly<Record<string, unknown>>> = new Map(),
): ItemOutcome[] {
  return items.map(({ id }, index): ItemOutcome => {
    const fault = faults.get(index)
    const row = data.get(id)
    if (fault !== undefined) return { id, status: 'error', error: fault, status_code: 422 }
    if (found.get(id) === 'own') {
      return { id, status: 'success', ...(row === undefined ? {} : { data: row }), status_code: 200 }
    }
    return found.get(id) === 'shared'
      ? { id, status: 'error', error: `${noun} with id ${id} is shared and can only be read`, status_code: 403 }
      : { id, status: 'error', error: `${noun} with id ${id} not found`, status_code: 404 }
  })
}
