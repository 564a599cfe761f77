/** Requests of several workers share a commit, and each gets what is its own. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ClaimedJob, claim } from '../../../src/engine/transitions/claim.ts'
import type { Outcome } from '../../../src/engine/transitions/complete-jobs.ts'
import { echo } from '../../../src/features/echo/operation.ts'
import { SharedCommit } from '../../../src/features/workers/shared-commit.ts'
import { tokenOf } from '../../../src/features/workers/worker-jobs.ts'
import { readBatch } from '../../../src/live/state.ts'
import type { Operation } from '../../../src/operation.ts'
import { openEngine } from '../../support/fixture.ts'

const outside: Operation = { ...echo, name: 'outside', queue: 'outside' }
const queue = { name: 'outside', owner: null }

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine({ operations: [outside] })
})
afterEach(() => engine.close())

let claims = 0
const order = (limit: number) => ({ lease: `claim-${++claims}`, limit, leaseMs: 60_000, queue })
const completed = (job: ClaimedJob, result: unknown = null): Outcome => ({
  ...tokenOf(job),
  kind: 'completed',
  run: { result, summary: {}, tallies: {} },
})
const submit = async (count: number) =>
  (
    await engine.submit(
      Array.from({ length: count }, () => ({})),
      { operation: outside },
    )
  ).batchId

describe('requests that come together', () => {
  it('are written by one commit, and each is given jobs of its own', async () => {
    const batchId = await submit(40)
    const leased = await Promise.all([1, 2, 3, 4].map(() => claim(engine, order(5))))
    let commits = 0
    engine.notifier.subscribe(batchId, () => {
      commits++
    })
    const shared = new SharedCommit(engine)
    const orders = leased.map(() => order(5))
    const answers = await Promise.all(
      leased.map((jobs, index) =>
        shared.run({ outcomes: jobs.map((job) => completed(job)), order: orders[index] ?? null }),
      ),
    )
    expect(commits).toBe(1)
    for (const [index, { written, claimed }] of answers.entries()) {
      for (const { jobId } of leased[index] ?? []) expect(written.has(jobId)).toBe(true)
      expect(claimed.map(({ lease }) => lease)).toEqual(Array.from({ length: 5 }, () => orders[index]?.lease))
    }
    expect(new Set(answers.flatMap(({ claimed }) => claimed.map(({ jobId }) => jobId))).size).toBe(20)
    expect(await readBatch(engine.db, batchId, 'me')).toMatchObject({ completed: 20, lastSeq: 21 })
  })

  it('count a job once that two of them name', async () => {
    const batchId = await submit(2)
    const [one, other] = await claim(engine, order(2))
    if (one === undefined || other === undefined) throw new Error('Two jobs were to be claimed.')
    const shared = new SharedCommit(engine)
    const [first, second] = await Promise.all([
      shared.run({ outcomes: [completed(one)], order: null }),
      shared.run({ outcomes: [completed(one), completed(other)], order: null }),
    ])
    expect([...first.written]).toEqual([one.jobId])
    expect([...second.written]).toEqual([other.jobId])
    expect(await readBatch(engine.db, batchId, 'me')).toMatchObject({ status: 'completed', completed: 2, lastSeq: 4 })
  })

  it('are written but for the one whose data the database refuses', async () => {
    const batchId = await submit(2)
    const [good, bad] = await claim(engine, order(2))
    if (good === undefined || bad === undefined) throw new Error('Two jobs were to be claimed.')
    await engine.db.run(sql`
      CREATE TRIGGER refuse_one BEFORE UPDATE ON jobs WHEN new.result = '"refused"' BEGIN SELECT raise(ABORT, 'not this one'); END`)
    try {
      const shared = new SharedCommit(engine)
      const [written, refused] = await Promise.allSettled([
        shared.run({ outcomes: [completed(good)], order: null }),
        shared.run({ outcomes: [completed(bad, 'refused')], order: null }),
      ])
      expect(written).toMatchObject({ status: 'fulfilled' })
      expect(refused).toMatchObject({ status: 'rejected' })
      expect(await readBatch(engine.db, batchId, 'me')).toMatchObject({ completed: 1, lastSeq: 2 })
    } finally {
      await engine.db.run(sql`DROP TRIGGER refuse_one`)
    }
  })
})
