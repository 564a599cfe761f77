/** Long jobs of one owner hold all places of a worker: another owner's jobs run all the same, and soon. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { claim } from '../../src/engine/transitions/claim.ts'
import { Reserve } from '../../src/engine/worker/reserve.ts'
import { readBatch } from '../../src/live/state.ts'
import { openEngine, until } from '../support/fixture.ts'

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine()
})
afterEach(() => engine.close())

/** Longer than a test may take: who waits for one of these fails. */
const LONG = { waitMs: 60_000 }
const items = (count: number, item: Record<string, unknown> = {}) => Array.from({ length: count }, () => item)
const finished = (id: string, owner: string) =>
  until(async () => ((await readBatch(engine.db, id, owner))?.finished === true ? true : null), 20_000)

async function runningOf(owner: string): Promise<number> {
  const row = await engine.db.get<{ n: number }>(
    sql`SELECT count(*) AS n FROM jobs WHERE status = 'running' AND owner = ${owner}`,
  )
  return row.n
}

/** Submits long jobs, and waits until as many run as may. */
async function hog(owner: string, places: number, count = 200) {
  await engine.submit(items(count, LONG), { owner })
  await until(async () => ((await runningOf(owner)) >= places ? true : null))
}

/** Submits short jobs and waits until they are done. */
async function runShort(owner: string, count = 1): Promise<void> {
  const { batchId } = await engine.submit(items(count, { waitMs: 1 }), { owner })
  await finished(batchId, owner)
}

describe('an owner whose long jobs hold all places', () => {
  it('holds all of them while it is alone, and none of the reserve', async () => {
    await engine.work({ concurrency: 4 })
    await hog('hog', 4)
    // Some sweeps and looks later.
    await runShort('bob')
    expect(await runningOf('hog')).toBe(4)
  })

  it.each([2, 3, 8])('of %i keeps no newcomer waiting, nor the next', async (concurrency) => {
    await engine.work({ concurrency })
    await hog('hog', concurrency)
    for (let round = 0; round < 3; round++) await Promise.all([runShort('bob'), runShort('carol', 5)])
    expect(await runningOf('hog')).toBe(concurrency)
  })

  it('after many quick ones, for which more was claimed than there are places', async () => {
    await engine.work({ concurrency: 4 })
    await runShort('bob', 60)
    await engine.submit(items(200, LONG), { owner: 'hog' })
    for (let round = 0; round < 3; round++) await runShort('bob', 3)
    expect(await runningOf('hog')).toBeGreaterThanOrEqual(4)
  })

  it('leaves room for a third owner where a second does the same', async () => {
    await engine.work({ concurrency: 8 })
    await hog('hog', 8)
    await hog('second', 4)
    await Promise.all([runShort('bob'), runShort('bob', 5)])
    expect(await runningOf('hog')).toBe(8)
    expect(await runningOf('second')).toBe(4)
  })

  it('on every worker of a database lets others work on each', async () => {
    await Promise.all([engine.work({ concurrency: 2 }), engine.work({ concurrency: 2 })])
    await hog('hog', 4)
    await Promise.all([runShort('bob'), runShort('carol', 10)])
    expect(await runningOf('hog')).toBe(4)
  })

  it('has places again as its jobs end', async () => {
    await engine.work({ concurrency: 2 })
    const { batchId } = await engine.submit(items(12, { waitMs: 200 }), { owner: 'hog' })
    await runShort('bob', 5)
    await finished(batchId, 'hog')
  })
})

it('a worker of one place has no reserve', async () => {
  await engine.work({ concurrency: 1 })
  const { batchId } = await engine.submit([{ waitMs: 300 }], { owner: 'hog' })
  await until(async () => ((await runningOf('hog')) === 1 ? true : null))
  const short = await engine.submit([{ waitMs: 1 }], { owner: 'bob' })
  await finished(short.batchId, 'bob')
  expect(await readBatch(engine.db, batchId, 'hog')).toMatchObject({ finished: true })
})

describe('a claim that passes owners over', () => {
  const order = (limit: number, passedOwners?: readonly string[]) => ({
    lease: crypto.randomUUID(),
    limit,
    leaseMs: 600_000,
    ...(passedOwners === undefined ? {} : { passedOwners }),
  })
  const Item = z.object({ value: z.int() })
  const numbered = (count: number) => Array.from({ length: count }, (_, value) => ({ value }))
  /** Submits jobs in batches of 500, which are ready at once; those of a large create become ready some at a time. */
  async function submitReady(owner: string, jobs: readonly unknown[]) {
    for (let at = 0; at < jobs.length; at += 500) await engine.submit(jobs.slice(at, at + 500), { owner })
  }

  it('brings one job of each other owner, the lowest turns first', async () => {
    for (const owner of ['hog', 'bob', 'carol', 'dave']) await engine.submit(items(5), { owner })
    expect((await claim(engine, order(2, ['hog']))).map(({ owner }) => owner)).toEqual(['bob', 'carol'])
    expect((await claim(engine, order(9, ['hog', 'bob', 'carol']))).map(({ owner }) => owner)).toEqual(['dave'])
    expect(await claim(engine, order(9, ['hog', 'bob', 'carol', 'dave']))).toEqual([])
  })

  it('finds the job behind any number of theirs, which keep their order', async () => {
    await submitReady('hog', numbered(3_500))
    await engine.submit(numbered(1), { owner: 'bob' })
    await claim(engine, order(9, ['hog']))
    // As after much that was served meanwhile.
    await engine.db.run(sql`UPDATE owners SET last_virtual_time = 3000 WHERE owner = 'bob'`)
    await engine.submit(numbered(2), { owner: 'bob' })
    const [job] = await claim(engine, order(9, ['hog']))
    expect(job).toMatchObject({ owner: 'bob', sequence: 1 })
    const rest = await claim(engine, order(4_000))
    const hogs = rest.filter(({ owner }) => owner === 'hog').map(({ input }) => Item.parse(input).value)
    expect([rest.length, hogs.length]).toEqual([3_501, 3_500])
    expect((await engine.db.get<{ n: number }>(sql`SELECT count(*) AS n FROM jobs WHERE status = 'ready'`)).n).toBe(0)
  })

  it('lets those that were moved be claimed in their own order afterwards', async () => {
    await submitReady('hog', numbered(2_200))
    await engine.submit(numbered(1), { owner: 'bob' })
    await claim(engine, order(1, ['hog']))
    await engine.db.run(sql`UPDATE owners SET last_virtual_time = 1500 WHERE owner = 'bob'`)
    await engine.submit(numbered(1), { owner: 'bob' })
    expect(await claim(engine, order(1, ['hog']))).toHaveLength(1)
    const values: number[] = []
    for (let round = 0; round < 22; round++) {
      const jobs = await claim(engine, order(100))
      values.push(...jobs.map(({ input }) => Item.parse(input).value).sort((a, b) => a - b))
    }
    expect(values).toEqual(numbered(2_200).map(({ value }) => value))
  })

  it('takes the job of an owner that the owner puts first', async () => {
    await engine.submit(items(5), { owner: 'hog' })
    await engine.submit(numbered(5), { owner: 'bob' })
    await engine.db.run(
      sql`UPDATE jobs SET priority_key = virtual_time - CASE sequence WHEN 4 THEN 100 ELSE 0 END WHERE owner = 'bob'`,
    )
    expect((await claim(engine, order(9, ['hog']))).map(({ sequence }) => sequence)).toEqual([4])
    expect((await claim(engine, order(9, ['hog']))).map(({ sequence }) => sequence)).toEqual([1])
  })

  it('moves nothing where nobody else has a job', async () => {
    await submitReady('hog', items(2_500))
    expect(await claim(engine, order(9, ['hog']))).toEqual([])
    expect(await engine.db.get(sql`SELECT max(virtual_time) AS last, count(priority_key) AS keys FROM jobs`)).toEqual({
      last: 2_500,
      keys: 0,
    })
  })
})

describe('the reserve', () => {
  it('has as many places for two who come together as for one', () => {
    const reserve = new Reserve(8, 8)
    for (let i = 0; i < 8; i++) reserve.begin('hog', false)
    for (let i = 0; i < 3; i++) {
      for (const owner of ['bob', 'carol']) {
        expect(reserve.mayRun(owner)).toBe(true)
        reserve.begin(owner, true)
      }
    }
    expect([reserve.mayRun('bob'), reserve.mayRun('carol'), reserve.mayRun('dave')]).toEqual([false, false, true])
  })

  it('gives each newcomer half of what is left, and the last place to one who has none', () => {
    const reserve = new Reserve(8, 4)
    const take = (owner: string) => {
      const may = reserve.mayRun(owner)
      if (may) reserve.begin(owner, true)
      return may
    }
    for (let i = 0; i < 8; i++) reserve.begin('hog', false)
    expect(take('hog')).toBe(false)
    expect([take('bob'), take('bob'), take('bob')]).toEqual([true, true, false])
    expect([take('carol'), take('carol')]).toEqual([true, false])
    expect([take('dave'), take('erin')]).toEqual([true, false])
    reserve.end('bob', true)
    expect([take('bob'), take('erin')]).toEqual([false, true])
  })
})
