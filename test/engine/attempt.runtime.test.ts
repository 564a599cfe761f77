import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { backoff } from '../../src/backoff.ts'
import { claim, readyDue } from '../../src/engine/transitions/claim.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { ATTEMPT_BACKOFF } from '../../src/engine/worker/attempt.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch, readJobItems } from '../../src/live/state.ts'
import type { Operation } from '../../src/operation.ts'
import { openEngine, until } from '../support/fixture.ts'

const runs: unknown[] = []
const plain = { ...echo, fromItems: null, emptySummary: {}, merge: null }
/** Goes on twice from a checkpoint, and fails once in between. */
const steps: Operation = {
  ...plain,
  name: 'steps',
  async run(job, ctx) {
    runs.push([job.attempt, job.checkpoint])
    const done = typeof job.checkpoint === 'number' ? job.checkpoint : 0
    if (done === 2) return { result: done, summary: {}, tallies: { amount: done } }
    await ctx.checkpoint(done + 1)
    return 'continue'
  },
}
const stuck: Operation = {
  ...plain,
  name: 'stuck',
  maxAttempts: 1,
  timeLimitMs: 50,
  // Deaf to its signal, as a library may be.
  run: () => new Promise(() => {}),
}
const checkpoints: Operation = {
  ...plain,
  name: 'late',
  async run(job, ctx) {
    await engine.db.run(sql`UPDATE jobs SET lease = 'thief' WHERE id = ${job.jobId}`)
    await ctx.checkpoint({ from: 'the one who lost it' })
    return { result: null, summary: {}, tallies: {} }
  },
}

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  runs.length = 0
  engine = await openEngine({ operations: [steps, stuck, checkpoints] })
})
afterEach(() => engine.close())

const finished = (id: string) =>
  until(async () => {
    const batch = await readBatch(engine.db, id, 'me')
    return batch?.finished === true ? batch : null
  })

describe('a run', () => {
  it('goes on from its checkpoint in fresh runs that are no attempts', async () => {
    await engine.work()
    const { batchId } = await engine.submit([{}], { operation: steps })
    expect(await finished(batchId)).toMatchObject({ status: 'completed', lastSeq: 3 })
    expect(runs).toEqual([
      [1, null],
      [1, 1],
      [1, 2],
    ])
  })

  it('that does not listen is ended by its time limit, and frees its place', async () => {
    await engine.work({ concurrency: 1 })
    const { batchId } = await engine.submit([{}, {}], { operation: stuck })
    expect(await finished(batchId)).toMatchObject({ status: 'failed', failed: 2 })
    const [job] = await readJobItems(engine.db, stuck, batchId, { after: 0, limit: 1 })
    expect(job).toMatchObject({ errorCode: 'TIMEOUT' })
  })

  it('keeps no checkpoint and writes nothing under a stolen lease', async () => {
    await engine.work()
    const { batchId } = await engine.submit([{}], { operation: checkpoints })
    await until(async () => {
      const row = await engine.db.get<{ lease: string }>(sql`SELECT lease FROM jobs`)
      return row?.lease === 'thief' ? true : null
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await engine.db.get(sql`SELECT status, checkpoint, result FROM jobs`)).toEqual({
      status: 'running',
      checkpoint: null,
      result: null,
    })
    expect(await readBatch(engine.db, batchId, 'me')).toMatchObject({ completed: 0, lastSeq: 1 })
  })
})

describe('waiting', () => {
  it('grows with each attempt, half of it at random', () => {
    expect([1, 2, 3, 4].map((attempt) => backoff(attempt, ATTEMPT_BACKOFF, 1))).toEqual([1_000, 2_000, 4_000, 8_000])
    expect([1, 2, 3, 4].map((attempt) => backoff(attempt, ATTEMPT_BACKOFF, 0))).toEqual([500, 1_000, 2_000, 4_000])
    expect(backoff(50, ATTEMPT_BACKOFF, 1)).toBe(60_000)
  })

  it('for another try lasts as long as the back-off says', async () => {
    await engine.work({ concurrency: 1 })
    const before = engine.clock.now()
    await engine.submit([{ failures: 1 }])
    const runAt = await until(
      async () => (await engine.db.get<{ run_at: number | null }>(sql`SELECT run_at FROM jobs`))?.run_at,
    )
    expect(runAt - before).toBeGreaterThanOrEqual(500)
    expect(runAt - engine.clock.now()).toBeLessThanOrEqual(1_000)
  })

  it('for a time to begin lasts until then', async () => {
    const runAt = engine.clock.now() + 60_000
    await submit(engine, { owner: 'me', operation: echo, request: { items: [{}, {}] }, options: { runAt } })
    expect(await readyDue(engine)).toEqual({ next: runAt, readied: false })
    expect(await claim(engine, { lease: 'a', limit: 9, leaseMs: 1_000 })).toHaveLength(0)
    engine.clock.advance(61_000)
    expect(await readyDue(engine)).toEqual({ next: null, readied: true })
    expect(await claim(engine, { lease: 'b', limit: 9, leaseMs: 1_000 })).toHaveLength(2)
  })

  it('is shorter with a higher priority', async () => {
    await engine.submit(Array.from({ length: 20 }, () => ({ value: 'low' })))
    await submit(engine, {
      owner: 'me',
      operation: echo,
      request: { items: [{ value: 'high' }] },
      options: { priority: 1_000 },
    })
    const [first] = await claim(engine, { lease: 'a', limit: 1, leaseMs: 1_000 })
    expect(first?.input).toMatchObject({ value: 'high' })
  })
})

/** Jain, Chiu and Hawe, "A Quantitative Measure of Fairness and Discrimination", 1984: 1 where all are equal. */
const jainOf = (x: readonly number[]) =>
  x.reduce((a, b) => a + b, 0) ** 2 / (x.length * x.reduce((a, b) => a + b * b, 0))

/** Whose jobs are claimed, and which, in so many rounds of claims. */
async function claimed(rounds: number, limit: number) {
  const all: { owner: string; value: unknown }[] = []
  for (let round = 0; round < rounds; round++) {
    const jobs = await claim(engine, { lease: crypto.randomUUID(), limit, leaseMs: 600_000 })
    for (const { owner, input } of jobs) all.push({ owner, value: Item.parse(input).value })
  }
  return all
}
const Item = z.object({ value: z.unknown() })
const countOf = (jobs: readonly { owner: string }[], owner: string) => jobs.filter((job) => job.owner === owner).length
const hand = (owner: string, value: string, count: number, priority = 0) =>
  submit(engine, {
    owner,
    operation: echo,
    request: { items: Array.from({ length: count }, (_, i) => ({ value: `${value}${i}` })) },
    options: { priority },
  })

describe('a priority', () => {
  it.each([1_000, 1_000_000, -1_000])('of %i is worth nothing against other owners', async (priority) => {
    await hand('bob', 'b', 20)
    await hand('alice', 'a', 300, priority)
    const first = await claimed(10, 4)
    expect(first).toHaveLength(40)
    expect(countOf(first, 'bob')).toBeGreaterThanOrEqual(19)
  })

  it('piled on another is worth nothing either, and takes none of the jobs that wait away', async () => {
    for (let p = 0; p < 5; p++) await hand('alice', `p${p}-`, 40, p * 100)
    await hand('bob', 'b', 100)
    for (let p = 5; p < 8; p++) await hand('alice', `p${p}-`, 40, -p * 100)
    const jobs = await claimed(50, 4)
    expect(Math.abs(countOf(jobs, 'bob') - countOf(jobs, 'alice'))).toBeLessThanOrEqual(4)
    jobs.push(...(await claimed(60, 4)))
    expect(new Set(jobs.map(({ value }) => value)).size).toBe(420)
  })

  it('is a head start in turns of the owner, and the others keep their order', async () => {
    await hand('me', 'low', 10)
    await hand('me', 'high', 2, 5)
    await hand('me', 'later', 2)
    expect((await claimed(14, 1)).map(({ value }) => value)).toEqual([
      ...[0, 1, 2, 3, 4, 5].map((i) => `low${i}`),
      ...['high0', 'low6', 'high1', 'low7', 'low8', 'low9', 'later0', 'later1'],
    ])
  })

  it('below zero lets others of the owner go first, also those that come later', async () => {
    await hand('me', 'low', 2, -3)
    await hand('me', 'plain', 6)
    expect((await claimed(8, 1)).map(({ value }) => value)).toEqual([
      ...['plain0', 'low0', 'plain1', 'low1', 'plain2', 'plain3', 'plain4', 'plain5'],
    ])
  })

  it('counts as well for jobs that waited for their time', async () => {
    const runAt = engine.clock.now() + 60_000
    await hand('me', 'low', 5)
    const options = { priority: 100, runAt }
    await submit(engine, { owner: 'me', operation: echo, request: { items: [{ value: 'high' }] }, options })
    engine.clock.advance(61_000)
    await readyDue(engine)
    expect((await claimed(1, 1)).map(({ value }) => value)).toEqual(['high'])
  })
})

describe('nine owners', () => {
  it('who share a worker get equal shares, however much each has waiting', async () => {
    const owners = Array.from({ length: 9 }, (_, i) => `owner-${i}`)
    for (const [i, owner] of owners.entries()) {
      for (let part = 0; part <= i; part++)
        await engine.submit(
          Array.from({ length: 200 }, () => ({})),
          { owner },
        )
    }
    const shares = new Map<string, number>()
    for (let round = 0; round < 90; round++) {
      for (const { owner } of await claim(engine, { lease: `r${round}`, limit: 10, leaseMs: 600_000 })) {
        shares.set(owner, (shares.get(owner) ?? 0) + 1)
      }
    }
    const x = owners.map((owner) => shares.get(owner) ?? 0)
    const jain = jainOf(x)
    console.log(`Jain's index of nine owners over ${x.reduce((a, b) => a + b, 0)} jobs: ${jain.toFixed(4)}`)
    expect(jain).toBeGreaterThanOrEqual(0.99)
  })

  it('get them whatever priorities they use', async () => {
    const owners = Array.from({ length: 9 }, (_, i) => `owner-${i}`)
    for (const [i, owner] of owners.entries()) {
      for (let part = 0; part <= i; part++) await hand(owner, `${part}-`, 200, (i % 3) * 1_000 - part * 100)
    }
    const jobs = await claimed(90, 10)
    expect(jainOf(owners.map((owner) => countOf(jobs, owner)))).toBeGreaterThanOrEqual(0.99)
  })
})
