import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { retryBatch } from '../../src/engine/transitions/batch-commands.ts'
import { advanceTransition } from '../../src/engine/transitions/bulk-transitions.ts'
import { readyDue } from '../../src/engine/transitions/claim.ts'
import type { BatchOptions } from '../../src/engine/transitions/submission.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch } from '../../src/live/state.ts'
import { openEngine, until } from '../support/fixture.ts'

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine()
})
afterEach(() => engine.close())

const MINUTE = 60_000
const create = async (options: BatchOptions, { owner = 'me', items = [{}] as unknown[] } = {}) =>
  (await submit(engine, { owner, operation: echo, request: { items }, options })).batchId
const look = async (id: string, owner = 'me') => {
  const batch = await readBatch(engine.db, id, owner)
  if (batch === null) throw new Error('the batch is gone')
  return batch
}
const waitOf = async (id: string) => ((await look(id)).runAt ?? 0) - engine.clock.now()
/** Statuses of a batch's jobs. */
const jobsOf = async (id: string) =>
  (await engine.db.all<{ status: string }>(sql`SELECT DISTINCT status FROM jobs WHERE batch_id = ${id}`)).map(
    ({ status }) => status,
  )

describe('a debounced create', () => {
  const debounce = { key: 'k', periodMs: MINUTE }

  it('takes the place of the one before, which ends and says by which', async () => {
    const first = await create({ debounce })
    expect(await jobsOf(first)).toEqual(['scheduled'])
    engine.clock.advance(MINUTE / 2)
    const second = await create({ debounce })
    await advanceTransition(engine, first)
    expect(await look(first)).toMatchObject({ status: 'cancelled', cancelled: 1, supersededBy: second })
    expect((await engine.eventsOf(first)).at(-1)?.body).toMatchObject({ status: 'cancelled', supersededBy: second })
    expect((await engine.eventsOf(first)).at(-2)?.body).toMatchObject({ errorCode: 'SUPERSEDED' })
    expect(await waitOf(second)).toBeGreaterThan(MINUTE * 0.9)
    await readyDue(engine)
    expect(await jobsOf(second)).toEqual(['scheduled'])
    engine.clock.advance(MINUTE)
    await readyDue(engine)
    expect(await jobsOf(second)).toEqual(['ready'])
  })

  it('leaves alone what has its time, what is of another key, operation or owner', async () => {
    const first = await create({ debounce })
    const others = [
      await create({ debounce: { ...debounce, key: 'other' } }),
      await create({ debounce }, { owner: 'you' }),
      (
        await submit(engine, {
          owner: 'me',
          operation: { ...echo, name: 'echo2' },
          request: { items: [{}] },
          options: { debounce },
        })
      ).batchId,
    ]
    engine.clock.advance(MINUTE)
    await create({ debounce })
    const owners = ['me', 'me', 'you', 'me']
    for (const [index, id] of [first, ...others].entries()) {
      expect(await look(id, owners[index])).toMatchObject({ supersededBy: null })
    }
  })

  it('is put off no longer than the timeout, counted from the first of the series', async () => {
    const bounded = { ...debounce, timeoutMs: 2 * MINUTE }
    await create({ debounce: bounded })
    for (const _ of [1, 2]) {
      engine.clock.advance(0.9 * MINUTE)
      await create({ debounce: bounded })
    }
    const last = await create({ debounce: bounded })
    expect(await waitOf(last)).toBeLessThanOrEqual(0.2 * MINUTE)
    engine.clock.advance(0.2 * MINUTE)
    const next = await create({ debounce: bounded })
    expect(await look(last)).toMatchObject({ supersededBy: null })
    expect(await waitOf(next)).toBeGreaterThan(0.9 * MINUTE)
  })

  it('leaves one of many that come at once', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => create({ debounce })))
    const states = await Promise.all(ids.map((id) => look(id)))
    expect(states.filter(({ supersededBy }) => supersededBy === null)).toHaveLength(1)
  })

  it('holds for creates that are too large for one commit', async () => {
    const items = Array.from({ length: 4_500 }, () => ({}))
    const first = await create({ debounce }, { items })
    const second = await create({ debounce }, { items })
    await advanceTransition(engine, first)
    await advanceTransition(engine, second)
    expect(await look(first)).toMatchObject({ status: 'cancelled', cancelled: 4_500 })
    expect(await jobsOf(second)).toEqual(['scheduled'])
  })

  it('may be run again where it was superseded', async () => {
    const first = await create({ debounce })
    await create({ debounce })
    await advanceTransition(engine, first)
    await engine.work()
    await retryBatch(engine, first)
    engine.clock.advance(MINUTE)
    const batch = await until(async () => {
      const state = await look(first)
      return state.finished ? state : null
    })
    expect(batch).toMatchObject({ status: 'completed', supersededBy: null })
  })
})

describe('a throttled create', () => {
  const throttle = { key: 'k', limit: 2, periodMs: MINUTE }

  it('begins once fewer than the limit began within the period, in the order of the creates', async () => {
    const start = engine.clock.now()
    const ids: string[] = []
    for (const _ of [1, 2, 3, 4, 5]) ids.push(await create({ throttle }))
    const periods = await Promise.all(
      ids.map(async (id) => Math.floor((((await look(id)).runAt ?? 0) - start) / MINUTE)),
    )
    expect(periods).toEqual([0, 0, 1, 1, 2])
    expect(await jobsOf(ids[0] ?? '')).toEqual(['ready'])
    expect(await jobsOf(ids[2] ?? '')).toEqual(['scheduled'])
    engine.clock.advance(MINUTE)
    await readyDue(engine)
    expect(await jobsOf(ids[3] ?? '')).toEqual(['ready'])
    expect(await jobsOf(ids[4] ?? '')).toEqual(['scheduled'])
  })

  it('holds for creates that come at once, and waits for no other key or owner', async () => {
    const ids = await Promise.all(Array.from({ length: 9 }, () => create({ throttle })))
    const starts = (await Promise.all(ids.map((id) => look(id))))
      .map(({ runAt }) => runAt ?? 0)
      .toSorted((a, b) => a - b)
    for (const [index, at] of starts.entries()) {
      expect(at - (starts[index - 2] ?? 0)).toBeGreaterThanOrEqual(MINUTE)
    }
    expect(await waitOf(await create({ throttle: { ...throttle, key: 'other' } }))).toBeLessThanOrEqual(0)
    const yours = await create({ throttle }, { owner: 'you' })
    expect((await look(yours, 'you')).runAt).toBeLessThanOrEqual(engine.clock.now())
  })

  it('is late by no more than it must be after a pause', async () => {
    for (const _ of [1, 2]) await create({ throttle })
    engine.clock.advance(10 * MINUTE)
    expect(await waitOf(await create({ throttle }))).toBeLessThanOrEqual(0)
  })
})
