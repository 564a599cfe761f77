/** What is left of a limit: on a real database, in blocks and one by one, over the turn of the hour. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WINDOW_MS } from '../../src/engine/quotas.ts'
import { sweepRateWindows } from '../../src/engine/transitions/retention.ts'
import { Quotas } from '../../src/http/middleware/quotas.ts'
import { rateLimits } from '../../src/rate-classes.ts'
import { openPlatform, type Platform } from '../support/platform.ts'

const NAME = 'batch.create'
/** An hour that begins when a test does. */
const START = 1_800_000 * 1_000_000 - ((1_800_000 * 1_000_000) % WINDOW_MS)

let platform: Platform
let time: number
const clock = { now: () => time }
beforeEach(async () => {
  platform = await openPlatform()
  time = START
})
afterEach(() => platform.close())

const quotas = (limit: number, blocks = true) =>
  new Quotas({ db: platform.db, clock }, { perHour: rateLimits([[NAME, limit]]), blocks })

/** How many of so many asked for at once were given. */
async function given(from: Quotas, asked: number, subject = 'ada'): Promise<number> {
  const standings = await Promise.all(Array.from({ length: asked }, () => from.consume(NAME, subject)))
  return standings.filter((standing) => standing?.allowed).length
}

const rows = () => platform.db.all<{ used: number }>(sql`SELECT used FROM rate_windows ORDER BY started_at, subject`)

describe.each([
  ['in blocks', true],
  ['one by one', false],
])('a limit, %s', (_, blocks) => {
  it.each([1, 7, 40, 100])('of %i lets so many through, asked for at once, and no more', async (limit) => {
    const one = quotas(limit, blocks)
    expect(await given(one, limit + 20)).toBe(limit)
    expect(await one.consume(NAME, 'ada')).toMatchObject({ allowed: false, remaining: 0, limit })
  })

  it('says what remains', async () => {
    const one = quotas(40, blocks)
    expect(await one.peek(NAME, 'ada')).toMatchObject({ allowed: true, remaining: 40, resetAt: START + WINDOW_MS })
    for (const remaining of [39, 38, 37])
      expect(await one.consume(NAME, 'ada')).toMatchObject({ allowed: true, remaining })
    expect(await one.peek(NAME, 'ada')).toMatchObject({ allowed: true, remaining: 37 })
  })

  it('takes back what was taken for nothing, within its hour', async () => {
    const one = quotas(2, blocks)
    const taken = await one.consume(NAME, 'ada')
    expect(await given(one, 2)).toBe(1)
    await one.refund(NAME, 'ada', taken)
    expect(await one.peek(NAME, 'ada')).toMatchObject({ allowed: true, remaining: 1 })
    expect(await given(one, 4)).toBe(1)
    time += WINDOW_MS - 1
    const last = await quotas(3, blocks).consume(NAME, 'ada')
    expect(last?.allowed).toBe(true)
    time += 1
    await one.refund(NAME, 'ada', last)
    expect(await given(one, 4)).toBe(2)
  })

  it('is of one owner, and of one hour', async () => {
    const one = quotas(3, blocks)
    expect(await given(one, 5, 'ada')).toBe(3)
    expect(await given(one, 5, 'bo')).toBe(3)
    time += WINDOW_MS - 1
    expect(await given(one, 5, 'ada')).toBe(0)
    time += 1
    expect(await given(one, 5, 'ada')).toBe(3)
  })

  it('costs nothing where there is none', async () => {
    const one = quotas(2, blocks)
    expect(await one.consume('batch.read', 'ada')).toBeNull()
    expect(await one.peek('batch.read', 'ada')).toBeNull()
    expect(await rows()).toEqual([])
  })

  it('is shared by all that look at one database', async () => {
    const [one, other] = [quotas(100, blocks), quotas(100, blocks)]
    const both = await Promise.all([given(one, 90), given(other, 90)])
    expect(both[0] + both[1]).toBe(100)
    expect(await rows()).toEqual([{ used: 100 }])
  })
})

it('is written to once a block', async () => {
  const one = quotas(1_000)
  await given(one, 50)
  expect(await rows()).toEqual([{ used: 50 }])
  await given(one, 1)
  expect(await rows()).toEqual([{ used: 100 }])
})

it('is not written to any more once it is used up', async () => {
  const one = quotas(1)
  await given(one, 1)
  await one.consume(NAME, 'ada')
  await platform.db.run(sql`DELETE FROM rate_windows`)
  expect(await given(one, 20)).toBe(0)
  expect(await rows()).toEqual([])
})

it('that was lowered lets nothing more through', async () => {
  expect(await given(quotas(10, false), 8)).toBe(8)
  expect(await given(quotas(5, false), 5)).toBe(0)
})

it('is forgotten when its hour is long over, and not before', async () => {
  await given(quotas(5, false), 2)
  time += WINDOW_MS
  await given(quotas(5, false), 3)
  await sweepRateWindows({ db: platform.db, clock })
  expect(await rows()).toEqual([{ used: 2 }, { used: 3 }])
  time += WINDOW_MS + 1
  await sweepRateWindows({ db: platform.db, clock })
  expect(await rows()).toEqual([{ used: 3 }])
})
