/** The Database on Cloudflare on a libSQL server by URL: the suite of every Database, a wrong token, and a database that others write to. */
import { sql } from 'drizzle-orm'
import { expect, inject, it } from 'vitest'
import { openLibsqlWeb } from '../../src/drivers/db-libsql-web.ts'
import { databaseContract } from '../contracts/database.ts'

const url = inject('libsqlOrigin')
const open = () => openLibsqlWeb(url, 'a-token')

databaseContract('A libSQL server by URL', async () => open())

it('counts its requests: one a statement, one a batch', async () => {
  const { db, meter } = open()
  const { left } = meter
  await db.all(sql`SELECT 1`)
  await db.batch([db.all(sql`SELECT 1`), db.all(sql`SELECT 2`), db.all(sql`SELECT 3`)])
  expect(left - meter.left).toBe(2)
})

it('says so when its token is not taken', async () => {
  const { db } = openLibsqlWeb(url, 'another')
  await expect(db.all(sql`SELECT 1`)).rejects.toMatchObject({ cause: { message: expect.stringContaining('401') } })
})

it('waits where another holds the database, and writes once', async () => {
  const { db } = open()
  await db.run(sql`DELETE FROM secrets`)
  const held = fetch(`${url}/hold?ms=700`, { method: 'POST', headers: { Authorization: 'Bearer a-token' } })
  const { meter, db: waiting } = open()
  const { left } = meter
  await new Promise((resolve) => setTimeout(resolve, 200))
  await Promise.all([
    waiting.run(sql`INSERT INTO secrets (name, value) VALUES ('alone', '1')`),
    waiting.batch([
      waiting.all(sql`SELECT count(*) AS n FROM secrets`),
      waiting.run(sql`INSERT INTO secrets (name, value) VALUES ('together', '1')`),
    ]),
  ])
  await (await held).text()
  // More than the two that would have done.
  expect(left - meter.left).toBeGreaterThan(2)
  expect(await db.all(sql`SELECT name FROM secrets ORDER BY name`)).toEqual([{ name: 'alone' }, { name: 'together' }])
})
