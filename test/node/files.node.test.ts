/** The files of a server: who may read them, and what a start says of a database that is none of its own, or of its future. */
import { chmod, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DatabaseStartError } from '../../src/drivers/db-libsql-start.ts'
import { openPlatform } from '../support/platform.ts'
import { freshFolder, runEntry, startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

let folder: string
let dataDir: string
beforeEach(async () => {
  folder = await freshFolder()
  dataDir = join(folder, 'data')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const JSON_TYPE = { 'Content-Type': 'application/json' }
const create = (server: TestServer) =>
  server.fetch('/api/batch', { method: 'POST', headers: JSON_TYPE, body: '{"operation":"echo","items":[{}]}' })

async function upload(server: TestServer): Promise<void> {
  const form = new FormData()
  form.set('swimmer', 'Ada Lovelace')
  form.append('pdfs', new Blob(['%PDF-1.7\n']), 'sheet.pdf')
  expect((await server.fetch('/api/batch/extract', { method: 'POST', body: form })).status).toBe(202)
}

/** Mode of everything under a folder, the folder itself first, in octal. */
async function modes(root: string): Promise<Map<string, string>> {
  const names = ['', ...(await readdir(root, { recursive: true }))]
  const found = await Promise.all(names.map(async (name) => [name, await stat(join(root, name))] as const))
  return new Map(found.map(([name, { mode }]) => [name, (mode & 0o777).toString(8)]))
}

async function expectPrivate(root: string): Promise<void> {
  for (const [name, mode] of await modes(root))
    expect([name, mode]).toEqual([name, mode.startsWith('7') ? '700' : '600'])
}

/** Runs SQL on a database as another program would. */
async function execute(path: string, sql: string): Promise<void> {
  const client = createClient({ url: pathToFileURL(path).href })
  await client.executeMultiple(sql)
  client.close()
}

async function refusal(): Promise<string> {
  const { code, output } = await runEntry([], { DATA_DIR: dataDir, PORT: '0' })
  expect(code).toBe(1)
  // A server listens before it opens its database.
  const said = output.split('\n').filter((line) => line !== '' && !line.includes('listens on'))
  expect(said).toHaveLength(1)
  return `${said[0]}\n`
}

describe('what a server makes', () => {
  it('is for its owner alone: database, log, uploads, backups and what is restored', async () => {
    await using server = await startServer({ dataDir })
    await upload(server)
    expect([...(await modes(dataDir)).keys()]).toEqual(
      expect.arrayContaining(['millrace.db', 'millrace.db-wal', 'millrace.db-shm', 'blobs']),
    )
    await expectPrivate(dataDir)
    expect(await runEntry(['backup', join(folder, 'backup')], { DATA_DIR: dataDir })).toMatchObject({ code: 0 })
    await expectPrivate(join(folder, 'backup'))
    // As an earlier release left it.
    for (const name of (await modes(join(folder, 'backup'))).keys()) await chmod(join(folder, 'backup', name), 0o755)
    const restored = join(folder, 'restored')
    expect(await runEntry(['restore', join(folder, 'backup')], { DATA_DIR: restored })).toMatchObject({ code: 0 })
    await expectPrivate(restored)
    expect(server.output).not.toContain('files.shared')
  })

  it('is warned of where it is found otherwise', async () => {
    {
      await using _ = await startServer({ dataDir })
    }
    await chmod(dataDir, 0o755)
    await chmod(join(dataDir, 'millrace.db'), 0o644)
    await using server = await startServer({ dataDir })
    const line = await until(async () => server.output.split('\n').find((text) => text.includes('files.shared')))
    expect(JSON.parse(line)).toMatchObject({
      level: 40,
      shared: expect.arrayContaining([
        { path: dataDir, mode: '0755' },
        { path: join(dataDir, 'millrace.db'), mode: '0644' },
      ]),
    })
  })
})

/** Makes a database in a process of its own, so that this one has none of it open. */
async function makeDatabase(): Promise<void> {
  expect(await runEntry(['keys', 'list'], { DATA_DIR: dataDir })).toMatchObject({ code: 0 })
}

/** What an attempt to open the database says, in this process. */
async function refusedOpening(): Promise<string> {
  const opened = openPlatform({ folder: dataDir })
  await expect(opened).rejects.toThrow(DatabaseStartError)
  return opened.then(
    () => '',
    (error: unknown) => String(error),
  )
}

describe('a start is refused', () => {
  const file = () => join(dataDir, 'millrace.db')
  beforeEach(() => mkdir(dataDir))

  it('on a file that is no database, and leaves it as it is', async () => {
    await writeFile(file(), 'Dear diary, '.repeat(1_000))
    expect(await refusal()).toBe(
      `${file()} is no SQLite database. Move it away, or name another DATA_DIR or DATABASE_URL.\n`,
    )
    expect((await stat(file())).size).toBe(12_000)
  })

  it.each([
    ['tables of its own', 'CREATE TABLE songs (id INTEGER); CREATE TABLE albums (id INTEGER)', /albums, songs/],
    [
      'migrations of its own',
      'CREATE TABLE __drizzle_migrations (id INTEGER, hash TEXT, created_at NUMERIC); INSERT INTO __drizzle_migrations VALUES (1, 1, 7); CREATE TABLE batches (id TEXT)',
      /batches/,
    ],
  ])('on the database of another program with %s, which stays as it is', async (_, sql, named) => {
    await execute(file(), sql)
    const said = await refusedOpening()
    expect(said).toContain(`${file()} is the database of another program`)
    expect(said).toMatch(named)
    expect(await readdir(dataDir)).toEqual(['millrace.db'])
  })

  it.each([
    ['cut off', async (path: string, size: number) => writeFile(path, new Uint8Array(size / 2), { flag: 'r+' })],
    ['overwritten', async (path: string) => writeFile(path, 'x'.repeat(20_000), { flag: 'r+' })],
  ])('on a database that is damaged: %s', async (_, damage) => {
    await makeDatabase()
    await execute(file(), 'PRAGMA journal_mode = DELETE')
    await damage(file(), (await stat(file())).size)
    expect(await refusedOpening()).toMatch(/is no SQLite database|is damaged \(.+\)\. Move it away .*restore a backup/)
  })

  it('on a page in the middle that is damaged', async () => {
    await makeDatabase()
    await execute(file(), 'PRAGMA journal_mode = DELETE')
    const opened = await open(file(), 'r+')
    for (let page = 4; page < 12; page++) await opened.write(new Uint8Array(2_000).fill(0x5a), 0, 2_000, page * 4_096)
    await opened.close()
    expect(await refusedOpening()).toMatch(/millrace\.db is damaged \(.+\)\. Move it away .*restore a backup/)
  })

  it('on a schema of a newer release', async () => {
    await makeDatabase()
    await execute(file(), `INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('later', ${Date.now() + 1e9})`)
    const said = await refusal()
    expect(said).toMatch(
      /was written by a newer release of Millrace.*\(it knows it up to \d{4}_.*\).*Start the newer release/,
    )
    expect((await runEntry(['keys', 'list'], { DATA_DIR: dataDir })).output).toBe(said)
  })

  it('on a database that another program has locked', async () => {
    await makeDatabase()
    const holder = createClient({ url: pathToFileURL(file()).href })
    await holder.execute('PRAGMA journal_mode = DELETE')
    const transaction = await holder.transaction('write')
    await transaction.execute('CREATE TABLE held (id TEXT)')
    expect(await refusal()).toMatch(/DATA_DIR=.*data is locked by another process/)
    await transaction.rollback()
    holder.close()
  })
})

describe.each(['removed', 'replaced', 'without its log'])('a database file that is %s while the server runs', (how) => {
  it('is noticed: the server is not ready and accepts nothing, until it is back', async () => {
    await using server = await startServer({ dataDir })
    expect((await create(server)).status).toBe(202)
    expect((await server.fetch('/readyz')).status).toBe(200)
    const name = join(dataDir, how === 'without its log' ? 'millrace.db-wal' : 'millrace.db')
    await rename(name, `${name}.away`)
    if (how === 'replaced') await writeFile(name, '')
    const ready = await server.fetch('/readyz')
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: 'unavailable', database: expect.stringContaining('was removed or replaced') },
    ])
    const refused = await create(server)
    expect([refused.status, await refused.json()]).toEqual([
      503,
      expect.objectContaining({ success: false, error: 'SERVICE_UNAVAILABLE' }),
    ])
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0)
    await rename(`${name}.away`, name)
    expect((await create(server)).status).toBe(202)
    expect((await server.fetch('/readyz')).status).toBe(200)
  })
})
