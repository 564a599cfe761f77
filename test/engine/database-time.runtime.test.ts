/** The time that retention counts by: a clock that jumps makes nothing old. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { observeTime } from '../../src/engine/database-time.ts'
import { sweepOrphans, sweepRetention } from '../../src/engine/transitions/retention.ts'
import { readBatch } from '../../src/live/state.ts'
import { openEngine, until } from '../support/fixture.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const KEEP_MS = 30 * DAY_MS

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine()
})
afterEach(() => engine.close())

/** A batch that has ended; nothing sweeps meanwhile. */
async function ended(): Promise<string> {
  const { batchId } = await engine.submit([{}])
  const worker = await engine.work({ retentionMs: 1e9 })
  await until(async () => ((await readBatch(engine.db, batchId, 'me'))?.finished === true ? true : null))
  await worker.stop(0)
  return batchId
}
const isThere = async (id: string) => (await readBatch(engine.db, id, 'me')) !== null
const sweep = (keepMs = KEEP_MS) => sweepRetention(engine, keepMs)
/** Time as it passes while a server sweeps. */
async function pass(days: number): Promise<void> {
  for (let hours = 0; hours < days * 24; hours += 12) {
    engine.clock.advance(12 * HOUR_MS)
    await sweep()
  }
}

describe('what ended', () => {
  it('is swept when it is as old as it is kept, and no sooner', async () => {
    const id = await ended()
    await pass(29.5)
    expect(await isThere(id)).toBe(true)
    await pass(1)
    expect(await isThere(id)).toBe(false)
  })

  it.each([60, 3_650])(
    'outlives a clock that jumps forward by %i days, and is kept for as long as it would have been',
    async (days) => {
      const id = await ended()
      await pass(10)
      engine.clock.advance(days * DAY_MS)
      await sweep()
      expect(engine.log.lines.filter((line) => line.startsWith('the clock is far beyond'))).toHaveLength(1)
      const later = await ended()
      // A day at most has counted for the jump.
      await pass(18)
      expect([await isThere(id), await isThere(later)]).toEqual([true, true])
      await pass(2.5)
      expect([await isThere(id), await isThere(later)]).toEqual([false, true])
      await pass(9)
      expect(await isThere(later)).toBe(true)
      await pass(2)
      expect(await isThere(later)).toBe(false)
      expect(engine.log.lines.filter((line) => line.startsWith('the clock is far beyond'))).toHaveLength(1)
    },
  )

  it('outlives a jump that is the first thing a release with this clock sees', async () => {
    const id = await ended()
    engine.clock.advance(60 * DAY_MS)
    expect(await sweep()).toBe(0)
    expect(await isThere(id)).toBe(true)
  })

  it('outlives a first look after the jump, though a batch was made since', async () => {
    const id = await ended()
    engine.clock.advance(60 * DAY_MS)
    await engine.submit([{}])
    expect(await sweep()).toBe(0)
    expect(await isThere(id)).toBe(true)
    expect(engine.log.lines.filter((line) => line.startsWith('the clock is far beyond'))).toHaveLength(1)
  })

  it('outlives a clock that jumps again and again, and one that is set right in between', async () => {
    const id = await ended()
    await sweep()
    for (const days of [60, -60, 60, 60, -120, 365]) {
      engine.clock.advance(days * DAY_MS)
      await sweep()
      await pass(1)
    }
    expect(await isThere(id)).toBe(true)
    await pass(30)
    expect(await isThere(id)).toBe(false)
  })

  it('is kept no longer for a clock that jumped and was set right', async () => {
    const id = await ended()
    await sweep()
    engine.clock.advance(60 * DAY_MS)
    await sweep()
    engine.clock.advance(-60 * DAY_MS)
    await sweep()
    await pass(29)
    expect(await isThere(id)).toBe(true)
    await pass(1.5)
    expect(await isThere(id)).toBe(false)
  })

  it('outlives a jump where it is kept for a day only', async () => {
    const id = await ended()
    await sweep(DAY_MS)
    engine.clock.advance(60 * DAY_MS)
    expect(await sweep(DAY_MS)).toBe(0)
    expect(await isThere(id)).toBe(true)
  })
})

it('an upload that is under way outlives a jump: no batch names it yet', async () => {
  await observeTime(engine, KEEP_MS)
  await engine.blobs.put('uploads/coming', new TextEncoder().encode('bytes'))
  engine.clock.advance(60 * DAY_MS)
  expect(await sweepOrphans(engine)).toBe(0)
  for (let hours = 0; hours < 26; hours += 2) {
    engine.clock.advance(2 * HOUR_MS)
    await sweepOrphans(engine)
  }
  expect(await engine.blobs.get('uploads/coming')).toBeNull()
})

it('two that look at once note a jump once', async () => {
  await observeTime(engine, KEEP_MS)
  engine.clock.advance(60 * DAY_MS)
  await Promise.all([observeTime(engine, KEEP_MS), observeTime(engine, KEEP_MS)])
  const row = await engine.db.get<{ value: string }>(sql`SELECT value FROM server_state WHERE name = 'retention-clock'`)
  expect(JSON.parse(row?.value ?? '')).toMatchObject({ jumps: [{ by: expect.any(Number) }] })
})

it('looking often writes seldom', async () => {
  await observeTime(engine, KEEP_MS)
  const text = () => engine.db.get(sql`SELECT value FROM server_state`)
  const before = await text()
  for (let look = 0; look < 5; look++) await observeTime(engine, KEEP_MS)
  expect(await text()).toEqual(before)
  engine.clock.advance(60_000)
  await observeTime(engine, KEEP_MS)
  expect(await text()).not.toEqual(before)
})
