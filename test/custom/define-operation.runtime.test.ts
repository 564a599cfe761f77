import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineOperation } from '../../src/custom/define-operation.ts'
import { NonRetryableError, RetryAfterError } from '../../src/custom/errors.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { readBatch, readJobItems } from '../../src/live/state.ts'
import { readCompleted } from '../../src/rows/completed-jobs.ts'
import { openEngine, until } from '../support/fixture.ts'

const seen: unknown[][] = []

const square = defineOperation({
  name: 'square',
  item: z.object({ n: z.number(), by: z.number().default(2) }),
  result: z.object({ value: z.number() }),
  input: z.object({ plus: z.number().default(0) }),
  run({ n, by }, ctx) {
    ctx.emit(n)
    ctx.emit(1, 'calls')
    return { value: n ** by + ctx.input.plus }
  },
})

const Kind = z.enum(['once', 'never', 'later', 'wrong', 'large', 'bigint', 'nothing'])
const moody = defineOperation({
  name: 'moody',
  item: z.object({ kind: Kind, afterMs: z.number().optional() }),
  maxAttempts: 3,
  backoff: () => 1,
  async run({ kind, afterMs = 0 }, { attempt }) {
    seen.push([kind, attempt])
    if (kind === 'never') throw new NonRetryableError('This is no image.')
    if (kind === 'once' && attempt === 1) throw new Error('The first time it fails.')
    if (kind === 'later' && attempt === 1) throw new RetryAfterError('Busy.', afterMs)
    if (kind === 'large') return 'x'.repeat(1_000_001)
    if (kind === 'bigint') return 1n
    if (kind === 'nothing') return undefined
    return kind
  },
})

const strict = defineOperation({
  name: 'strict',
  item: z.object({}),
  result: z.object({ n: z.number().max(1) }),
  run: () => ({ n: 2 }),
})

const long = defineOperation({
  name: 'long',
  item: z.object({ id: z.number() }),
  async run({ id }, ctx) {
    seen.push([id, ctx.attempt, ctx.state])
    const page = typeof ctx.state === 'number' ? ctx.state : 0
    ctx.emit(1)
    if (page < 2) return ctx.continueLater(page + 1)
    return { id, page }
  },
})

const keeper = defineOperation({
  name: 'keeper',
  item: z.object({ text: z.string() }),
  async run({ text }, ctx) {
    const { key, size } = await ctx.blobs.put('note.txt', text)
    const back = await new Response(await ctx.blobs.get(key)).text()
    return { key, size, back }
  },
})

let engine: Awaited<ReturnType<typeof openEngine>>
beforeAll(async () => {
  engine = await openEngine({ operations: [square, moody, strict, long, keeper] })
  await engine.work()
})
afterAll(() => engine.close())

async function talliesOf(batchId: string): Promise<unknown> {
  const [row] = await engine.db.all<{ tallies: string }>(sql`SELECT tallies FROM batches WHERE id = ${batchId}`)
  return JSON.parse(row?.tallies ?? 'null')
}

async function resultsOf(operation: (typeof engine.operations)[string], items: readonly unknown[], input?: unknown) {
  const request = operation?.fromItems?.(input ?? {}, items)
  if (operation === undefined) throw new Error('no operation')
  const { batchId } = await submit(engine, { owner: 'me', operation, request })
  const batch = await until(async () => {
    const state = await readBatch(engine.db, batchId, 'me')
    return state?.finished === true ? state : null
  })
  const { jobs } = await readCompleted(engine.db, batchId)
  const jobItems = await readJobItems(engine.db, operation, batchId, { after: 0, limit: 100 })
  return { batchId, batch, jobs, items: jobItems, events: await engine.eventsOf(batchId) }
}

describe('an operation of one’s own', () => {
  it('gets its items with defaults and transforms, and gives results and sums', async () => {
    const { batchId, jobs, events } = await resultsOf(square, [{ n: 3 }, { n: 2, by: 3 }], { plus: 1 })
    expect(jobs.map(({ result }) => result)).toEqual([{ value: 10 }, { value: 9 }])
    const last = events.at(-1)?.body
    expect(last).toMatchObject({ type: 'batch_completed' })
    expect(await talliesOf(batchId)).toEqual({ total: 5, calls: 2 })
    expect(square.batchTotals({ total: 5 })).toEqual({ tallies: { total: 5 } })
  })

  it('tells small results in job_completed', async () => {
    const { events } = await resultsOf(square, [{ n: 3 }])
    expect(events.map(({ body }) => body).find(({ type }) => type === 'job_completed')).toMatchObject({
      result: { value: 9 },
    })
  })

  it.each([
    [[{ n: 1 }, { n: 'two' }], {}, 'items.1.n'],
    [[{}], {}, 'items.0.n'],
    [[{ n: 1 }], { plus: 'x' }, 'input.plus'],
  ])('refuses %j with input %j, naming the field', (items, input, field) => {
    expect(() => square.plan(square.fromItems?.(input, items))).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST', details: { field } }),
    )
  })

  it('refuses an input that it does not declare', () => {
    expect(() => moody.plan(moody.fromItems?.({ fast: true }, [{ kind: 'once' }]))).toThrow(
      expect.objectContaining({ code: 'INVALID_REQUEST', details: { field: 'input' } }),
    )
  })

  it('is tried again after an error, and not after a NonRetryableError', async () => {
    seen.length = 0
    const { items } = await resultsOf(moody, [{ kind: 'once' }, { kind: 'never' }])
    expect(seen.filter(([kind]) => kind === 'once')).toHaveLength(2)
    expect(seen.filter(([kind]) => kind === 'never')).toHaveLength(1)
    expect(items[0]).toMatchObject({ status: 'completed' })
    expect(items[1]).toMatchObject({
      status: 'failed',
      errorCode: 'OPERATION_FAILED',
      errorMessage: 'This is no image.',
    })
  })

  it('waits as long as a RetryAfterError says', async () => {
    const began = Date.now()
    const { items } = await resultsOf(moody, [{ kind: 'later', afterMs: 150 }])
    expect(items[0]).toMatchObject({ status: 'completed', attempt: 2 })
    expect(Date.now() - began).toBeGreaterThanOrEqual(150)
  })

  it('waits longer than any backoff where it is asked to', async () => {
    const { batchId } = await submit(engine, {
      owner: 'me',
      operation: moody,
      request: moody.fromItems?.({}, [{ kind: 'later', afterMs: 3_600_000 }]),
    })
    const runAt = await until(async () => {
      const rows = await engine.db.all<{ run_at: number | null }>(
        sql`SELECT run_at FROM jobs WHERE batch_id = ${batchId} AND status = 'scheduled'`,
      )
      return rows[0]?.run_at
    })
    expect(runAt - Date.now()).toBeGreaterThan(3_500_000)
  })

  it('fails for good where its result is not what it declares, too large, or no JSON', async () => {
    const { items } = await resultsOf(strict, [{}])
    expect(items[0]).toMatchObject({ status: 'failed', attempt: 1 })
    expect(items[0]?.errorMessage).toContain('result.n')
    const { items: others } = await resultsOf(moody, [{ kind: 'large' }, { kind: 'bigint' }, { kind: 'nothing' }])
    expect(others.map(({ status, errorCode }) => [status, errorCode])).toEqual([
      ['failed', 'TOO_LARGE'],
      ['failed', 'OPERATION_FAILED'],
      ['completed', null],
    ])
  })

  it('goes on later from its state, in runs that are no attempts, and keeps an id of its own', async () => {
    seen.length = 0
    const { jobs, batchId } = await resultsOf(long, [{ id: 7 }])
    expect(seen).toEqual([
      [7, 1, null],
      [7, 1, 1],
      [7, 1, 2],
    ])
    expect(jobs[0]?.result).toEqual({ id: 7, page: 2 })
    // Only the run that completes the job is counted.
    expect(await talliesOf(batchId)).toEqual({ total: 1 })
  })

  it('stores blobs that belong to its batch', async () => {
    const { jobs, batchId } = await resultsOf(keeper, [{ text: 'héllo' }])
    expect(jobs[0]?.result).toMatchObject({ size: 6, back: 'héllo' })
    const rows = await engine.db.all<{ filename: string; size: number }>(
      sql`SELECT filename, size FROM uploads WHERE batch_id = ${batchId}`,
    )
    expect(rows).toEqual([{ filename: 'note.txt', size: 6 }])
  })
})

describe('a definition', () => {
  const right = { name: 'x', item: z.object({}), run: () => null }
  it.each([
    ['a name', { name: 'no spaces' }, 'name'],
    ['a concurrency', { concurrency: 0 }, 'concurrency'],
    ['attempts', { maxAttempts: 21 }, 'maxAttempts'],
    ['a time limit', { timeLimit: 0.5 }, 'timeLimit'],
  ])('is refused for %s that it cannot have', (_, wrong, field) => {
    expect(() => defineOperation({ ...right, ...wrong })).toThrow(new RegExp(`^defineOperation: ${field}:`))
  })

  it('knows a RetryAfterError without a time', () => {
    expect(() => new RetryAfterError('x', Number.NaN)).toThrow(RangeError)
    expect(() => new RetryAfterError('x', -1)).toThrow(RangeError)
  })
})
