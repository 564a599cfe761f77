/** Runs writes synchronously, where they are few enough to be done before the answer. */
import { sql } from 'drizzle-orm'
import type { Clock, Database } from '../../ports.ts'
import type { ItemOutcome } from './schemas.ts'
import { check, present, statements, type Writable, type Write, whose, writable } from './write.ts'

/**
 * Writes all items in one commit.
 * @returns one result for each item, in their order; those of updates contain the updated row
 * @throws MillraceError INVALID_REQUEST when the type cannot be written
 */
export async function writeNow(
  deps: { db: Database; clock: Clock },
  owner: string,
  request: Write,
): Promise<ItemOutcome[]> {
  const { db } = deps
  const resource = writable(request.resource_type, request.action)
  const checked = check(resource, request)
  const [first, ...rest] = statements(db, resource, {
    action: request.action,
    owner,
    changes: checked.changes,
    now: deps.clock.now(),
    condition: sql`true`,
  })
  const written = first === undefined ? [] : (await db.batch([first, ...rest])).flat().map(({ id }) => id)
  const found = new Map<string, 'own' | 'shared'>(written.map((id) => [id, 'own']))
  const others = [...checked.changes.keys()].filter((id) => !found.has(id))
  for (const [id, who] of await whose(db, resource, owner, others)) {
    // An own row that was not written was created after the write: for this request it did not exist.
    if (who === 'shared') found.set(id, who)
  }
  const rows = request.action === 'delete' ? new Map() : await readBack(db, resource, owner, written)
  return present(resource, request, checked, found, rows)
}

async function readBack(
  db: Database,
  { table, json }: Writable,
  owner: string,
  ids: readonly string[],
): Promise<Map<string, Readonly<Record<string, unknown>>>> {
  const rows = await db.all<{ id: string; json: string }>(sql`
    SELECT id, ${json} AS json FROM ${table} WHERE owner = ${owner} AND id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`)
  return new Map(rows.map((row) => [row.id, JSON.parse(row.json)]))
}
