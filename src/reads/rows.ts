/** Rows of the tables that are read in batches: looked up, paged and inserted, each with one query however many there are. */
import { type SQL, sql } from 'drizzle-orm'
import { jsonArrays } from '../formats/json-arrays.ts'
import type { Database, Statement } from '../ports.ts'
import { SHARED, selectWhose, type TableResource } from '../schema/resources.ts'

/** Longer ids do not exist, so they are not looked for. */
export const LONGEST_ID = 128

/** A row as it looks on the wire. */
export type Row = Readonly<Record<string, unknown>>

/** The rows that an owner may read: its own and the shared ones. */
export function readableBy(table: TableResource['table'], owner: string): SQL {
  return sql`${table.owner} IN (${owner}, ${SHARED})`
}

/** Looks rows up by id. An owner's own row comes before a shared one of the same id. Unknown ids are left out. */
export async function findRows(
  db: Database,
  resource: Pick<TableResource, 'table' | 'fields'>,
  owner: string,
  ids: Iterable<string>,
): Promise<Map<string, Row>> {
  const wanted = [...new Set(ids)].filter((id) => id.length <= LONGEST_ID)
  const { table, fields } = resource
  const found = new Map<string, Row>()
  for (const array of jsonArrays(wanted)) {
    const rows = await db
      .select({ ...fields })
      .from(table)
      .where(sql`${readableBy(table, owner)} AND ${table.id} IN (SELECT value FROM json_each(${array}))`)
      .orderBy(sql`${table.owner} = ${owner}`)
    for (const row of rows) found.set(String(row.id), row)
  }
  return found
}

/** Which of the ids are an owner's own, which are shared by another. Unknown ids are left out. */
export async function whoseRows(
  db: Database,
  table: TableResource['table'],
  owner: string,
  ids: readonly string[],
): Promise<Map<string, 'own' | 'shared'>> {
  const rows = await db.all<{ id: string; own: number }>(selectWhose(table, owner, JSON.stringify(ids)))
  return new Map(rows.map(({ id, own }) => [id, own === 1 ? 'own' : 'shared']))
}

/**
 * Reads a page by id, own and shared rows together.
 * @param page `after`: the last id of the page before, or empty for the first
 * @returns the rows, and the cursor of the next page, null on the last
 */
export async function readPage(
  db: Database,
  resource: Pick<TableResource, 'table' | 'fields'>,
  owner: string,
  page: { after: string; limit: number },
): Promise<{ rows: Row[]; next: string | null }> {
  const { table, fields } = resource
  const part = (of: string, condition: SQL) =>
    db
      .select({ ...fields })
      .from(table)
      .where(sql`${table.owner} = ${of} AND ${table.id} > ${page.after} AND ${condition}`)
      .orderBy(table.id)
      .limit(page.limit + 1)
  // Two ranges of the primary key, each read no further than the page is long.
  const [own, shared] = await db.batch([part(owner, sql`true`), part(SHARED, sql`${owner} <> ${SHARED}`)])
  const rows = new Map<string, Row>([...shared, ...own].map((row) => [String(row.id), row]))
  // As SQLite compares text, so that the cursor means the same on both sides.
  const ids = [...rows.keys()].sort((a, b) => (a < b ? -1 : 1))
  const last = ids.length > page.limit ? (ids[page.limit - 1] ?? null) : null
  const inPage = ids.slice(0, page.limit).map((id) => rows.get(id))
  return { rows: inPage.filter((row) => row !== undefined), next: last }
}

/**
 * Inserts rows of an owner. All rows have the same columns, named as in the database; values that are objects or arrays become JSON text.
 * @returns statements for one commit
 */
export function insertRows(db: Database, table: SQL, owner: string, rows: readonly Row[]): Statement[] {
  const columns = Object.keys(rows[0] ?? {})
  const names = sql.join(
    columns.map((column) => sql.identifier(column)),
    sql`, `,
  )
  const values = sql.join(
    columns.map((column) => sql`r.value ->> ${column}`),
    sql`, `,
  )
  return jsonArrays(rows).map((array) =>
    db.run(sql`INSERT INTO ${table} (owner, ${names}) SELECT ${owner}, ${values} FROM json_each(${array}) r`),
  )
}
