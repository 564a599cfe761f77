import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { pauseBatch, resumeBatch, retryBatch } from '../../src/engine/transitions/batch-commands.ts'
import { claim } from '../../src/engine/transitions/claim.ts'
import { completeJobs, type Outcome } from '../../src/engine/transitions/complete-jobs.ts'
import type { BatchOptions } from '../../src/engine/transitions/submission.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch } from '../../src/live/state.ts'
import type { Operation } from '../../src/operation.ts'
import { openEngine, until } from '../support/fixture.ts'

/** An operation whose jobs fail while a test says so. */
let broken = false
const fragile: Operation = {
  ...echo,
  name: 'fragile',
  maxAttempts: 1,
  run: async (job, ctx) => {
    if (broken) throw new Error('broken')
    return echo.run(job, ctx)
  },
}

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  broken = false
  engine = await openEngine({ operations: [fragile] })
})
afterEach(() => engine.close())

const bad = { error: 'no good' }
const add = (budget: NonNullable<BatchOptions['budget']>, items: readonly unknown[], operation = echo) =>
  submit(engine, { owner: 'me', operation, request: { items }, options: { budget } })
const look = async (id: string) => {
  const batch = await readBatch(engine.db, id, 'me')
  if (batch === null) throw new Error('the batch is gone')
  return batch
}
const waitFor = (id: string, holds: (batch: Awaited<ReturnType<typeof look>>) => boolean) =>
  until(async () => {
    const batch = await look(id)
    return holds(batch) ? batch : null
  })
const ended = (id: string) => waitFor(id, ({ finished }) => finished)
const paused = (id: string) => waitFor(id, ({ pausedAt }) => pausedAt !== null)
const excesses = async (id: string) => (await engine.eventsOf(id)).filter(({ type }) => type === 'budget_exceeded')

/** Claims `count` jobs and writes that they ended, in one commit. */
async function end(count: number, kind: 'completed' | 'failed', cost = 0) {
  const lease = crypto.randomUUID()
  const jobs = await claim(engine, { lease, limit: count, leaseMs: 60_000 })
  const outcomes = jobs.map(
    (job): Outcome =>
      kind === 'failed'
        ? { ...job, kind, code: 'UNKNOWN', message: 'no good' }
        : { ...job, kind, run: { result: null, summary: {}, tallies: { cost } } },
  )
  await completeJobs(engine, outcomes)
  return jobs.length
}

describe('a budget', () => {
  it('pauses the batch in the commit that exceeds it, and an event says why', async () => {
    const { batchId } = await add({ maxFailures: 2 }, Array(10).fill(bad))
    await end(2, 'failed')
    expect(await look(batchId)).toMatchObject({ pausedAt: null, budget: { maxFailures: 2, onExceeded: 'pause' } })
    await end(1, 'failed')
    const batch = await look(batchId)
    expect(batch.pausedAt).not.toBeNull()
    expect(batch.budget?.exceeded).toMatchObject({ limit: 'maxFailures', value: 3, max: 2 })
    const events = await engine.eventsOf(batchId)
    expect(events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    expect(events.at(-1)?.body).toMatchObject({
      type: 'budget_exceeded',
      limit: 'maxFailures',
      value: 3,
      max: 2,
      action: 'pause',
    })
    expect(events.at(-1)?.body).not.toHaveProperty('jobId')
  })

  it('cancels the rest where that was asked, with a code of its own', async () => {
    await engine.work({ concurrency: 1 })
    const { batchId } = await add({ maxFailures: 0, onExceeded: 'cancel' }, [
      { value: 1 },
      bad,
      ...Array(2_500).fill({ waitMs: 60_000 }),
    ])
    expect(await ended(batchId)).toMatchObject({ status: 'cancelled', completed: 1, failed: 1, cancelled: 2_500 })
    const events = await engine.eventsOf(batchId)
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 2_505 }, (_, i) => i + 1))
    expect(events.filter(({ type }) => type === 'budget_exceeded')).toHaveLength(1)
    expect(events.at(-2)?.body).toMatchObject({
      type: 'job_failed',
      errorCode: 'BUDGET_EXCEEDED',
      errorMessage: 'The batch was cancelled because it exceeded its budget.',
    })
  })

  it('starts no more jobs once the batch is paused, and goes on where it is resumed, counted anew', async () => {
    broken = true
    await engine.work({ concurrency: 2 })
    const { batchId } = await add({ maxFailures: 3 }, Array(200).fill({ waitMs: 1 }), fragile)
    await paused(batchId)
    const first = await until(async () => {
      const rows = await engine.db.all<{ n: number }>(
        sql`SELECT count(*) AS n FROM jobs WHERE status IN ('ready', 'scheduled', 'running')`,
      )
      return rows[0]?.n === 0 ? look(batchId) : null
    })
    expect(first.failed).toBeGreaterThan(3)
    expect(first.failed).toBeLessThan(200)
    broken = false
    await resumeBatch(engine, batchId)
    expect(await ended(batchId)).toMatchObject({ status: 'partial', failed: first.failed })
    expect(await excesses(batchId)).toHaveLength(1)
    expect((await look(batchId)).budget?.exceeded).toBeUndefined()
  })

  it('is exceeded again by as many failures after a resume, and not by fewer', async () => {
    const { batchId } = await add({ maxFailures: 1 }, Array(10).fill(bad))
    await end(2, 'failed')
    await resumeBatch(engine, batchId)
    await engine.db.run(sql`UPDATE jobs SET status = 'ready' WHERE status = 'scheduled'`)
    await end(1, 'failed')
    expect(await look(batchId)).toMatchObject({ pausedAt: null, failed: 3 })
    await end(1, 'failed')
    expect((await look(batchId)).budget?.exceeded).toMatchObject({ value: 2, max: 1 })
    expect(await excesses(batchId)).toHaveLength(2)
  })

  it('keeps its count where a batch that kept it is paused and resumed', async () => {
    const { batchId } = await add({ maxFailures: 1 }, Array(10).fill(bad))
    await end(1, 'failed')
    await pauseBatch(engine, batchId)
    await resumeBatch(engine, batchId)
    await engine.db.run(sql`UPDATE jobs SET status = 'ready' WHERE status = 'scheduled'`)
    await end(1, 'failed')
    expect((await look(batchId)).budget?.exceeded).toMatchObject({ value: 2 })
  })

  it('looks at a rate once enough jobs have ended', async () => {
    const { batchId } = await add({ maxFailureRate: 0.25 }, Array(40).fill({}))
    await end(5, 'failed')
    await end(14, 'completed')
    expect(await look(batchId)).toMatchObject({ pausedAt: null, budget: { minEnded: 20 } })
    await end(1, 'completed')
    expect((await look(batchId)).pausedAt, '5 of 20 are a quarter, and no more').toBeNull()
    await end(1, 'failed')
    expect((await look(batchId)).budget?.exceeded).toMatchObject({ limit: 'maxFailureRate', value: 0.2857, max: 0.25 })
  })

  it('adds up what jobs cost, beside what was emitted before', async () => {
    const { batchId } = await add({ maxCost: 1, onExceeded: 'cancel' }, Array(5).fill({}))
    await end(2, 'completed', 0.5)
    expect((await look(batchId)).budget?.exceeded).toBeUndefined()
    await end(1, 'completed', 0.25)
    expect((await excesses(batchId))[0]?.body).toMatchObject({
      limit: 'maxCost',
      value: 1.25,
      max: 1,
      action: 'cancel',
    })
  })

  it('does nothing to a batch of which everything has ended, and counts a retry anew', async () => {
    const { batchId } = await add({ maxFailures: 2 }, [bad, bad, bad])
    await end(3, 'failed')
    expect(await look(batchId)).toMatchObject({ status: 'failed', finished: true })
    expect(await excesses(batchId)).toEqual([])
    await retryBatch(engine, batchId)
    await engine.work()
    expect(await ended(batchId)).toMatchObject({ status: 'failed', failed: 3 })
    expect(await excesses(batchId)).toEqual([])
  })

  it('cancels a batch that its owner paused, once what ran exceeds it', async () => {
    const { batchId } = await add({ maxFailures: 0, onExceeded: 'cancel' }, Array(5).fill({}))
    const jobs = await claim(engine, { lease: 'late', limit: 1, leaseMs: 60_000 })
    await pauseBatch(engine, batchId)
    await completeJobs(
      engine,
      jobs.map((job): Outcome => ({ ...job, kind: 'failed', code: 'UNKNOWN', message: 'no good' })),
    )
    await engine.work()
    expect(await ended(batchId)).toMatchObject({ status: 'cancelled', failed: 1, cancelled: 4 })
  })
})
