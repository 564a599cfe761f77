/** Backup while the server runs, and a restore that goes on where the snapshot was taken. */
import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { BatchAccepted } from '../../src/features/batches/schemas.ts'
import { ExtractAccepted } from '../../src/features/heat-sheets/schemas.ts'
import { CardClient, someCards } from '../features/cards/client.ts'
import { Follower } from '../support/follow.ts'
import { freshFolder, runEntry, startServer, type TestServer } from '../support/server.ts'
import { heatSheet, SWIMMER } from '../support/sheets.ts'

const Totals = z.object({ batch: z.object({ status: z.string(), totalJobs: z.int(), completedJobs: z.int() }) })

const JSON_TYPE = { 'Content-Type': 'application/json' }

async function create(server: TestServer, items: readonly object[]): Promise<string> {
  const body = JSON.stringify({ operation: 'echo', items })
  const created = await server.fetch('/api/batch', { method: 'POST', headers: JSON_TYPE, body })
  return BatchAccepted.parse(await created.json()).batchId
}

const stateOf = async (server: TestServer, id: string) =>
  Totals.parse(await (await server.fetch(`/api/batch/${id}`)).json()).batch

it('a backup taken under load restores to a server that finishes what was under way', async () => {
  const folder = await freshFolder()
  const target = join(folder, 'backup')
  const restored = join(folder, 'restored')
  const ids: string[] = []
  let download = ''
  let exported = ''
  {
    await using server = await startServer({ env: { CONCURRENCY: '2' } })
    const writer = new CardClient(server)
    await writer.import(someCards(20))
    download = new URL((await writer.export({ format: 'json' })).download_url, server.url).pathname
    exported = await (await server.fetch(download)).text()
    const slow = await create(
      server,
      Array.from({ length: 60 }, () => ({ waitMs: 1_000 })),
    )
    // All places are taken for a while: these documents wait in the blob folder.
    const form = new FormData()
    form.set('swimmer', SWIMMER)
    for (const meet of ['Backup Open', 'Backup Closed'])
      form.append('pdfs', new Blob([Buffer.from(await heatSheet({ meet }))]), `${meet}.pdf`)
    const extracted = await server.fetch('/api/batch/extract', { method: 'POST', body: form })
    ids.push(ExtractAccepted.parse(await extracted.json()).batchId, slow)
    expect(await runEntry(['backup', target], { DATA_DIR: server.dataDir })).toMatchObject({ code: 0 })
    const again = await runEntry(['backup', target], { DATA_DIR: server.dataDir })
    expect([again.code, again.output]).toEqual([1, expect.stringContaining('is there already')])
  }
  expect(await runEntry(['restore', target], { DATA_DIR: restored })).toMatchObject({ code: 0 })
  const twice = await runEntry(['restore', target], { DATA_DIR: restored })
  expect([twice.code, twice.output]).toEqual([1, expect.stringContaining('holds a database already')])
  {
    await using server = await startServer({ dataDir: restored, env: { CONCURRENCY: '60' } })
    // The snapshot was taken in the middle: some were done, two ran in a process that is no more, the others waited.
    await server.says('took back jobs of a process that is gone')
    for (const id of ids) {
      const follower = new Follower(`${server.url}/api/batch/${id}/stream`)
      await follower.completed()
      follower.close()
      const batch = await stateOf(server, id)
      expect(batch).toMatchObject({ status: 'completed', completedJobs: batch.totalJobs })
    }
    expect(await (await server.fetch(download)).text()).toBe(exported)
    expect(exported).toContain('What card 19 says')
  }
  // The documents were read after the restore: when the snapshot was taken none had been.
  const db = createClient({ url: pathToFileURL(join(target, 'millrace.db')).href })
  const { rows } = await db.execute("SELECT status FROM jobs WHERE operation = 'heat-sheet'")
  db.close()
  expect(rows.map(({ status }) => status)).toEqual(['ready', 'ready'])
  await rm(folder, { recursive: true })
})

it('a restore goes into no folder where a killed server left its log', async () => {
  const folder = await freshFolder()
  const [target, left] = [join(folder, 'backup'), join(folder, 'left')]
  await using server = await startServer({ dataDir: left })
  const kept = await create(server, [{ value: 1 }])
  expect(await runEntry(['backup', target], { DATA_DIR: left })).toMatchObject({ code: 0 })
  const later = await create(server, [{ value: 2 }])
  await server.end('SIGKILL')
  await rename(join(left, 'millrace.db'), join(folder, 'aside.db'))
  const refused = await runEntry(['restore', target], { DATA_DIR: left })
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining('millrace.db-wal')])
  for (const name of ['millrace.db-wal', 'millrace.db-shm']) await rm(join(left, name), { force: true })
  expect(await runEntry(['restore', target], { DATA_DIR: left })).toMatchObject({ code: 0 })
  await using again = await startServer({ dataDir: left })
  expect((await again.fetch(`/api/batch/${kept}`)).status).toBe(200)
  expect((await again.fetch(`/api/batch/${later}`)).status).toBe(404)
  await rm(folder, { recursive: true })
})

it('a folder without a database is not backed up, and keys say that they made one', async () => {
  const folder = await freshFolder()
  const DATA_DIR = join(folder, 'mistyped')
  const refused = await runEntry(['backup', join(folder, 'backup')], { DATA_DIR })
  expect([refused.code, refused.output]).toEqual([1, expect.stringContaining(`${DATA_DIR} holds no database`)])
  expect(await readdir(folder)).toEqual([])
  const made = await runEntry(['keys', 'create', 'ada'], { DATA_DIR })
  expect([made.code, made.output]).toEqual([0, expect.stringContaining(`${DATA_DIR} held no database: made one.`)])
  expect((await runEntry(['keys', 'list'], { DATA_DIR })).output).not.toContain('made one')
  await rm(folder, { recursive: true })
})
