/** The libSQL driver on a real file: what it gives back, and what an error leaves behind. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LibsqlError } from '@libsql/client'
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openLibsql } from '../../src/drivers/db-libsql.ts'
import { FileClient } from '../../src/drivers/db-libsql-file.ts'
import { MIGRATIONS } from '../support/platform.ts'
import { freshFolder } from '../support/server.ts'

let folder: string
let client: FileClient

beforeEach(async () => {
  folder = await freshFolder()
  client = new FileClient(pathToFileURL(join(folder, 'a file.db')).href)
  await client.executeMultiple('PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)')
})
afterEach(async () => {
  if (!client.closed) client.close()
  await rm(folder, { recursive: true })
})

const count = async () => (await client.execute('SELECT count(*) AS n FROM t')).rows[0]?.n

describe('a file client', () => {
  it('gives rows by name and by index, names alone being enumerable', async () => {
    const { columns, rows } = await client.execute("SELECT 1 AS a, 'x' AS b, NULL AS c")
    const row = rows[0]
    expect(columns).toEqual(['a', 'b', 'c'])
    expect({ ...row }).toEqual({ a: 1, b: 'x', c: null })
    expect([row?.[0], row?.[1], row?.[2], row?.length]).toEqual([1, 'x', null, 3])
    expect(Array.prototype.slice.call(row)).toEqual([1, 'x', null])
  })

  it('keeps both of two columns of one name, by index', async () => {
    const { rows } = await client.execute('SELECT 1 AS a, 2 AS a')
    expect(Array.prototype.slice.call(rows[0])).toEqual([1, 2])
    expect({ ...rows[0] }).toEqual({ a: 1 })
  })

  it('takes booleans, dates and names, and refuses what is no value', async () => {
    const at = new Date(1_234)
    const { rows } = await client.execute({ sql: 'SELECT ? AS yes, ? AS at', args: [true, at] })
    expect({ ...rows[0] }).toEqual({ yes: 1, at: 1_234 })
    const named = await client.execute({ sql: 'SELECT :x AS x', args: { x: 'named' } })
    expect({ ...named.rows[0] }).toEqual({ x: 'named' })
    await expect(client.execute({ sql: 'SELECT ?', args: [Number.NaN] })).rejects.toThrow("NaN can't be passed")
  })

  it('takes JSON with half of a surrogate pair, which as text would end the process', async () => {
    const rows = JSON.stringify(['half \ud800', 'a pair \ud83d\ude00', 'spelled out: \\ud800', 'whole'])
    const found = await client.execute({ sql: 'SELECT value AS v FROM json_each(?)', args: [rows] })
    expect(found.rows.map(({ v }) => v)).toEqual([
      'half \ufffd',
      'a pair \ud83d\ude00',
      'spelled out: \\ud800',
      'whole',
    ])
    const plain = await client.execute({ sql: 'SELECT ? AS v', args: ['no JSON: \\ud800'] })
    expect(plain.rows[0]?.v).toBe('no JSON: \\ud800')
  })

  it('says what a write changed, and gives what it returns', async () => {
    const inserted = await client.execute({ sql: 'INSERT INTO t (b) VALUES (?), (?)', args: ['x', 'y'] })
    expect(inserted).toMatchObject({ rowsAffected: 2, lastInsertRowid: 2n })
    const { rows } = await client.execute("UPDATE t SET b = 'z' RETURNING a")
    expect(rows.map((row) => row.a).sort()).toEqual([1, 2])
  })

  it('writes all of a batch or nothing, and goes on afterwards with the same statements', async () => {
    const insert = (a: number) => ({ sql: 'INSERT INTO t (a) VALUES (?)', args: [a] })
    const failed = client.batch([insert(1), insert(1)], 'write')
    await expect(failed).rejects.toThrow(LibsqlError)
    await expect(failed).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT' })
    expect(await count()).toBe(0)
    await client.batch([insert(1), insert(2)], 'write')
    expect(await count()).toBe(2)
  })

  it('refuses at once what another connection has locked, and commits as soon as that is free', async () => {
    const other = new FileClient(pathToFileURL(join(folder, 'a file.db')).href)
    await other.executeMultiple("BEGIN IMMEDIATE; INSERT INTO t (b) VALUES ('other')")
    const insert = { sql: 'INSERT INTO t (b) VALUES (?)', args: ['mine'] }
    await expect(client.execute(insert)).rejects.toMatchObject({ code: 'SQLITE_BUSY' })
    await expect(client.batch([insert], 'write')).rejects.toMatchObject({ code: 'SQLITE_BUSY' })
    expect(await count()).toBe(0)
    await other.executeMultiple('COMMIT')
    // What was refused has left nothing half run: another statement commits, and sees what the other wrote.
    await client.execute("INSERT INTO t (b) VALUES ('later')")
    await client.batch([insert], 'write')
    expect(await count()).toBe(3)
    other.close()
  })

  it('goes on where more statements are used than it keeps prepared', async () => {
    for (let i = 0; i < 1_000; i++) await client.execute(`SELECT ${i} AS n`)
    expect((await client.execute('SELECT 7 AS n')).rows[0]?.n).toBe(7)
  })
})

describe('a database that is opened', () => {
  it('syncs every commit to the disk, and waits for no lock within SQLite', async () => {
    const { db, close } = await openLibsql(pathToFileURL(join(folder, 'opened.db')).href, { migrations: MIGRATIONS })
    // 2 is FULL: https://www.sqlite.org/pragma.html#pragma_synchronous
    expect(await db.get(sql`PRAGMA synchronous`)).toEqual({ synchronous: 2 })
    expect(await db.get(sql`PRAGMA journal_mode`)).toEqual({ journal_mode: 'wal' })
    expect(await db.get(sql`PRAGMA busy_timeout`)).toEqual({ timeout: 0 })
    close()
  })
})
