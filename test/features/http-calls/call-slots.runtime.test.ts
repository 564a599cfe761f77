/** Slots of calls over processes, which share nothing but the database, and calls in an engine whose Fetcher guards. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { submit } from '../../../src/engine/transitions/submit.ts'
import { CallSlots } from '../../../src/features/http-calls/call-slots.ts'
import { httpCalls } from '../../../src/features/http-calls/operation.ts'
import { readJobItems } from '../../../src/live/state.ts'
import { openEngine, until } from '../../support/fixture.ts'

const http = httpCalls({
  signingKey: () => Promise.resolve('a signing key of at least 32 characters'),
  publicUrl: null,
})
let engine: Awaited<ReturnType<typeof openEngine>>
beforeAll(async () => {
  engine = await openEngine({ operations: [http] })
})
afterAll(() => engine.close())

const at = (now: number) => ({ db: engine.db, clock: { now: () => now } })
const times = async (slots: CallSlots, owner: string, perSecond: number, count: number, now = 1_000_000) => {
  const taken: number[] = []
  for (let n = 0; n < count; n++) taken.push((await slots.take(at(now), { owner, host: 'a.example' }, perSecond)).at)
  return taken
}

it('processes together give out no slot twice, and no two closer than the rate', async () => {
  const [a, b] = [new CallSlots(), new CallSlots()]
  const both = await Promise.all([times(a, 'ann', 50, 30), times(b, 'ann', 50, 30)])
  const all = both.flat().sort((x, y) => x - y)
  const gaps = all.slice(1).map((one, n) => one - (all[n] ?? 0))
  expect(all).toHaveLength(60)
  expect(Math.min(...gaps)).toBeGreaterThanOrEqual(19.9)
  // Leased in blocks of a tenth of a second: a look at the database for five slots.
  expect((all.at(-1) ?? 0) - 1_000_000).toBeLessThanOrEqual(60 * 20 + 200)
})

it('batches of different rates share the time of a host; other owners have their own', async () => {
  const slots = new CallSlots()
  expect(await times(slots, 'ben', 1, 2)).toEqual([1_000_000, 1_001_000])
  expect(await times(slots, 'ben', 2, 2)).toEqual([1_002_000, 1_002_500])
  expect(await times(slots, 'cat', 1, 1)).toEqual([1_000_000])
})

it('slots that nobody used in time are gone, and none is leased far ahead', async () => {
  const slots = new CallSlots()
  await times(slots, 'dan', 100, 1)
  const [late] = await times(slots, 'dan', 100, 1, 1_060_000)
  expect(late).toBe(1_060_000)
  const far = await Promise.all(Array.from({ length: 6 }, () => slots.take(at(0), { owner: 'eve', host: 'b' }, 0.025)))
  expect(far.filter(({ taken }) => taken)).toHaveLength(3)
})

it('a host that asks to be left alone has every process wait that keeps a rate', async () => {
  const [a, b] = [new CallSlots(), new CallSlots()]
  const key = { owner: 'fay', host: 'a.example' }
  await a.pause(engine.db, key, 1_030_000, true)
  expect([a.pausedUntil(key, 1_000_000), a.pausedUntil(key, 1_030_001)]).toEqual([1_030_000, 0])
  expect(await times(b, 'fay', 10, 1)).toEqual([1_030_000])
})

it('rows of hosts that are called no more go with batches', async () => {
  await engine.db.run(sql`INSERT INTO http_slots VALUES ('old', 'c', 1), ('new', 'c', 200000000)`)
  const [first, ...rest] = http.deleteOwnedRows?.(engine.db, '[]') ?? []
  if (first === undefined) throw new Error('no statement')
  await engine.db.batch([first, ...rest])
  const rows = await engine.db.all(sql`SELECT owner FROM http_slots WHERE host = 'c'`)
  expect(rows).toEqual([{ owner: 'new' }])
})

it('calls no private address, whatever the template makes of an item', async () => {
  await engine.work()
  const items = ['http://127.0.0.1/', 'http://169.254.169.254/latest', 'http://[::1]/', 'http://db.internal/']
  const request = http.fromItems?.({ url: '{{item}}' }, items)
  const { batchId } = await submit(engine, { owner: 'me', operation: http, request })
  const jobs = await until(async () => {
    const list = await readJobItems(engine.db, http, batchId, { after: 0, limit: 100 })
    return list.every(({ finishedAt }) => finishedAt !== null) ? list : null
  })
  expect(jobs.map(({ errorCode, attempt }) => [errorCode, attempt])).toEqual(items.map(() => ['URL_NOT_ALLOWED', 1]))
})
