/** Rows of the tables that are read in batches: looked up, paged and inserted, each with one query however many there are. */
import { type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { yieldToEventLoop } from '../formats/event-loop.ts'
import { jsonArrays } from '../formats/json-arrays.ts'
import { parseLossless } from '../lossless-json.ts'
import type { Database, Statement } from '../ports.ts'

/** A table whose rows have `owner` and `id` as their key. */
export type OwnedTable = SQLiteTable & { readonly owner: SQLiteColumn; readonly id: SQLiteColumn }

/** Owner of rows that all owners may read. */
export const SHARED = 'shared'

/**
 * Selects `{id, own}` of those ids that an owner may read: `own` is 1 for its own rows, 0 for shared ones. An own row comes after a
 * shared one of the same id.
 * @param ids a JSON array
 */
export function selectWhose(table: OwnedTable, owner: string, ids: string): SQL {
  return sql`SELECT id, owner = ${owner} AS own FROM ${table}
    WHERE owner IN (${owner}, ${SHARED}) AND id IN (SELECT value FROM json_each(${ids})) ORDER BY own`
}

/** Longer ids do not exist, so they are not looked for. */
export const LONGEST_ID = 128

/** Ids of one look-up; as JSON they stay below what a database takes. A local one answers without letting go of the event loop. */
const LOOKUP_IDS = 1_000

/** A row as it looks on the wire. */
export type Row = Readonly<Record<string, unknown>>

/** The rows that an owner may read: its own and the shared ones. */
export function readableBy(table: OwnedTable, owner: string): SQL {
  return sql`${table.owner} IN (${owner}, ${SHARED})`
}

/** A table and how its rows look on the wire. */
export interface Rows {
  readonly table: OwnedTable
  /**
   * Selects a row as JSON text, as it looks on the wire, `id` first. SQLite builds it: handing over one text a row costs half of
   * handing over its columns.
   */
  readonly json: SQL
}

interface Selected {
  readonly id: string
  readonly json: string
}

/**
 * Looks rows up by id. An owner's own row comes before a shared one of the same id. Unknown ids are left out.
 * @returns rows by id; `T` says what the resource's `json` selects
 */
export async function findRows<T extends Row = Row>(
  db: Database,
  { table, json }: Rows,
  owner: string,
  ids: Iterable<string>,
): Promise<Map<string, T>> {
  const wanted = [...new Set(ids)].filter((id) => id.length <= LONGEST_ID)
  const found = new Map<string, T>()
  for (let at = 0; at < wanted.length; at += LOOKUP_IDS) {
    if (at > 0) await yieldToEventLoop()
    const array = JSON.stringify(wanted.slice(at, at + LOOKUP_IDS))
    const rows = await db.all<Selected>(sql`
      SELECT id, ${json} AS json FROM ${table}
      WHERE ${readableBy(table, owner)} AND id IN (SELECT value FROM json_each(${array})) ORDER BY owner = ${owner}`)
    const parsed = parseAll(rows)
    for (const [at, { id }] of rows.entries()) found.set(id, parsed[at])
  }
  return found
}

/** Which of the ids are an owner's own, which are shared by another. Unknown ids are left out. */
export async function whoseRows(
  db: Database,
  table: OwnedTable,
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
  { table, json }: Rows,
  owner: string,
  page: { after: string; limit: number },
): Promise<{ rows: Row[]; next: string | null }> {
  const part = (of: string, condition: SQL) =>
    db.all<Selected>(sql`
      SELECT id, ${json} AS json FROM ${table} WHERE owner = ${of} AND id > ${page.after} AND ${condition}
      ORDER BY id LIMIT ${page.limit + 1}`)
  // Two ranges of the primary key, each read no further than the page is long.
  const [own, shared] = await db.batch([part(owner, sql`true`), part(SHARED, sql`${owner} <> ${SHARED}`)])
  const rows = new Map([...shared, ...own].map((row) => [row.id, row.json]))
  // As SQLite compares ASCII, so that the cursor means the same on both sides.
  const inOrder = [...rows].sort(([a], [b]) => (a < b ? -1 : 1))
  const last = inOrder.length > page.limit ? (inOrder[page.limit - 1]?.[0] ?? null) : null
  return { rows: parseAll(inOrder.slice(0, page.limit).map(([, json]) => ({ json }))), next: last }
}

/** Parses all rows at once, their numbers as they were written. */
function parseAll(rows: readonly Pick<Selected, 'json'>[]) {
  const parsed = parseLossless(`[${rows.map(({ json }) => json).join(',')}]`)
  return Array.isArray(parsed) ? parsed : []
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
