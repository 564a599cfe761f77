/** No statement of a running engine walks a whole table: what it costs does not grow with what was done before. */
import { pathToFileURL } from 'node:url'
import Connection from 'libsql'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import {
  deleteBatch,
  pauseBatch,
  resumeBatch,
  retryBatch,
  stopBatch,
} from '../../src/engine/transitions/batch-commands.ts'
import { claim, readyDue } from '../../src/engine/transitions/claim.ts'
import { completeJobs } from '../../src/engine/transitions/complete-jobs.ts'
import { appendJobs, sealBatch } from '../../src/engine/transitions/open-batches.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch } from '../../src/live/state.ts'
import { openEngine, until } from '../support/fixture.ts'

const prepare = Connection.prototype.prepare
const seen = new Set<string>()
let engine: Awaited<ReturnType<typeof openEngine>>

beforeEach(async () => {
  engine = await openEngine()
  seen.clear()
  vi.spyOn(Connection.prototype, 'prepare').mockImplementation(function (this: Connection.Database, source) {
    seen.add(source)
    return prepare.call(this, source)
  })
})
afterEach(async () => {
  vi.restoreAllMocks()
  await engine.close()
})

const TABLES = ['jobs', 'batches', 'events', 'owners', 'uploads', 'batch_labels', 'webhooks', 'workers']

/**
 * Walks that are meant. Each stops early or is as long as what it is about: rows waiting in a partial index, the processes that live,
 * the labels of one batch.
 */
const MEANT = [
  /^SCAN \w+ USING (COVERING )?INDEX jobs_(ready|priority|offered|offered_owner|offered_priority|scheduled|running|blocked)$/,
  /^SCAN \w+ USING (COVERING )?INDEX batches_(deadline|open|stopped|transition|deleted)$/,
  /^SCAN \w+ USING (COVERING )?INDEX owners_last_virtual_time$/,
  /^SCAN workers/,
]

function walks(file: string): string[] {
  const db = new Connection(file)
  const found = [...seen].flatMap((source) => {
    if (!/^\s*(select|insert|update|delete|with)/i.test(source)) return []
    return prepare
      .call(db, `EXPLAIN QUERY PLAN ${source}`)
      .raw(true)
      .all()
      .map(detailOf)
      .filter((line) => isTable(source, /^SCAN (\w+)/.exec(line)?.[1]) && !MEANT.some((meant) => meant.test(line)))
      .map((line) => `${line}: ${source.replace(/\s+/g, ' ').trim()}`)
  })
  db.close()
  return found
}

/** Whether a plan's name is that of a table, or stands for one; the rest are subqueries. */
function isTable(source: string, name: string | undefined): boolean {
  if (name === undefined) return false
  return TABLES.includes(name) || new RegExp(`\\b(${TABLES.join('|')})"?\\s+(AS\\s+)?"?${name}\\b`, 'i').test(source)
}

function detailOf(row: unknown): string {
  return Array.isArray(row) ? String(row[3]) : ''
}

it('looks rows up by index in whatever it does', async () => {
  const worker = await engine.work()
  const items = Array.from({ length: 30 }, (_, i) => (i % 10 === 0 ? { error: 'no good' } : { waitMs: 5, steps: 1 }))
  const ended = (id: string) => until(async () => ((await readBatch(engine.db, id, 'me'))?.finished ? true : null))
  const make = (options: Parameters<typeof submit>[1]['options'] & object, key?: string) =>
    submit(engine, {
      owner: 'me',
      operation: echo,
      request: { items: options.openUntil === undefined ? items : [] },
      options,
      idempotency: key === undefined ? undefined : { key, content: items },
    })
  const bounded = await make({ concurrency: 3, labels: ['a'], priority: 5 }, 'key')
  await pauseBatch(engine, bounded.batchId)
  await resumeBatch(engine, bounded.batchId)
  await ended(bounded.batchId)
  await retryBatch(engine, bounded.batchId)
  await ended(bounded.batchId)
  const open = await make({ openUntil: Date.now() + 60_000, concurrency: 2 })
  await appendJobs(engine, { id: open.batchId, owner: 'me' }, 1, echo.plan({ items }).jobs)
  await sealBatch(engine, open.batchId)
  await ended(open.batchId)
  const stopped = await make({ deadlineAt: Date.now() + 86_400_000 })
  await stopBatch(engine, stopped.batchId, 'CANCELLED')
  await ended(stopped.batchId)
  await deleteBatch(engine, stopped.batchId)
  await worker.stop(0)
  for (const owner of ['hog', 'other']) {
    await submit(engine, { owner, operation: echo, request: { items: Array.from({ length: 1_100 }, () => ({})) } })
  }
  await claim(engine, { lease: 'past', limit: 2, leaseMs: 1_000, passedOwners: ['hog', 'other'] })
  await claim(engine, { lease: 'past', limit: 2, leaseMs: 1_000, passedOwners: ['hog'] })
  const outside = { ...echo, queue: 'outside' }
  const offered = await submit(engine, {
    owner: 'me',
    operation: outside,
    request: { items },
    options: { concurrency: 20, priority: 3 },
  })
  await readyDue(engine)
  for (const owner of ['me', null]) {
    const queue = { name: 'outside', owner }
    const jobs = await claim(engine, { lease: `queue of ${owner}`, limit: 5, leaseMs: 1_000, queue })
    expect(jobs).toHaveLength(5)
    const run = { result: 1, summary: {}, tallies: {} }
    await completeJobs(
      engine,
      jobs.map((job) => ({ ...job, kind: 'completed' as const, run })),
    )
  }
  expect(offered.totalJobs).toBe(items.length)
  expect(seen.size).toBeGreaterThan(40)
  expect(walks(pathToFileURL(`${engine.folder}/millrace.db`).pathname)).toEqual([])
})
