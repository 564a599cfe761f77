/** Channels that are processed by themselves: when, once, for what is new, and what becomes of what is gone. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MillraceError } from '../../../../src/errors.ts'
import { readFeed } from '../../../../src/features/rag/channels/read-feed.ts'
import { runDueSyncs, type SyncDeps } from '../../../../src/features/rag/channels/sync-run.ts'
import { deleteSync, listSyncs, type NewSync, putSync } from '../../../../src/features/rag/channels/syncs.ts'
import { LOCAL_CHOICE } from '../../../../src/features/rag/embed/chosen-model.ts'
import { processDocuments } from '../../../../src/features/rag/operations/process.ts'
import { openCollection } from '../../../../src/features/rag/store/collections.ts'
import type { Fetcher } from '../../../../src/ports.ts'
import { openEngine } from '../../../support/fixture.ts'

const HOUR = 3_600_000
const CHANNEL = 'https://example.com/feed.xml'
const SETTINGS = { chunkSize: 1024, chunkOverlap: 100, maxTokens: 8192 }

let engine: Awaited<ReturnType<typeof openEngine>>
let deps: SyncDeps
/** Names of the items that the feed has; or how its site fails. */
let published: string[] | MillraceError

const xml = (names: readonly string[]) =>
  `<rss version="2.0"><channel><title>Talks</title>${names
    .map((name) => `<item><title>${name}</title><guid>${name}</guid><link>https://example.com/${name}</link></item>`)
    .join('')}</channel></rss>`

/** The network of these tests: one feed, which changes. */
const fetcher: Fetcher = {
  fetch: async (url) => {
    if (published instanceof MillraceError) throw published
    const body = new Blob([xml(published)]).stream()
    return { url, contentType: 'application/rss+xml', filename: null, size: null, body }
  },
  send: () => Promise.reject(new Error('nothing is sent')),
  request: () => Promise.reject(new Error('nothing is requested')),
}

beforeEach(async () => {
  engine = await openEngine({ operations: [processDocuments] })
  published = ['one', 'two']
  const compute = {
    ...engine.compute,
    run: async (_: string, input: unknown) =>
      readFeed(xml(published instanceof Error ? [] : published), CHANNEL, Object(input)),
  }
  deps = { ...engine, fetcher, compute, hears: false }
})
afterEach(() => engine.close())

const sync = (more: Partial<NewSync> = {}): NewSync => ({
  owner: 'me',
  collection: 'talks',
  platform: 'documents',
  channel: CHANNEL,
  everyMs: 24 * HOUR,
  onGone: 'keep',
  input: { model: LOCAL_CHOICE, settings: SETTINGS },
  ...more,
})

const look = async () => {
  const [row] = await listSyncs(engine.db, 'me', { after: '', limit: 10 })
  if (row === undefined) throw new Error('there is no sync')
  return row
}
const batches = () =>
  engine.db.all<{ key: string; total: number }>(
    sql`SELECT idempotency_key AS key, total FROM batches WHERE operation = 'rag.process' ORDER BY id`,
  )
const endAll = () => engine.db.run(sql`UPDATE batches SET status = 'completed', finished_at = ${engine.clock.now()}`)

/** Stores documents of items, as their jobs would. */
async function keep(names: readonly string[], settingsHash = 'other'): Promise<void> {
  const { id } = await openCollection(engine, 'me', { name: 'talks', model: 'm', dimensions: 512, space: '' })
  for (const name of names) {
    await engine.db.run(sql`
      INSERT INTO rag_documents (id, owner, collection_id, batch_id, source_key, content_hash, settings_hash, title, size, chunks, tokens, words, channel, version, created_at)
      VALUES (${name}, 'me', ${id}, 'b', ${`${CHANNEL} ${name}`}, '', ${settingsHash}, ${name}, 1, 0, 0, 0, ${CHANNEL}, 'v', 1)`)
  }
}
const kept = async () =>
  (await engine.db.all<{ id: string }>(sql`SELECT id FROM rag_documents ORDER BY id`)).map(({ id }) => id)

describe('a sync', () => {
  it('begins a job when it is due, tells which, and is due a day later', async () => {
    const { nextAt } = await putSync(engine, sync())
    expect(await runDueSyncs(deps)).toBe(nextAt)
    expect(await batches()).toEqual([])
    engine.clock.advance(25 * HOUR)
    expect(await runDueSyncs(deps)).toBe(nextAt + 24 * HOUR)
    const [job] = await batches()
    expect(job?.total).toBe(2)
    expect((await look()).lastRun).toMatchObject({
      outcome: 'started',
      job_id: job?.key,
      channel: { listed: 2, queued: 2, skipped: 0 },
      error: null,
    })
  })

  it('begins one job each time, however many processes look', async () => {
    await putSync(engine, sync())
    engine.clock.advance(25 * HOUR)
    await Promise.all(Array.from({ length: 8 }, () => runDueSyncs(deps)))
    expect(await batches()).toHaveLength(1)
  })

  it('that a process took and died over is taken up by another, which finds the job that was made', async () => {
    await putSync(engine, sync())
    engine.clock.advance(25 * HOUR)
    let died = false
    const dying = new Proxy(engine.db, {
      get: (db, name) => {
        if (name !== 'run' || !died) return Reflect.get(db, name).bind?.(db) ?? Reflect.get(db, name)
        throw new Error('the process died')
      },
    })
    // The job is made, and its run is not noted.
    const wake = () => {
      died = true
    }
    const dispatcher = { ...engine.dispatcher, wake }
    await expect(runDueSyncs({ ...deps, db: dying, dispatcher })).rejects.toThrow('died')
    expect(await batches()).toHaveLength(1)
    await runDueSyncs(deps)
    expect((await look()).lastRun).toBeNull()
    engine.clock.advance(HOUR)
    await runDueSyncs(deps)
    expect(await batches()).toHaveLength(1)
    expect((await look()).lastRun).toMatchObject({ outcome: 'started' })
  })

  it('is skipped while its last job still runs', async () => {
    await putSync(engine, sync())
    engine.clock.advance(25 * HOUR)
    await runDueSyncs(deps)
    engine.clock.advance(24 * HOUR)
    await runDueSyncs(deps)
    expect((await look()).lastRun?.outcome).toBe('skipped')
    await endAll()
    engine.clock.advance(24 * HOUR)
    await runDueSyncs(deps)
    expect((await look()).lastRun?.outcome).toBe('started')
    expect(await batches()).toHaveLength(2)
  })

  it('whose channel fails is tried again after a quarter of an hour, and says why', async () => {
    await putSync(engine, sync())
    engine.clock.advance(25 * HOUR)
    published = new MillraceError('SERVICE_UNAVAILABLE', 'The website is down.')
    const next = await runDueSyncs(deps)
    expect((await look()).lastRun).toMatchObject({ outcome: 'failed', error: 'The website is down.', job_id: null })
    expect(next).toBeLessThanOrEqual(engine.clock.now() + HOUR / 4)
    published = ['one']
    engine.clock.advance(HOUR)
    await runDueSyncs(deps)
    expect((await look()).lastRun?.outcome).toBe('started')
  })

  it.each([
    ['keep', ['one', 'three'], ['gone', 'one'], 0],
    ['delete', ['one', 'three'], ['one'], 1],
    // Nothing at all is more often a fault of the site.
    ['delete', [], ['gone', 'one'], 0],
  ] as const)('with on_gone %s, of a channel that lists %j, leaves %j', async (onGone, names, left, deleted) => {
    await keep(['one', 'gone'])
    await putSync(engine, sync({ onGone }))
    published = [...names]
    engine.clock.advance(25 * HOUR)
    await runDueSyncs(deps)
    expect(await kept()).toEqual(left)
    expect((await look()).lastRun).toMatchObject({ deleted })
  })

  it('of an owner is nobody else’s, and is due no more once it is stopped', async () => {
    const { id } = await putSync(engine, sync())
    expect(await listSyncs(engine.db, 'other', { after: '', limit: 10 })).toEqual([])
    expect(await deleteSync(engine.db, 'other', id)).toBe(false)
    expect(await deleteSync(engine.db, 'me', id)).toBe(true)
    expect(await runDueSyncs(deps)).toBeNull()
  })

  it('counts against the limit of its owner', async () => {
    await putSync(engine, sync())
    engine.clock.advance(25 * HOUR)
    const refuse = () => async () => Promise.reject(new MillraceError('RATE_LIMIT', 'The limit is used up.'))
    await runDueSyncs({ ...deps, admit: refuse })
    expect((await look()).lastRun).toMatchObject({ outcome: 'failed', error: 'The limit is used up.' })
    expect(await batches()).toEqual([])
  })
})
