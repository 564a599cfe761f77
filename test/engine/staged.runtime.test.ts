import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pauseBatch, stopBatch } from '../../src/engine/transitions/batch-commands.ts'
import { advanceAllTransitions } from '../../src/engine/transitions/bulk-transitions.ts'
import { sweepRetention } from '../../src/engine/transitions/retention.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { listBatches } from '../../src/features/batches/queries.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch } from '../../src/live/state.ts'
import type { Database } from '../../src/ports.ts'
import { openEngine, until } from '../support/fixture.ts'

const JOBS = 4_500
const items = Array.from({ length: JOBS }, (_, value) => ({ value }))
let engine: Awaited<ReturnType<typeof openEngine>>

beforeEach(async () => {
  engine = await openEngine()
})
afterEach(() => engine.close())

/** A database that fails at one of its commits. */
function breaking(db: Database, at: number): Database & { writes: number } {
  const counted = Object.assign(Object.create(db), { writes: 0 })
  counted.batch = async (...statements: Parameters<Database['batch']>) => {
    if (++counted.writes === at) throw new Error('The disk is gone.')
    return db.batch(...statements)
  }
  return counted
}

const counts = async () => {
  const [row] = await engine.db.all<{ batches: number; jobs: number; events: number }>(sql`
    SELECT (SELECT count(*) FROM batches) AS batches, (SELECT count(*) FROM jobs) AS jobs, (SELECT count(*) FROM events) AS events`)
  return row
}

describe('a create with more jobs than one commit takes', () => {
  it('is written some at a time, and runs to its end in the order of its items', async () => {
    await engine.work()
    const { batchId, totalJobs, created } = await engine.submit(items)
    expect([totalJobs, created]).toEqual([JOBS, true])
    const ended = await until(async () => {
      const batch = await readBatch(engine.db, batchId, 'me')
      return batch?.finished ? batch : null
    })
    expect(ended).toMatchObject({ status: 'completed', total: JOBS, completed: JOBS })
    const wrong = await engine.db.all(sql`
      SELECT sequence FROM jobs WHERE batch_id = ${batchId} AND input ->> 'value' <> sequence - 1`)
    expect(wrong).toEqual([])
  })

  it('is not seen, and is swept, where it was cut off at any of its commits', async () => {
    const request = { owner: 'me', operation: echo, request: { items }, idempotency: { key: 'k', content: 1 } }
    for (let at = 1; at <= 5; at++) {
      const db = breaking(engine.db, at)
      await expect(submit({ ...engine, db }, request)).rejects.toThrow('The disk is gone.')
      expect(await listBatches(engine.db, 'me', { before: undefined, limit: 10 })).toEqual([])
      engine.clock.advance(1)
      await sweepRetention(engine, 1e12)
      expect(await counts(), `cut off at ${at}`).toEqual({ batches: 0, jobs: 0, events: 0 })
    }
    expect((await submit(engine, request)).totalJobs).toBe(JOBS)
    expect((await submit(engine, request)).created).toBe(false)
  })

  it('that died with its process is swept when its time is over, not before', async () => {
    await engine.submit(items)
    await engine.db.run(sql`UPDATE batches SET deleted_at = ${engine.clock.now() + 60_000}`)
    await sweepRetention(engine, 1e12)
    expect(await counts()).toMatchObject({ batches: 1, jobs: JOBS })
    engine.clock.advance(60_001)
    await sweepRetention(engine, 1e12)
    expect(await counts()).toEqual({ batches: 0, jobs: 0, events: 0 })
  })

  it('gives its places away, waits for its time, can be paused and cancelled', async () => {
    const make = async (options: object) => {
      const made = await submit(engine, { owner: 'me', operation: echo, request: { items }, options })
      await advanceAllTransitions(engine, () => true)
      return made
    }
    const statuses = async (id: string) =>
      Object.fromEntries(
        (
          await engine.db.all<{ status: string; n: number }>(
            sql`SELECT status, count(*) AS n FROM jobs WHERE batch_id = ${id} GROUP BY status`,
          )
        ).map(({ status, n }) => [status, n]),
      )
    const bounded = await make({ concurrency: 3 })
    expect(await statuses(bounded.batchId)).toEqual({ scheduled: 3, blocked: JOBS - 3 })
    const later = await make({ runAt: engine.clock.now() + 1e6 })
    expect(await statuses(later.batchId)).toEqual({ scheduled: JOBS })
    const now = await make({ priority: 5 })
    expect(await statuses(now.batchId)).toEqual({ ready: JOBS })
    await pauseBatch(engine, now.batchId)
    expect(await statuses(now.batchId)).toEqual({ blocked: JOBS })
    await stopBatch(engine, now.batchId, 'CANCELLED')
    expect(await readBatch(engine.db, now.batchId, 'me')).toMatchObject({ status: 'cancelled', cancelled: JOBS })
  })
})
