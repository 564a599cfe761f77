/** What a worker keeps and loses while it runs: its leases, and the word that its batch was stopped. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stopBatch } from '../../src/engine/transitions/batch-commands.ts'
import { claim } from '../../src/engine/transitions/claim.ts'
import { heartbeat } from '../../src/engine/transitions/heartbeat.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch } from '../../src/live/state.ts'
import type { Operation } from '../../src/operation.ts'
import { openEngine, until } from '../support/fixture.ts'

/** Longer than a test takes: what is tested must come by the other way. */
const NEVER_MS = 600_000

let reasons: unknown[] = []
/** Runs until it is told to stop. */
const watchful: Operation = {
  ...echo,
  name: 'watchful',
  run: (_job, ctx) =>
    new Promise((_, reject) => {
      ctx.progress(50, 'half of it')
      ctx.signal.addEventListener('abort', () => {
        reasons.push(ctx.signal.reason.reason)
        reject(ctx.signal.reason)
      })
    }),
}

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  reasons = []
  engine = await openEngine({ operations: [watchful] })
})
afterEach(() => engine.close())

const running = () =>
  until(async () => {
    const row = await engine.db.get<{ n: number }>(sql`SELECT count(*) AS n FROM jobs WHERE status = 'running'`)
    return row?.n === 1 ? true : null
  })
const told = () => until(async () => (reasons.length > 0 ? reasons : null))

describe('a heartbeat', () => {
  it('renews the leases that are held and no other', async () => {
    await engine.submit([{}, {}])
    const [a, b] = await claim(engine, { lease: 'mine', limit: 2, leaseMs: 1_000 })
    if (a === undefined || b === undefined) throw new Error('two were submitted')
    await engine.db.run(sql`UPDATE jobs SET lease = 'thief', lease_until = 7 WHERE id = ${b.jobId}`)
    const beats = [a, b].map((job) => ({ ...job, percent: 40, message: 'on its way', stage: null, moved: true }))
    const before = engine.clock.now()
    const verdict = await heartbeat(engine, beats, 60_000)
    expect([...verdict.held]).toEqual([a.jobId])
    const rows = await engine.db.all<{ id: string; until: number; percent: number }>(
      sql`SELECT id, lease_until AS until, progress_percent AS percent FROM jobs ORDER BY sequence`,
    )
    expect(rows[0]).toMatchObject({ id: a.jobId, percent: 40 })
    expect(rows[0]?.until).toBeGreaterThanOrEqual(before + 60_000)
    expect(rows[1]).toEqual({ id: b.jobId, percent: 0, until: 7 })
  })

  it('keeps a job for as long as it runs, however short its lease', async () => {
    const { batchId } = await engine.submit([{ waitMs: 5_000 }])
    await engine.work({ leaseMs: 2_000 })
    // Another worker would take over what runs out.
    await engine.work({ leaseMs: 2_000 })
    const done = await until(async () => {
      const batch = await readBatch(engine.db, batchId, 'me')
      return batch?.finished === true ? batch : null
    }, 20_000)
    expect(done).toMatchObject({ status: 'completed', lastSeq: 3 })
    expect(await engine.db.get(sql`SELECT attempt, losses FROM jobs`)).toEqual({ attempt: 1, losses: 0 })
  })

  it('tells a job that its lease was stolen', async () => {
    await engine.work({ sweepMs: NEVER_MS })
    await engine.submit([{}], { operation: watchful })
    await running()
    await engine.db.run(sql`UPDATE jobs SET lease = 'thief'`)
    expect(await told()).toEqual(['lost'])
  })

  it('tells a job that its batch was cancelled, wherever that was asked', async () => {
    await engine.work({ sweepMs: NEVER_MS, leaseMs: 600 })
    const { batchId } = await engine.submit([{}], { operation: watchful })
    await running()
    await stopBatch(engine, batchId, 'CANCELLED')
    expect(await told()).toEqual(['CANCELLED'])
  })
})

describe('a sweep', () => {
  it('tells a job that its batch was cancelled, though its lease needs no renewal', async () => {
    await engine.work({ beatMs: NEVER_MS, leaseMs: NEVER_MS })
    const { batchId } = await engine.submit([{}], { operation: watchful })
    await running()
    await stopBatch(engine, batchId, 'CANCELLED')
    expect(await told()).toEqual(['CANCELLED'])
  })
})

describe('a claim', () => {
  it('that brings a job of a stopped batch ends it, and does not run it', async () => {
    const { batchId } = await engine.submit([{}], { operation: watchful })
    // As a stop leaves it that was cut off before it came to the jobs.
    await engine.db.run(sql`UPDATE batches SET stop_code = 'CANCELLED'`)
    await engine.work({ sweepMs: NEVER_MS })
    const done = await until(async () => {
      const batch = await readBatch(engine.db, batchId, 'me')
      return batch?.finished === true ? batch : null
    })
    expect(done).toMatchObject({ status: 'cancelled', cancelled: 1 })
    expect(engine.meter.rows).toEqual([])
  })

  it('that brings a job of an operation nobody knows here fails it', async () => {
    await engine.work()
    const { batchId } = await engine.submit([{}], { operation: { ...echo, name: 'of-yesterday' } })
    const done = await until(async () => {
      const batch = await readBatch(engine.db, batchId, 'me')
      return batch?.finished === true ? batch : null
    })
    expect(done).toMatchObject({ status: 'failed', failed: 1 })
    const [job] = await engine.db.all(sql`SELECT error_code, error_message FROM jobs`)
    expect(job).toEqual({
      error_code: 'UNKNOWN',
      error_message: 'This server does not know the operation "of-yesterday".',
    })
  })
})
