/** Slots of calls over processes, which share nothing but the database, and calls in an engine whose Fetcher guards. */
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { submit } from '../../../src/engine/transitions/submit.ts'
import { CallSlots } from '../../../src/features/http-calls/call-slots.ts'
import { httpCalls } from '../../../src/features/http-calls/operation.ts'
import { readJobItems } from '../../../src/live/state.ts'
import type { Operation, RunContext } from '../../../src/operation.ts'
import type { Fetcher } from '../../../src/ports.ts'
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

it('a limit of a host holds for all owners and processes together, beside their own rates', async () => {
  const [one, other] = [0, 1].map(() =>
    httpCalls({
      signingKey: () => Promise.resolve('a signing key of at least 32 characters'),
      publicUrl: null,
      callsPerHost: 20,
    }),
  )
  if (one === undefined || other === undefined) throw new Error('no operation')
  const called: number[] = []
  const fetcher: Fetcher = {
    ...engine.fetcher,
    request: () => {
      called.push(performance.now())
      return Promise.resolve({ url: '', status: 200, headers: {}, body: new Uint8Array(), retryAfterSeconds: null })
    },
  }
  const call = async (operation: Operation, owner: string, ratePerSecond?: number) => {
    const input = { url: 'http://limited.example/', ...(ratePerSecond === undefined ? {} : { ratePerSecond }) }
    let checkpoint: unknown = null
    const ctx: RunContext = {
      ...{ db: engine.db, clock: engine.clock, log: engine.log, blobs: engine.blobs, compute: engine.compute, fetcher },
      signal: new AbortController().signal,
      progress: () => {},
      rename: () => {},
      checkpoint: async (state) => {
        checkpoint = state
      },
      budgetExhausted: () => false,
      yield: () => Promise.resolve(),
      speech: { transcriber: null, decoder: null, local: null },
      media: null,
      languageModel: null,
      vectors: null,
      openBatches: { append: () => Promise.resolve(), seal: () => Promise.resolve() },
    }
    const job = { jobId: 'j', batchId: 'b', owner, sequence: 1, attempt: 1, input: {}, batchInput: input }
    for (;;) {
      const run = await operation.run({ ...job, checkpoint }, ctx)
      if (run !== 'continue' && !('continueAt' in run)) return
      const wait = run === 'continue' ? 0 : run.continueAt - engine.clock.now()
      engine.clock.advance(Math.max(0, wait))
    }
  }
  const began = engine.clock.now()
  for (let n = 0; n < 30; n++) await call(n % 2 === 0 ? one : other, `owner ${n % 3}`, n % 5 === 0 ? 1_000 : undefined)
  expect(called).toHaveLength(30)
  // Each of 30 calls has a slot of a twentieth of a second, whoever makes it.
  expect(engine.clock.now() - began).toBeGreaterThanOrEqual(29 * 50 - 100)
  const [row] = await engine.db.all<{ next: number }>(
    sql`SELECT next_at AS next FROM http_slots WHERE host = 'limited.example' AND owner = ''`,
  )
  expect((row?.next ?? 0) - began).toBeGreaterThanOrEqual(30 * 50 - 1)
})
