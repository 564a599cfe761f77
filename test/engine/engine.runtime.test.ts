import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claim, readyDue } from '../../src/engine/transitions/claim.ts'
import { completeJobs, type Outcome } from '../../src/engine/transitions/complete-jobs.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { MAX_LOSSES, sweepLeases } from '../../src/engine/transitions/sweep.ts'
import { MillraceError } from '../../src/errors.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch, readJobItems } from '../../src/live/state.ts'
import type { Operation } from '../../src/operation.ts'
import { openEngine, until } from '../support/fixture.ts'

let engine: Awaited<ReturnType<typeof openEngine>>
const twoAtOnce: Operation = { ...echo, name: 'two-at-once', concurrency: 2 }

beforeEach(async () => {
  engine = await openEngine({ operations: [twoAtOnce] })
})
afterEach(() => engine.close())

const many = (count: number) => Array.from({ length: count }, () => ({}))
const finished = (id: string) =>
  until(async () => {
    const batch = await readBatch(engine.db, id, 'me')
    return batch?.finished === true ? batch : null
  })
const completed = (job: {
  jobId: string
  batchId: string
  sequence: number
  lease: string
  hasConcurrencyLimit: boolean
  hasFollowUp: boolean
  hasBudget: boolean
}): Outcome => ({
  ...job,
  kind: 'completed',
  run: { result: null, summary: {}, tallies: { amount: 1 } },
})

describe('a batch', () => {
  it('runs to its end, counted and logged without a gap', async () => {
    await engine.work()
    const { batchId, totalJobs } = await engine.submit([
      ...Array.from({ length: 50 }, (_, i) => ({ value: i, amount: i })),
      { error: 'no good' },
    ])
    expect(totalJobs).toBe(51)
    const batch = await finished(batchId)
    expect(batch).toMatchObject({ status: 'partial', total: 51, completed: 50, failed: 1, cancelled: 0 })
    const events = await engine.eventsOf(batchId)
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 53 }, (_, i) => i + 1))
    expect(events[0]?.body).toMatchObject({ type: 'batch_started', totalJobs: 51 })
    expect(events.at(-1)?.body).toMatchObject({
      type: 'batch_completed',
      status: 'partial',
      completedJobs: 50,
      failedJobs: 1,
      amount: (49 * 50) / 2,
    })
    expect(events.filter(({ type }) => type === 'job_failed')[0]?.body).toMatchObject({
      errorMessage: 'no good',
      sequence: 51,
    })
  })

  it('is failed when nothing of it succeeded', async () => {
    await engine.work()
    const { batchId } = await engine.submit([{ error: 'a' }, { error: 'b' }])
    expect(await finished(batchId)).toMatchObject({ status: 'failed', failed: 2 })
  })

  it('tries again what may pass, and reports it once', async () => {
    await engine.work()
    const { batchId } = await engine.submit([{ failures: 1 }])
    await until(async () => {
      const [job] = await readJobItems(engine.db, echo, batchId, { after: 0, limit: 1 })
      // Before its first attempt it is pending, too.
      return job?.status === 'pending' && job.attempt === 1 ? true : null
    })
    engine.clock.advance(5_000)
    const batch = await finished(batchId)
    expect(batch).toMatchObject({ status: 'completed', completed: 1, lastSeq: 3 })
  })

  it('fails after its last attempt, with the last reason', async () => {
    await engine.work()
    const { batchId } = await engine.submit([{ failures: 9 }])
    await until(async () => {
      engine.clock.advance(1_000)
      return (await readBatch(engine.db, batchId, 'me'))?.finished === true ? true : null
    })
    const [job] = await readJobItems(engine.db, echo, batchId, { after: 0, limit: 1 })
    expect(job).toMatchObject({
      status: 'failed',
      errorCode: 'SERVICE_UNAVAILABLE',
      errorMessage: expect.stringContaining('attempt 3'),
    })
  })

  it('runs no more of its jobs at once than its operation says, and all in the end', async () => {
    const { batchId } = await engine.submit(
      Array.from({ length: 7 }, () => ({ waitMs: 30 })),
      { operation: twoAtOnce },
    )
    await engine.work()
    let most = 0
    await until(async () => {
      const row = await engine.db.get<{ n: number }>(
        sql`SELECT count(*) AS n FROM jobs WHERE batch_id = ${batchId} AND status IN ('running', 'ready')`,
      )
      most = Math.max(most, row?.n ?? 0)
      return (await readBatch(engine.db, batchId, 'me'))?.finished === true ? true : null
    })
    expect(most).toBe(2)
    expect(await finished(batchId)).toMatchObject({ status: 'completed', completed: 7 })
  })

  it('fills every place that one commit frees, lowest sequence first', async () => {
    await engine.submit(many(7), { operation: twoAtOnce })
    const sequences = async () => {
      const jobs = await claim(engine, { lease: crypto.randomUUID(), limit: 9, leaseMs: 60_000 })
      const [first, ...rest] = jobs.map(completed)
      if (first === undefined) return []
      // How a job ends makes no difference to its place.
      await completeJobs(engine, [{ ...first, kind: 'failed', code: 'UNKNOWN', message: 'no good' }, ...rest])
      return jobs.map(({ sequence }) => sequence)
    }
    expect([await sequences(), await sequences(), await sequences(), await sequences()]).toEqual([
      [1, 2],
      [3, 4],
      [5, 6],
      [7],
    ])
  })

  it('says in its lists and in its events the same of a job that failed, whatever is in the message', async () => {
    const loud: Operation = {
      ...echo,
      name: 'loud',
      run: () => Promise.reject(new MillraceError('INVALID_PDF', `Page \0 of "\u{d800}"${'.'.repeat(10_000)}`)),
    }
    await engine.close()
    engine = await openEngine({ operations: [loud] })
    await engine.work()
    const { batchId } = await engine.submit([{}], { operation: loud })
    await finished(batchId)
    const [job] = await readJobItems(engine.db, loud, batchId, { after: 0, limit: 1 })
    const told = (await engine.eventsOf(batchId)).find(({ type }) => type === 'job_failed')
    expect(job?.errorMessage).toMatch(/^Page \ufffd of "\ufffd"\.+ …$/)
    expect(told?.body.errorMessage).toBe(job?.errorMessage)
  })

  it('of another owner is not there', async () => {
    const { batchId } = await engine.submit([{}])
    expect(await readBatch(engine.db, batchId, 'someone else')).toBeNull()
  })
})

describe('a lease', () => {
  it('that was lost writes nothing, and the rest of the group is written', async () => {
    const { batchId } = await engine.submit([{}, {}, {}])
    const claimed = await claim(engine, { lease: 'first', limit: 3, leaseMs: 1_000 })
    const [a, b, c] = claimed
    if (a === undefined || b === undefined || c === undefined) throw new Error('three were submitted')
    await engine.db.run(sql`UPDATE jobs SET lease = 'thief' WHERE id = ${b.jobId}`)
    const { written } = await completeJobs(engine, [completed(a), completed(b), completed(c)])
    expect(written.map(({ jobId }) => jobId)).toEqual([a.jobId, c.jobId])
    expect(await readBatch(engine.db, batchId, 'me')).toMatchObject({ completed: 2, lastSeq: 3, finished: false })
    // The same outcome again, as a worker would after it saw no answer: counted once.
    expect((await completeJobs(engine, [completed(a)])).written).toEqual([])
    expect((await completeJobs(engine, [completed({ ...b, lease: 'thief' })])).written).toHaveLength(1)
    expect(await readBatch(engine.db, batchId, 'me')).toMatchObject({ completed: 3, lastSeq: 5, status: 'completed' })
    expect((await engine.eventsOf(batchId)).at(-1)?.body).toMatchObject({ amount: 3 })
  })

  it('that was lost and the one that holds may end in the same commit', async () => {
    const { batchId } = await engine.submit([{}])
    const [job] = await claim(engine, { lease: 'holds', limit: 1, leaseMs: 1_000 })
    if (job === undefined) throw new Error('one was submitted')
    const { written } = await completeJobs(engine, [completed(job), completed({ ...job, lease: 'lost' })])
    expect(written.map(({ lease }) => lease)).toEqual(['holds'])
    expect(await readBatch(engine.db, batchId, 'me')).toMatchObject({ completed: 1, lastSeq: 3, status: 'completed' })
    expect((await engine.eventsOf(batchId)).at(-1)?.body).toMatchObject({ amount: 1 })
  })

  it('that ran out is taken over, and a job that loses its worker too often is failed', async () => {
    const { batchId } = await engine.submit([{}])
    for (let loss = 1; loss <= MAX_LOSSES; loss++) {
      const [job] = await claim(engine, { lease: `w${loss}`, limit: 1, leaseMs: 1_000 })
      expect(job?.attempt).toBe(1)
      expect(await sweepLeases(engine)).toBe(0)
      engine.clock.advance(1_100)
      expect(await sweepLeases(engine)).toBe(1)
      await readyDue(engine)
    }
    expect(await readBatch(engine.db, batchId, 'me')).toMatchObject({ status: 'failed', failed: 1 })
  })

  it('is held by one of ten claims made at once', async () => {
    await engine.submit(Array.from({ length: 20 }, () => ({})))
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, i) => claim(engine, { lease: `c${i}`, limit: 5, leaseMs: 1_000 })),
    )
    const ids = claims.flat().map(({ jobId }) => jobId)
    expect(ids).toHaveLength(20)
    expect(new Set(ids).size).toBe(20)
  })
})

describe('turns', () => {
  it('let a newcomer in beside someone who has much waiting', async () => {
    await engine.submit(
      Array.from({ length: 1_000 }, () => ({})),
      { owner: 'many' },
    )
    await claim(engine, { lease: 'a', limit: 500, leaseMs: 60_000 })
    await engine.submit(
      Array.from({ length: 10 }, () => ({})),
      { owner: 'few' },
    )
    const next = await claim(engine, { lease: 'b', limit: 20, leaseMs: 60_000 })
    expect(next.filter(({ owner }) => owner === 'few').length).toBeGreaterThanOrEqual(9)
  })

  it('give a newcomer no credit for the time before it came', async () => {
    await engine.submit(
      Array.from({ length: 100 }, () => ({})),
      { owner: 'early' },
    )
    await claim(engine, { lease: 'a', limit: 100, leaseMs: 60_000 })
    await engine.submit(
      Array.from({ length: 100 }, () => ({})),
      { owner: 'late' },
    )
    await engine.submit(
      Array.from({ length: 100 }, () => ({})),
      { owner: 'early' },
    )
    const next = await claim(engine, { lease: 'b', limit: 50, leaseMs: 60_000 })
    const early = next.filter(({ owner }) => owner === 'early').length
    expect(early).toBeGreaterThanOrEqual(24)
    expect(early).toBeLessThanOrEqual(26)
  })

  it('give an owner who comes back no credit for the time it was away', async () => {
    await engine.submit(many(10), { owner: 'back' })
    await claim(engine, { lease: 'a', limit: 10, leaseMs: 60_000 })
    await engine.submit(many(1_000), { owner: 'busy' })
    await claim(engine, { lease: 'b', limit: 500, leaseMs: 60_000 })
    await engine.submit(many(100), { owner: 'back' })
    const next = await claim(engine, { lease: 'c', limit: 50, leaseMs: 60_000 })
    const back = next.filter(({ owner }) => owner === 'back').length
    expect(back).toBeGreaterThanOrEqual(24)
    expect(back).toBeLessThanOrEqual(26)
  })

  it('are given anew to jobs that waited for their time', async () => {
    const runAt = engine.clock.now() + 60_000
    await submit(engine, { owner: 'later', operation: echo, request: { items: many(100) }, options: { runAt } })
    await engine.submit(many(1_000), { owner: 'busy' })
    await claim(engine, { lease: 'a', limit: 500, leaseMs: 600_000 })
    engine.clock.advance(61_000)
    await readyDue(engine)
    const next = await claim(engine, { lease: 'b', limit: 50, leaseMs: 60_000 })
    const later = next.filter(({ owner }) => owner === 'later').length
    expect(later).toBeGreaterThanOrEqual(24)
    expect(later).toBeLessThanOrEqual(26)
  })
})

describe('a worker', () => {
  it('that stops hands back what it runs, and another goes on', async () => {
    const { batchId } = await engine.submit([{ waitMs: 400, steps: 3 }, { waitMs: 10 }])
    const first = await engine.work()
    await until(async () => ((await readBatch(engine.db, batchId, 'me'))?.completed === 1 ? true : null))
    await first.stop(0)
    expect(await readBatch(engine.db, batchId, 'me')).toMatchObject({ completed: 1, finished: false })
    // Handed back, not left to its lease; and not held against the job.
    expect(await engine.db.get(sql`SELECT status, attempt, losses FROM jobs WHERE sequence = 1`)).toEqual({
      status: 'scheduled',
      attempt: 0,
      losses: 0,
    })
    await engine.work()
    expect(await finished(batchId)).toMatchObject({ status: 'completed', completed: 2 })
  })
})
