/** Jobs that are offered in a queue to workers outside the server: who gets them, and what becomes of those that nobody ends. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readOfferedDepth, readQueueDepth } from '../../src/engine/queue-depth.ts'
import { pauseBatch, resumeBatch, stopBatch } from '../../src/engine/transitions/batch-commands.ts'
import { claim, readyDue } from '../../src/engine/transitions/claim.ts'
import { completeJobs } from '../../src/engine/transitions/complete-jobs.ts'
import { sweepLeases } from '../../src/engine/transitions/sweep.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch } from '../../src/live/state.ts'
import type { Operation } from '../../src/operation.ts'
import { openEngine, until } from '../support/fixture.ts'

const outside: Operation = { ...echo, name: 'outside', queue: 'outside' }

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine({ operations: [outside] })
})
afterEach(() => engine.close())

let claims = 0
const claimed = (limit: number, owner: string | null = null, leaseMs = 60_000) =>
  claim(engine, { lease: `claim-${++claims}`, limit, leaseMs, queue: { name: 'outside', owner } })
const submit = async (count: number, owner: string, operation = outside) => {
  const made = await engine.submit(
    Array.from({ length: count }, () => ({})),
    { owner, operation },
  )
  await readyDue(engine)
  return made.batchId
}
const owners = (jobs: readonly { readonly owner: string }[]) => jobs.map(({ owner }) => owner).join('')
const statuses = async () =>
  (await engine.db.all<{ status: string }>(sql`SELECT status FROM jobs ORDER BY batch_id, sequence`)).map(
    ({ status }) => status,
  )

describe('offered jobs', () => {
  it('are nothing to workers of the server, whose own jobs do not wait behind them', async () => {
    await submit(300, 'a')
    const own = await submit(5, 'a', echo)
    await submit(5, 'b', echo)
    expect(await claim(engine, { lease: 'own', limit: 8, leaseMs: 1_000 })).toHaveLength(8)
    const times = await engine.db.all<{ virtual_time: number }>(
      sql`SELECT virtual_time FROM jobs WHERE batch_id = ${own} ORDER BY virtual_time`,
    )
    expect(times[0]?.virtual_time).toBeLessThan(10)
    expect((await statuses()).filter((status) => status === 'offered')).toHaveLength(300)
  })

  it('are counted by operation for the operator, those that are claimed no more', async () => {
    const other: Operation = { ...outside, name: 'another', queue: 'another' }
    expect(await readOfferedDepth(engine.db)).toEqual([])
    await submit(5, 'a')
    await submit(2, 'b')
    await submit(3, 'a', other)
    await submit(1, 'a', echo)
    await claimed(4)
    expect(await readOfferedDepth(engine.db)).toEqual([
      { operation: 'another', offered: 3 },
      { operation: 'outside', offered: 3 },
    ])
    expect((await readQueueDepth(engine.db, engine.clock.now())).jobs).toMatchObject({
      offered: 6,
      running: 4,
      ready: 1,
    })
  })

  it('go to owners by turns, and to a worker of one owner from that owner alone', async () => {
    await submit(50, 'a')
    await submit(4, 'b')
    expect(owners(await claimed(8))).toBe('abababab')
    expect(owners(await claimed(3))).toBe('aaa')
    await submit(3, 'b')
    // It gets no credit for the time that it was away.
    expect(owners(await claimed(6)).match(/b/g)).toHaveLength(3)
    await submit(2, 'c')
    expect(owners(await claimed(5, 'c'))).toBe('cc')
    expect(await claimed(5, 'c')).toEqual([])
  })

  it('come back when their lease is over, which is no attempt, and late outcomes change nothing', async () => {
    await submit(2, 'a')
    const late = await claimed(2, null, 1_000)
    engine.clock.advance(2_000)
    expect(await sweepLeases(engine)).toBe(2)
    await readyDue(engine)
    const [again] = await claimed(1)
    expect(again).toMatchObject({ attempt: 1 })
    const outcomes = late.map((job) => ({
      ...job,
      kind: 'completed' as const,
      run: { result: 'late', summary: {}, tallies: {} },
    }))
    expect((await completeJobs(engine, outcomes)).written).toEqual([])
    expect(await engine.db.get(sql`SELECT count(result) AS results, total(losses) AS losses FROM jobs`)).toEqual({
      results: 0,
      losses: 2,
    })
  })

  it('rest while their batch is paused, and are ended where it is stopped, by the server where nobody else comes', async () => {
    const batchId = await submit(5, 'a')
    const [held] = await claimed(1)
    if (held === undefined) throw new Error('There is no job.')
    await pauseBatch(engine, batchId)
    expect(await claimed(1)).toEqual([])
    await resumeBatch(engine, batchId)
    await readyDue(engine)
    expect(await claimed(1)).toHaveLength(1)
    await stopBatch(engine, batchId, 'CANCELLED')
    await engine.work()
    engine.clock.advance(70_000)
    const ended = await until(async () => {
      const batch = await readBatch(engine.db, batchId, 'a')
      return batch?.finished === true ? batch : null
    })
    expect(ended).toMatchObject({ status: 'cancelled', cancelled: 5 })
  })
})
