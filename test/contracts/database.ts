/** What every Database must do: SQLite's own semantics, all or nothing in a batch, and results of one shape. Names no runtime. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Database, Statement } from '../../src/ports.ts'
import { batches } from '../../src/schema/batches.ts'
import { events } from '../../src/schema/events.ts'
import { keys, secrets } from '../../src/schema/keys.ts'

/** A database with the schema of every migration, and how to be rid of it. */
export interface DatabaseUnderTest {
  readonly db: Database
  dispose?(): Promise<void>
}

/** Runs the suite against what `make` gives. */
export function databaseContract(name: string, make: () => Promise<DatabaseUnderTest>): void {
  describe(`${name} as a Database`, () => {
    let made: DatabaseUnderTest
    beforeAll(async () => {
      made = await make()
    })
    beforeEach(async () => {
      const { db } = made
      await db.batch([db.delete(secrets), db.delete(keys), db.delete(events)])
    })
    afterAll(() => made.dispose?.())
    reading(() => made.db)
    values(() => made.db)
    writing(() => made.db)
    sizes(() => made.db)
  })
}

const put = (db: Database, rows: Readonly<Record<string, string>>) =>
  db.run(sql`INSERT INTO secrets (name, value) SELECT key, value FROM json_each(${JSON.stringify(rows)})`)
const all = async (db: Database) =>
  Object.fromEntries((await db.select().from(secrets)).map(({ name, value }) => [name, value]))

function reading(db: () => Database): void {
  it('gives rows of written SQL by the names of their columns', async () => {
    await put(db(), { a: '1', b: '2' })
    expect(await db().all(sql`SELECT name, value AS "theValue" FROM secrets ORDER BY name`)).toEqual([
      { name: 'a', theValue: '1' },
      { name: 'b', theValue: '2' },
    ])
    expect(await db().get(sql`SELECT count(*) AS n FROM secrets`)).toEqual({ n: 2 })
    expect(await db().all(sql`SELECT name FROM secrets WHERE name = ${'c'}`)).toEqual([])
  })

  it('gives rows of a built query as its fields, joined tables with columns of one name apart', async () => {
    const key = { id: 'k', hash: 'h', owner: 'me', name: 'a', scopes: ['*'], createdAt: 1 }
    await db().insert(keys).values(key)
    await put(db(), { a: '1' })
    const found = await db()
      .select({ key: keys.name, scopes: keys.scopes, expiresAt: keys.expiresAt, secret: secrets.name })
      .from(keys)
      .innerJoin(secrets, sql`${secrets.name} = ${keys.name}`)
    expect(found).toEqual([{ key: 'a', scopes: ['*'], expiresAt: null, secret: 'a' }])
    expect(await db().select().from(secrets).where(sql`name = ${'b'}`).get()).toBeUndefined()
  })

  it('gives in a batch what each statement gives alone', async () => {
    await put(db(), { a: '1' })
    const data = { totalJobs: 3, name: 'ž' }
    const event = { batchId: 'b', seq: 1, type: 'batch_started' as const, at: 5, data }
    const [inserted, rows, built, one, written] = await db().batch([
      db().insert(events).values(event).returning({ seq: events.seq, data: events.data }),
      db().all<{ n: number }>(sql`SELECT count(*) AS n FROM secrets WHERE name = ${'a'}`),
      db()
        .select({ name: secrets.name, told: sql<boolean>`value = '1'`.mapWith(Boolean) })
        .from(secrets),
      db().select().from(secrets).where(sql`name = ${'none'}`),
      db().all<{ name: string }>(sql`UPDATE secrets SET value = ${'2'} RETURNING name`),
    ])
    expect(inserted).toEqual([{ seq: 1, data }])
    expect(rows).toEqual([{ n: 1 }])
    expect(built).toEqual([{ name: 'a', told: true }])
    expect(one).toEqual([])
    expect(written).toEqual([{ name: 'a' }])
  })
}

function values(db: () => Database): void {
  it('keeps texts, numbers and null as they are', async () => {
    const text = 'Zoë 🏊 "quoted" \\ \n\t\u0001'
    const [row] = await db().all(sql`
      SELECT ${text} AS t, ${2 ** 53 - 1} AS big, ${-0.1} AS real, ${null} AS missing, ${''} AS empty, ${true} AS yes, 7 AS int`)
    expect(row).toEqual({ t: text, big: 2 ** 53 - 1, real: -0.1, missing: null, empty: '', yes: 1, int: 7 })
  })

  it('knows the functions that statements are written with', async () => {
    const json = JSON.stringify({ a: [1, 2, { b: 'x' }], n: null })
    const [row] = await db().all(sql`
      SELECT ${json} -> 'a' AS part, ${json} ->> '$.a[2].b' AS leaf, octet_length('ž') AS bytes,
        (SELECT json_group_array(value) FROM (SELECT value FROM json_each('[3,1,2]') ORDER BY value)) AS list,
        (SELECT json_group_object(key, value) FROM json_each('{"k":1}')) AS object,
        json_patch('{"a":1,"b":2}', '{"b":null}') AS patched,
        (SELECT max(r) FROM (SELECT row_number() OVER (ORDER BY value) AS r FROM json_each('[7,8,9]'))) AS rows,
        (WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT sum(i) FROM n) AS sum`)
    expect(row).toEqual({
      part: '[1,2,{"b":"x"}]',
      leaf: 'x',
      bytes: 2,
      list: '[1,2,3]',
      object: '{"k":1}',
      patched: '{"a":1}',
      rows: 3,
      sum: 15,
    })
  })
}

function writing(db: () => Database): void {
  it('writes all of a batch, or nothing', async () => {
    await put(db(), { a: '1' })
    const twice = db().batch([put(db(), { b: '2' }), put(db(), { a: 'again' }), put(db(), { c: '3' })])
    await expect(twice).rejects.toThrow(/UNIQUE constraint failed|Failed query/)
    expect(await all(db())).toEqual({ a: '1' })
    const wrong = db().batch([put(db(), { b: '2' }), db().run(sql`INSERT INTO nowhere VALUES (1)`)])
    await expect(wrong).rejects.toThrow()
    expect(await all(db())).toEqual({ a: '1' })
    await db().batch([put(db(), { b: '2' }), put(db(), { c: '3' })])
    expect(await all(db())).toEqual({ a: '1', b: '2', c: '3' })
  })

  it('shows each statement of a batch what those before it wrote', async () => {
    const [, seen] = await db().batch([
      put(db(), { a: '1' }),
      db().all<{ value: string }>(sql`UPDATE secrets SET value = value || '+' RETURNING value`),
    ])
    expect(seen).toEqual([{ value: '1+' }])
  })

  it('lets no write between those of a batch, and loses none', async () => {
    await put(db(), { count: '0' })
    const add = () => db().run(sql`UPDATE secrets SET value = value + 1 WHERE name = 'count'`)
    await Promise.all([
      ...Array.from({ length: 20 }, () => db().batch([add(), add()])),
      ...Array.from({ length: 20 }, add),
    ])
    expect(await all(db())).toEqual({ count: '60' })
  })

  it('makes one row of ten inserts that race', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, (_, i) => put(db(), { name: String(i) })))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(Object.keys(await all(db()))).toEqual(['name'])
  })

  it('takes long batches', async () => {
    const [first, ...rest] = Array.from({ length: 60 }, (_, i): Statement => put(db(), { [`k${i}`]: String(i) }))
    if (first !== undefined) await db().batch([first, ...rest])
    expect(Object.keys(await all(db()))).toHaveLength(60)
  })
}

function sizes(db: () => Database): void {
  it('takes 100 parameters in a statement', async () => {
    const list = sql.join(
      Array.from({ length: 100 }, (_, i) => sql`${i}`),
      sql`, `,
    )
    const [row] = await db().all(sql`SELECT count(*) AS n FROM json_each('[5,50,500]') WHERE value IN (${list})`)
    expect(row).toEqual({ n: 2 })
  })

  it('takes a row for each of 10,000 items in one parameter', async () => {
    const rows = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, 'x'.repeat(80)]))
    await put(db(), rows)
    expect(await db().get(sql`SELECT count(*) AS n, sum(length(value)) AS letters FROM secrets`)).toEqual({
      n: 10_000,
      letters: 800_000,
    })
  })

  it('takes and gives a value of 1.9 MB, also among others in a batch', async () => {
    const value = 'ž'.repeat(950_000)
    await db().batch([put(db(), { small: 's' }), db().insert(secrets).values({ name: 'large', value })])
    const row = await db().select().from(secrets).where(sql`name = 'large'`).get()
    expect(row?.value.length).toBe(950_000)
    expect(row?.value === value).toBe(true)
  })

  it('finds the few among many by index', async () => {
    const plan = await db().all<{ detail: string }>(
      sql`EXPLAIN QUERY PLAN SELECT id FROM ${batches} WHERE owner = ${'me'} AND idempotency_key = ${'k'}`,
    )
    expect(plan.map(({ detail }) => detail).join()).toMatch(/USING (COVERING )?INDEX/)
  })
}
