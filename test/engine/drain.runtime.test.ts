/** A worker that lives no longer than there is work, and what is left for a timer to wake the next for. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stopBatch } from '../../src/engine/transitions/batch-commands.ts'
import { claim } from '../../src/engine/transitions/claim.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { knownWorkers } from '../../src/engine/transitions/sweep.ts'
import { nextWakeupAt } from '../../src/engine/worker/next-wakeup.ts'
import { Worker } from '../../src/engine/worker/worker.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch } from '../../src/live/state.ts'
import { openEngine } from '../support/fixture.ts'

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine()
})
afterEach(() => engine.close())

const TIMES = { concurrency: 8, leaseMs: 30_000, beatMs: 1_000, sweepMs: 10_000, keepMs: 1e9, retentionMs: 1e9 }
const newWorker = () =>
  new Worker({ ...engine, operations: { echo } }, { id: crypto.randomUUID(), host: 'test', pid: 1, ...TIMES })
const stateOf = (id: string) => readBatch(engine.db, id, 'me')

describe('a worker that drains', () => {
  it('does all there is, more than it has places for, and is gone', async () => {
    const { batchId } = await engine.submit(Array.from({ length: 50 }, (_, value) => ({ value, waitMs: value % 5 })))
    await newWorker().drain(() => true, 0)
    expect(await stateOf(batchId)).toMatchObject({ status: 'completed', completed: 50 })
    expect(await knownWorkers(engine.db)).toEqual([])
    expect(await nextWakeupAt(engine.db)).toBeNull()
  })

  it('ends at once where there is nothing', async () => {
    await newWorker().drain(() => true, 60_000)
    expect(await knownWorkers(engine.db)).toEqual([])
  })

  it('leaves the rest once it has had its share, lets what runs end, and says so', async () => {
    const { batchId } = await engine.submit(Array.from({ length: 40 }, (_, value) => ({ value, waitMs: 300 })))
    const worker = newWorker()
    await worker.drain(() => worker.running === 0, 60_000)
    const state = await stateOf(batchId)
    expect(state?.completed).toBeGreaterThan(0)
    expect(state?.completed).toBeLessThan(40)
    expect(await nextWakeupAt(engine.db)).toBe(0)
    await newWorker().drain(() => true, 0)
    // Handed back is not tried again.
    expect(await stateOf(batchId)).toMatchObject({ status: 'completed', completed: 40, failed: 0 })
  })

  it('makes ready what is due, and waits for nothing that is due later', async () => {
    const at = engine.clock.now() + 3_600_000
    await submit(engine, { owner: 'me', operation: echo, request: { items: [{}] }, options: { runAt: at } })
    await newWorker().drain(() => true, 0)
    expect(await nextWakeupAt(engine.db)).toBe(at)
  })
})

describe('what is due next', () => {
  it('is what was asked of a batch and is not done yet', async () => {
    await submit(engine, {
      owner: 'me',
      operation: echo,
      request: { items: Array.from({ length: 4_500 }, () => ({})) },
      options: { runAt: engine.clock.now() + 3_600_000 },
    })
    const [row] = await engine.db.all<{ id: string }>(sql`SELECT id FROM batches`)
    await stopBatch({ ...engine, workersOnDemand: true }, row?.id ?? '', 'CANCELLED')
    expect(await nextWakeupAt(engine.db)).toBe(0)
    await newWorker().drain(() => true, 0)
    expect(await nextWakeupAt(engine.db)).toBeNull()
    expect(await stateOf(row?.id ?? '')).toMatchObject({ status: 'cancelled', cancelled: 4_500 })
  })

  it('is the end of a lease', async () => {
    await engine.submit([{}])
    await claim(engine, { lease: 'a-lease', limit: 1, leaseMs: 5_000 })
    const [row] = await engine.db.all<{ until: number }>(sql`SELECT lease_until AS until FROM jobs`)
    expect(await nextWakeupAt(engine.db)).toBe((row?.until ?? 0) + 1)
  })

  it('is a deadline', async () => {
    const at = engine.clock.now() + 60_000
    const options = { deadlineAt: at, runAt: at + 1_000 }
    await submit(engine, { owner: 'me', operation: echo, request: { items: [{}] }, options })
    expect(await nextWakeupAt(engine.db)).toBe(at)
  })
})
