/** Migrations that change rows, on a database file as the release before left it. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { z } from 'zod'
import { openLibsql } from '../../src/drivers/db-libsql.ts'

const MIGRATIONS = join(import.meta.dirname, '..', '..', 'drizzle')
const Journal = z.looseObject({ entries: z.array(z.looseObject({ tag: z.string() })) })

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-migrations-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Copies the migrations before the one named. */
async function migrationsBefore(tag: string): Promise<string> {
  const to = join(folder, 'drizzle')
  await cp(MIGRATIONS, to, { recursive: true })
  const file = join(to, 'meta', '_journal.json')
  const journal = Journal.parse(JSON.parse(await readFile(file, 'utf8')))
  const at = journal.entries.findIndex((entry) => entry.tag === tag)
  expect(at).toBeGreaterThan(0)
  await writeFile(file, JSON.stringify({ ...journal, entries: journal.entries.slice(0, at) }))
  return to
}

it('names jobs that wait for their batch "blocked", and leaves the others as they are', async () => {
  const url = pathToFileURL(join(folder, 'millrace.db')).href
  const before = await openLibsql(url, { migrations: await migrationsBefore('0013_job-status-blocked') })
  await before.db.run(sql`
    INSERT INTO batches (id, owner, operation, status, input, total, facts, tallies, created_at)
    VALUES ('b', 'local', 'echo', 'processing', 'null', 3, '{}', '{}', 1)`)
  for (const [sequence, status] of ['ready', 'held', 'held'].entries()) {
    await before.db.run(sql`
      INSERT INTO jobs (id, batch_id, owner, operation, sequence, status, input, turn, max_attempts, created_at)
      VALUES (${`j${sequence}`}, 'b', 'local', 'echo', ${sequence}, ${status}, '{}', 1, 3, 1)`)
  }
  before.close()
  const { db, close } = await openLibsql(url, { migrations: MIGRATIONS })
  expect(await db.all(sql`SELECT id, status FROM jobs ORDER BY sequence`)).toEqual([
    { id: 'j0', status: 'ready' },
    { id: 'j1', status: 'blocked' },
    { id: 'j2', status: 'blocked' },
  ])
  close()
})

it('leaves a key that named several batches to the newest of its owner, and every batch where it is', async () => {
  const url = pathToFileURL(join(folder, 'millrace.db')).href
  const before = await openLibsql(url, { migrations: await migrationsBefore('0015_one-batch-a-key') })
  const kept = [
    ['b1', 'ann', 'echo', 'nightly'],
    ['b2', 'ann', 'cards.import', 'nightly'],
    ['b3', 'ann', 'cards.delete', 'nightly'],
    ['b4', 'bob', 'echo', 'nightly'],
    ['b5', 'ann', 'echo', 'other'],
    ['b6', 'ann', 'echo', null],
  ] as const
  for (const [id, owner, operation, key] of kept) {
    await before.db.run(sql`
      INSERT INTO batches (id, owner, operation, status, input, total, facts, tallies, created_at, idempotency_key, fingerprint)
      VALUES (${id}, ${owner}, ${operation}, 'completed', 'null', 0, '{}', '{}', 1, ${key}, ${key})`)
  }
  before.close()
  const { db, close } = await openLibsql(url, { migrations: MIGRATIONS })
  expect(await db.all(sql`SELECT id, idempotency_key, fingerprint FROM batches ORDER BY id`)).toEqual([
    { id: 'b1', idempotency_key: null, fingerprint: null },
    { id: 'b2', idempotency_key: null, fingerprint: null },
    { id: 'b3', idempotency_key: 'nightly', fingerprint: 'nightly' },
    { id: 'b4', idempotency_key: 'nightly', fingerprint: 'nightly' },
    { id: 'b5', idempotency_key: 'other', fingerprint: 'other' },
    { id: 'b6', idempotency_key: null, fingerprint: null },
  ])
  close()
})

it('renames the columns of the queue, and keeps what they hold', async () => {
  const url = pathToFileURL(join(folder, 'millrace.db')).href
  const before = await openLibsql(url, { migrations: await migrationsBefore('0029_virtual-times') })
  await before.db.batch([
    before.db.run(sql`
      INSERT INTO batches (id, owner, operation, status, input, total, facts, tallies, created_at, steering, steered_to)
      VALUES ('b', 'ann', 'echo', 'processing', 'null', 1, '{}', '{}', 1, 'pause', 7)`),
    before.db.run(sql`INSERT INTO owners (owner, last_turn) VALUES ('ann', 12)`),
    before.db.run(sql`
      INSERT INTO jobs (id, batch_id, owner, operation, sequence, status, input, turn, place, max_attempts, created_at)
      VALUES ('j', 'b', 'ann', 'echo', 1, 'ready', '{}', 12, 3, 3, 1)`),
    before.db.run(sql`
      INSERT INTO webhooks (id, batch_id, owner, url, secret, events, told_seq, created_at)
      VALUES ('w', 'b', 'ann', 'https://example.org', 's', '[]', 5, 1)`),
    before.db.run(sql`INSERT INTO rag_segments (document_id, place, segments) VALUES ('d', 2, '[]')`),
  ])
  before.close()
  const { db, close } = await openLibsql(url, { migrations: MIGRATIONS })
  expect(
    await db.get(sql`
      SELECT j.virtual_time, j.priority_key, o.last_virtual_time, b.transition, b.transition_cursor, w.enqueued_seq, s.position
      FROM batches b, jobs j, owners o, webhooks w, rag_segments s`),
  ).toEqual({
    virtual_time: 12,
    priority_key: 3,
    last_virtual_time: 12,
    transition: 'pause',
    transition_cursor: 7,
    enqueued_seq: 5,
    position: 2,
  })
  close()
})
