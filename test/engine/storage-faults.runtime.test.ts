/** Storage faults: finished work waits for them, however long they last, and nothing but refused data fails. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sweepLeases } from '../../src/engine/transitions/sweep.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch } from '../../src/live/state.ts'
import type { Operation } from '../../src/operation.ts'
import { type Fault, faulty } from '../support/faulty-database.ts'
import { openEngine, until } from '../support/fixture.ts'

const coded = (message: string, code: string) => Object.assign(new Error(message), { code })

const FAULTS: readonly (readonly [name: string, make: () => Error])[] = [
  ['a full disk', () => new Error('Failed query', { cause: coded('full', 'SQLITE_FULL') })],
  ['an error nobody knows', () => new Error('the moon is in the wrong place')],
]

let engine: Awaited<ReturnType<typeof openEngine>>
let fault: Fault
/** Runs until its gate opens; counts its runs. */
let open: () => void
let gate: Promise<void>
let runs = 0
const gated: Operation = {
  ...echo,
  name: 'gated',
  maxAttempts: 1,
  run: async (job) => {
    runs++
    await gate
    const writes = () => [engine.db.run(sql`INSERT INTO is_missing VALUES (${job.jobId})`)]
    const misses = JSON.stringify(job.input) === '{"value":"b"}'
    return { result: job.input, summary: {}, tallies: {}, ...(misses ? { writes } : {}) }
  },
}

beforeEach(async () => {
  runs = 0
  const { promise, resolve } = Promise.withResolvers<void>()
  gate = promise
  open = resolve
  engine = await openEngine({
    operations: [gated],
    wrapDatabase: (db) => {
      const made = faulty(db)
      fault = made.fault
      return made.db
    },
  })
})
afterEach(() => engine.close())

const finished = (id: string) =>
  until(async () => {
    const batch = await readBatch(engine.db, id, 'me')
    return batch?.finished === true ? batch : null
  }, 40_000)

describe('finished work', () => {
  it.each(FAULTS)('waits for %s, tried more often than a refusal is, and is written once', async (_, make) => {
    const { batchId } = await engine.submit(
      Array.from({ length: 5 }, (_, value) => ({ value })),
      { operation: gated },
    )
    await engine.work({ leaseMs: 1_000 })
    await until(async () => (runs === 5 ? true : null))
    fault.make = make
    open()
    await until(async () => (fault.commits > 6 ? true : null))
    expect(engine.meter.unwritten).toBe(5)
    fault.make = null
    expect(await finished(batchId)).toMatchObject({ status: 'completed', completed: 5, failed: 0, lastSeq: 7 })
    expect(runs).toBe(5)
    await until(async () => (engine.meter.unwritten === 0 ? true : null))
  })

  it('is told of in the log and counted by kind', async () => {
    const { batchId } = await engine.submit([{}], { operation: gated })
    await engine.work()
    await until(async () => (runs === 1 ? true : null))
    fault.make = () => coded('database or disk is full', 'SQLITE_FULL')
    open()
    await until(async () => ((engine.meter.storageFaults.get('full') ?? 0) > 2 ? true : null))
    expect(engine.log.lines.filter((line) => line.startsWith('finished jobs wait for the storage'))).toHaveLength(1)
    fault.make = null
    await finished(batchId)
    await until(async () => (engine.log.lines.some((line) => line.startsWith('the storage works again')) ? true : null))
  })

  it('beside an outcome that can not be written for a reason of its own is written at once', async () => {
    const { batchId } = await engine.submit([{ value: 'a' }, { value: 'b' }], { operation: gated })
    await engine.work()
    open()
    await until(async () => ((await readBatch(engine.db, batchId, 'me'))?.completed === 1 ? true : null))
    await until(async () => (engine.log.lines.filter((line) => line.includes('is_missing')).length > 7 ? true : null))
    // As a newer release would, whose schema an older worker does not know yet.
    await engine.db.run(sql`CREATE TABLE is_missing (id TEXT)`)
    expect(await finished(batchId)).toMatchObject({ status: 'completed', completed: 2 })
    expect(runs).toBe(2)
  })
})

describe('a run that meets a storage fault', () => {
  it('goes on later without having used up an attempt', async () => {
    let faults = 0
    const meets: Operation = {
      ...echo,
      name: 'meets',
      maxAttempts: 1,
      run: async (job) => {
        if (faults++ < 2) throw new Error('a write failed', { cause: coded('no space left on device', 'ENOSPC') })
        return { result: job.attempt, summary: {}, tallies: {} }
      },
    }
    const other = await openEngine({ operations: [meets] })
    try {
      const { batchId } = await other.submit([{}], { operation: meets })
      await other.work()
      const batch = await until(async () => {
        other.clock.advance(500)
        const read = await readBatch(other.db, batchId, 'me')
        return read?.finished === true ? read : null
      })
      expect(batch).toMatchObject({ status: 'completed', completed: 1 })
      expect(await other.db.get(sql`SELECT attempt, losses, result FROM jobs`)).toEqual({
        attempt: 1,
        losses: 0,
        result: '1',
      })
    } finally {
      await other.close()
    }
  })
})

describe('leases that ran out in an outage', () => {
  it('are renewed by their worker before anything is taken back', async () => {
    const { batchId } = await engine.submit([{ value: 1 }], { operation: gated })
    await engine.work({ leaseMs: 1_000 })
    await until(async () => (runs === 1 ? true : null))
    // The clock jumps: by it every lease ran out long ago.
    engine.clock.advance(3_600_000)
    await until(async () => {
      const row = await engine.db.get<{ until: number }>(sql`SELECT lease_until AS until FROM jobs`)
      return (row?.until ?? 0) > engine.clock.now() ? true : null
    })
    open()
    await finished(batchId)
    expect([runs, await engine.db.get(sql`SELECT losses FROM jobs`)]).toEqual([1, { losses: 0 }])
    expect(await sweepLeases(engine)).toBe(0)
  })
})
