/** What is asked of a large batch is done in slices: others get their turn in between, and whoever is cut off there leaves no half. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  deleteBatch,
  pauseBatch,
  resumeBatch,
  retryBatch,
  stopBatch,
} from '../../src/engine/transitions/batch-commands.ts'
import { advanceAllTransitions } from '../../src/engine/transitions/bulk-transitions.ts'
import { sweepRetention } from '../../src/engine/transitions/retention.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch } from '../../src/live/state.ts'
import type { Database } from '../../src/ports.ts'
import { openEngine, until } from '../support/fixture.ts'

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine()
})
afterEach(() => engine.close())

/** More than three slices. */
const JOBS = 3_500
const DAY_MS = 86_400_000

/** A batch of which nothing begins by itself. */
async function largeBatch(options: { concurrency?: number } = {}): Promise<string> {
  const { batchId } = await submit(engine, {
    owner: 'me',
    operation: echo,
    request: { items: Array.from({ length: JOBS }, () => ({})) },
    options: { runAt: engine.clock.now() + DAY_MS, ...options },
  })
  // Its jobs are scheduled some at a time.
  await advanceAllTransitions(engine, () => true)
  return batchId
}

/** How many jobs of a batch have each status. */
async function statuses(batchId: string): Promise<Record<string, number>> {
  const rows = await engine.db.all<{ status: string; n: number }>(
    sql`SELECT status, count(*) AS n FROM jobs WHERE batch_id = ${batchId} GROUP BY status`,
  )
  return Object.fromEntries(rows.map(({ status, n }) => [status, n]))
}

const cancelled = async () => {
  const batchId = await largeBatch()
  await stopBatch(engine, batchId, 'CANCELLED')
  return batchId
}
const paused = async (options?: { concurrency?: number }) => {
  const batchId = await largeBatch(options)
  await pauseBatch(engine, batchId)
  return batchId
}

/** The verbs, each on a batch that it has all jobs of to change, and what it makes of them. */
const VERBS: Readonly<
  Record<
    string,
    { begin(): Promise<string>; act(deps: typeof engine, id: string): Promise<unknown>; after: Record<string, number> }
  >
> = {
  cancel: {
    begin: () => largeBatch(),
    act: (deps, id) => stopBatch(deps, id, 'CANCELLED'),
    after: { cancelled: JOBS },
  },
  pause: { begin: () => largeBatch(), act: pauseBatch, after: { blocked: JOBS } },
  resume: { begin: () => paused(), act: resumeBatch, after: { scheduled: JOBS } },
  retry: { begin: cancelled, act: retryBatch, after: { scheduled: JOBS } },
}

/** The database, with something done after each commit to it. */
function withEachCommit(inner: Database, then: () => Promise<void>): Database {
  return new Proxy(inner, {
    get(target, name, receiver) {
      const member: unknown = Reflect.get(target, name, receiver)
      if (name !== 'batch' || typeof member !== 'function') return member
      return async (...args: unknown[]): Promise<unknown> => {
        const result: unknown = await Reflect.apply(member, target, args)
        await then()
        return result
      }
    },
  })
}

/** How often the event loop came round while something was done. */
async function turnsOf(work: () => Promise<unknown>): Promise<number> {
  let turns = 0
  let done = false
  const turn = (): void => {
    turns++
    if (!done) setTimeout(turn, 0)
  }
  setTimeout(turn, 0)
  await work()
  done = true
  return turns
}

describe.each(Object.entries(VERBS))('%s', (_, { begin, act, after }) => {
  it('lets others have their turn between two slices', async () => {
    const batchId = await begin()
    expect(await turnsOf(() => act(engine, batchId))).toBeGreaterThanOrEqual(Math.floor(JOBS / 1_000))
    expect(await statuses(batchId)).toEqual(after)
  })

  it('leaves counters, jobs and events that agree with every commit', async () => {
    const batchId = await begin()
    let commits = 0
    const db = withEachCommit(engine.db, async () => {
      commits++
      const row = await engine.db.get(sql`
        SELECT b.completed, b.failed, b.cancelled, max(e.seq) AS last, count(*) AS numbered FROM batches b JOIN events e ON e.batch_id = b.id
        WHERE b.id = ${batchId}`)
      const { completed = 0, failed = 0, cancelled = 0 } = await statuses(batchId)
      const batch = await readBatch(engine.db, batchId, 'me')
      expect(row).toEqual({ completed, failed, cancelled, last: batch?.lastSeq, numbered: batch?.lastSeq })
      expect(batch?.finished).toBe(cancelled === JOBS && batch?.status === 'cancelled')
    })
    await act({ ...engine, db }, batchId)
    expect(commits).toBeGreaterThan(3)
  })

  it.each(['a worker', 'the same request'])('that is cut off between two slices is finished by %s', async (by) => {
    const batchId = await begin()
    let commits = 0
    const db = withEachCommit(engine.db, async () => {
      // As if the process had been killed: what it committed is there, and nobody goes on.
      if (++commits === 2) throw new Error('killed')
    })
    await expect(act({ ...engine, db }, batchId)).rejects.toThrow('killed')
    expect(await statuses(batchId)).not.toEqual(after)
    const retried = act === retryBatch
    if (by === 'a worker' || retried) await engine.work()
    else await act(engine, batchId)
    await until(async () => (JSON.stringify(await statuses(batchId)) === JSON.stringify(after) ? true : null))
  })
})

describe('bulk transitions', () => {
  it('with a bound is let go as far as it has places, whatever was asked of it', async () => {
    const batchId = await paused({ concurrency: 7 })
    const placed = { blocked: JOBS - 7, scheduled: 7 }
    await resumeBatch(engine, batchId)
    expect(await statuses(batchId)).toEqual(placed)
    await pauseBatch(engine, batchId)
    await resumeBatch(engine, batchId)
    expect(await statuses(batchId)).toEqual(placed)
    await stopBatch(engine, batchId, 'CANCELLED')
    await retryBatch(engine, batchId)
    expect(await statuses(batchId)).toEqual(placed)
  })

  it('and is cancelled while it is being run again is cancelled whole, each job once', async () => {
    const batchId = await cancelled()
    await Promise.all([retryBatch(engine, batchId), stopBatch(engine, batchId, 'CANCELLED')])
    await stopBatch(engine, batchId, 'CANCELLED')
    expect(await readBatch(engine.db, batchId, 'me')).toMatchObject({ status: 'cancelled', cancelled: JOBS, failed: 0 })
    const row = await engine.db.get(sql`
      SELECT count(*) AS n, count(DISTINCT job_id) AS jobs FROM events WHERE type = 'job_failed' AND superseded_at IS NULL`)
    expect(row).toEqual({ n: JOBS, jobs: JOBS })
  })

  it('on Cloudflare goes on after the answer, with a worker', async () => {
    const batchId = await largeBatch()
    await stopBatch({ ...engine, workersOnDemand: true }, batchId, 'CANCELLED')
    expect((await statuses(batchId)).scheduled).toBeGreaterThan(0)
    await engine.work()
    await until(async () => ((await readBatch(engine.db, batchId, 'me'))?.status === 'cancelled' ? true : null))
  })

  it('is purged in slices, and gone when that is over', async () => {
    const batchId = await cancelled()
    await deleteBatch(engine, batchId)
    const turns = await turnsOf(() => sweepRetention(engine, DAY_MS))
    expect(turns).toBeGreaterThanOrEqual(2 * Math.floor(JOBS / 1_000))
    expect(
      await engine.db.get(sql`SELECT (SELECT count(*) FROM jobs) AS jobs, (SELECT count(*) FROM events) AS events`),
    ).toEqual({ jobs: 0, events: 0 })
  })
})
