/** Text in a database file that is no UTF-8: read, told of by its row, and never the end of the process. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FileClient } from '../../src/drivers/db-libsql-file.ts'

/** Bytes that are no UTF-8, as hex. */
const WRONG = ['ff', '80', 'c0af', 'e282', 'eda080', 'f4908080', '61ff62', '00ff', '8000ff', `${'61'.repeat(2_000)}ff`]

let folder: string
let client: FileClient
const found: { column: string; row: string }[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-text-'))
  client = new FileClient(pathToFileURL(join(folder, 'x.db')).href, (text) => found.push(text))
  await client.execute('CREATE TABLE cards (id TEXT PRIMARY KEY, title TEXT, picture BLOB, n INTEGER, r REAL)')
})
afterAll(async () => {
  client.close()
  await rm(folder, { recursive: true, force: true })
})

async function rowsOf(sql: string, args: string[] = []) {
  found.length = 0
  return (await client.execute({ sql, args })).rows
}

describe.each(WRONG)('a text of the bytes %s', (hex) => {
  const replaced = Buffer.from(hex, 'hex').toString('utf8')
  beforeAll(async () => {
    await client.execute('DELETE FROM cards')
    await client.execute(
      `INSERT INTO cards VALUES ('c1', CAST(x'${hex}' AS TEXT), NULL, 1, 1.5), ('c2', 'whole: é😀', NULL, 2, 2.5)`,
    )
  })

  it.each([
    ['a column', 'SELECT id, title FROM cards ORDER BY id', 'title'],
    ['a column, by a statement with a comment', 'SELECT id, title FROM cards ORDER BY id -- why', 'title'],
    ['a WITH', 'WITH x AS (SELECT * FROM cards) SELECT id, title FROM x ORDER BY id;', 'title'],
    ['an UPDATE that returns it', 'UPDATE cards SET n = n + 1 RETURNING id, title', 'title'],
    [
      'an UPDATE that returns it by quoted names',
      'UPDATE "cards" SET n = n + 1 RETURNING "id", cards."title"',
      'title',
    ],
  ])('is read from %s', async (_, sql, column) => {
    const rows = await rowsOf(sql)
    expect(rows.map(({ id, title }) => [id, title])).toEqual([
      ['c1', replaced],
      ['c2', 'whole: é😀'],
    ])
    expect(found).toEqual([{ column, row: 'id c1' }])
  })

  it('is read as a part of JSON, and by expressions', async () => {
    const [row] = await rowsOf("SELECT json_object('id', id, 'title', title) AS json FROM cards WHERE id = ?", ['c1'])
    expect(JSON.parse(String(row?.json))).toEqual({ id: 'c1', title: replaced })
    expect(found).toEqual([{ column: 'json', row: 'id c1' }])
    expect((await rowsOf("SELECT title || '!' AS loud FROM cards ORDER BY id"))[0]?.loud).toBe(`${replaced}!`)
  })
})

it('leaves what is right as it is: text, numbers, blobs, NUL, columns of one name', async () => {
  const long = 'ü'.repeat(3_000)
  await client.execute({ sql: "INSERT INTO cards VALUES ('c9', ?, x'ff00fe01', 7, 0.5)", args: [`a\0é${long}`] })
  const [row] = await rowsOf(
    "SELECT title, picture, n, r, NULL AS gap, x'' AS empty, x'68' AS h FROM cards WHERE id = 'c9'",
  )
  expect({ ...row }).toEqual({
    title: `a\0é${long}`,
    picture: Buffer.from('ff00fe01', 'hex'),
    n: 7,
    r: 0.5,
    gap: null,
    empty: Buffer.alloc(0),
    h: Buffer.from('h'),
  })
  const [twice] = await rowsOf("SELECT 'é' AS x, 'b' AS x")
  expect([twice?.[0], twice?.[1]]).toEqual(['é', 'b'])
  expect(found).toEqual([])
})

it.each([
  ['["\\uD800"]', '�'],
  ['["\\udfff"]', '�'],
  [' \n["a\\uDbFFb"]', 'a�b'],
  ['["\\ud83d\\uDE00 \\ude00"]', '😀 �'],
  ['["\\ud83d\\ud83d\\ude00"]', '�😀'],
  ['["\\\\ud800"]', '\\ud800'],
  ['["\\\\\\ud800"]', '\\�'],
])('halves of characters in JSON are none when SQLite reads them: %s', async (json, text) => {
  expect((await rowsOf("SELECT json_extract(?, '$[0]') AS x", [json]))[0]?.x).toBe(text)
  expect(found).toEqual([])
})
