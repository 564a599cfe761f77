// biome-ignore-all lint/suspicious/noThenProperty: the name of the option; only what can be called is taken for a promise.
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deleteBatch, retryBatch, stopBatch } from '../../../src/engine/transitions/batch-commands.ts'
import { sweepRetention } from '../../../src/engine/transitions/retention.ts'
import { chain } from '../../../src/features/batches/chain/operation.ts'
import { refuseFed } from '../../../src/features/batches/items.ts'
import type { CreateBatch } from '../../../src/features/batches/schemas.ts'
import { submitBatch } from '../../../src/features/batches/submit-batch.ts'
import { echo } from '../../../src/features/echo/operation.ts'
import { readBatch } from '../../../src/live/state.ts'
import type { DeclaredOperations, Operation } from '../../../src/operation.ts'
import { openEngine, until } from '../../support/fixture.ts'

/** Fails until a test says otherwise. */
let broken = true
const fragile: Operation = {
  ...echo,
  name: 'fragile',
  maxAttempts: 1,
  run: async (job, ctx) => {
    if (broken && job.sequence % 2 === 0) throw new Error('broken')
    return echo.run(job, ctx)
  },
}
const small: Operation = { ...echo, name: 'small', maxJobs: 3 }
const none: DeclaredOperations = {
  find: () => Promise.resolve(null),
  names: () => Promise.resolve([]),
  noticeOf: () => Promise.resolve(null),
}
const others = { echo, fragile, small }

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  broken = true
  engine = await openEngine({ operations: [fragile, small, chain(others, () => none)] })
})
afterEach(() => engine.close())

const create = (body: CreateBatch) => submitBatch(engine, body, { owner: 'me', largest: 1_000 })
const look = async (id: string) => {
  const batch = await readBatch(engine.db, id, 'me')
  if (batch === null) throw new Error('the batch is gone')
  return batch
}
const ended = (id: string) =>
  until(async () => {
    const batch = await look(id)
    return batch.finished ? batch : null
  })
/** The batch that followed one that has ended. */
const nextOf = async (id: string, place = 0) => (await ended(id)).next?.batchIds[place] ?? ''
const inputsOf = async (id: string) =>
  (await engine.db.all<{ input: string }>(sql`SELECT input FROM jobs WHERE batch_id = ${id} ORDER BY sequence`)).map(
    ({ input }) => JSON.parse(input),
  )
const closing = async (id: string) => (await engine.eventsOf(id)).at(-1)?.body
const nested = (value: unknown) => ({ value: { value } })
const range = (count: number) => Array.from({ length: count }, (_, i) => i)

describe('a chain', () => {
  it('makes the next batch of the results, in their order, and tells its id in the closing event', async () => {
    await engine.work()
    const { batchId } = await create({
      operation: 'echo',
      items: [{ id: 'a', ...nested(1) }, nested(2), { id: 'c', ...nested(3) }],
      options: { then: { operation: 'echo', options: { labels: ['second'], metadata: { is: 'second' } } } },
    })
    const next = await nextOf(batchId)
    expect(await closing(batchId)).toMatchObject({ type: 'batch_completed', status: 'completed', nextBatchId: next })
    expect(await ended(next)).toMatchObject({
      ...{ operation: 'echo', status: 'completed', total: 3, completed: 3, metadata: '{"is":"second"}' },
      facts: { chainedFrom: batchId },
      chain: { from: batchId, expected: 3, rejected: 0, errors: [] },
    })
    expect(await inputsOf(next)).toEqual([{ value: 1 }, { value: 2 }, { value: 3 }])
    const ids = await engine.db.all(sql`SELECT item_id FROM jobs WHERE batch_id = ${next} ORDER BY sequence`)
    expect(ids).toEqual([{ item_id: 'a' }, { item_id: null }, { item_id: 'c' }])
    const events = await engine.eventsOf(next)
    expect(events.map(({ seq }) => seq)).toEqual(range(events.length).map((i) => i + 1))
    expect(events[0]?.body).toMatchObject({ type: 'batch_started', totalJobs: 0, open: true, chainedFrom: batchId })
    expect(events.find(({ type }) => type === 'chain_fed')?.body).toMatchObject({
      ...{ chainedFrom: batchId, totalJobs: 3, rejectedResults: 0, errors: [] },
    })
    const labels = await engine.db.all(sql`SELECT label FROM batch_labels WHERE batch_id = ${next}`)
    expect(labels).toEqual([{ label: 'second' }])
  })

  it('goes on through several batches', async () => {
    await engine.work()
    const { batchId } = await create({
      operation: 'echo',
      items: [{ value: nested('last') }],
      options: { then: { operation: 'echo', options: { then: { operation: 'echo' } } } },
    })
    const second = await nextOf(batchId)
    const third = await nextOf(second)
    expect((await ended(third)).next).toBeNull()
    expect(await inputsOf(third)).toEqual([{ value: 'last' }])
  })

  it('feeds large batches in slices, each result once', async () => {
    await engine.work({ concurrency: 50 })
    const { batchId } = await create({
      operation: 'echo',
      items: range(5_000).map(nested),
      options: { then: { operation: 'echo' } },
    })
    const next = await nextOf(batchId)
    expect(await ended(next)).toMatchObject({ status: 'completed', total: 5_000 })
    expect(await inputsOf(next)).toEqual(range(5_000).map((value) => ({ value })))
  })

  it('counts results that are no items, says which and why, and runs the others', async () => {
    await engine.work()
    const { batchId } = await create({
      operation: 'echo',
      items: [nested(1), { value: 'text' }, nested(3), { value: { valeu: 1 } }],
      options: { then: { operation: 'echo' } },
    })
    const next = await ended(await nextOf(batchId))
    expect(next).toMatchObject({ status: 'partial', total: 2, completed: 2, chain: { expected: 4, rejected: 2 } })
    expect(next.chain?.errors).toEqual([
      { index: 1, field: 'result', message: expect.stringMatching(/^result: /) },
      { index: 3, field: expect.stringMatching(/^result/), message: expect.stringContaining('valeu') },
    ])
  })

  it('fails the next batch where no result is an item, and keeps ids apart', async () => {
    await engine.work()
    const none = await create({ operation: 'echo', items: [{ value: 1 }], options: { then: { operation: 'echo' } } })
    expect(await ended(await nextOf(none.batchId))).toMatchObject({
      status: 'failed',
      total: 0,
      chain: { rejected: 1 },
    })
    const doubles = await create({
      operation: 'echo',
      items: [{ value: { id: 'x', value: 1 } }, { value: { id: 'x', value: 2 } }],
      options: { then: { operation: 'echo' } },
    })
    const next = await ended(await nextOf(doubles.batchId))
    expect(next).toMatchObject({ status: 'partial', total: 1, chain: { rejected: 1 } })
    expect(next.chain?.errors[0]).toMatchObject({
      index: 1,
      field: 'result.id',
      message: expect.stringContaining('"x"'),
    })
  })

  it('counts results beyond what the operation takes', async () => {
    await engine.work()
    const { batchId } = await create({
      operation: 'echo',
      items: range(5).map(nested),
      options: { then: { operation: 'small' } },
    })
    const next = await ended(await nextOf(batchId))
    expect(next).toMatchObject({ status: 'partial', total: 3, chain: { expected: 5, rejected: 2 } })
    expect(next.chain?.errors[0]?.message).toContain('at most 3')
  })

  it('makes no batch where nothing succeeded or the batch was cancelled, and the closing event says so', async () => {
    await engine.work()
    const failed = await create({
      operation: 'echo',
      items: [{ error: 'no' }],
      options: { then: { operation: 'echo' } },
    })
    expect((await ended(failed.batchId)).next).toEqual({ operation: 'echo', batchIds: [] })
    expect(await closing(failed.batchId)).toMatchObject({ nextBatchId: null, nextSkipped: 'none_succeeded' })
    const cancelled = await create({
      operation: 'echo',
      items: [nested(1), { value: 1, waitMs: 60_000 }],
      options: { then: { operation: 'echo' } },
    })
    await until(async () => ((await look(cancelled.batchId)).completed === 1 ? true : null))
    await stopBatch(engine, cancelled.batchId, 'CANCELLED')
    expect((await ended(cancelled.batchId)).status).toBe('cancelled')
    expect(await closing(cancelled.batchId)).toMatchObject({ nextBatchId: null, nextSkipped: 'cancelled' })
  })

  it('makes a further batch of what a retry brings, and of nothing twice', async () => {
    await engine.work()
    const { batchId } = await create({
      operation: 'fragile',
      items: range(6).map(nested),
      options: { then: { operation: 'echo' } },
    })
    const first = await ended(await nextOf(batchId))
    expect(await inputsOf(first.id)).toEqual([0, 2, 4].map((value) => ({ value })))
    broken = false
    await retryBatch(engine, batchId)
    const second = await ended(await nextOf(batchId, 1))
    expect((await inputsOf(second.id)).map(({ value }) => value).toSorted()).toEqual([1, 3, 5])
    expect(second.id).not.toBe(first.id)
    expect(await closing(batchId)).toMatchObject({ nextBatchId: second.id })
  })

  it('neither runs again nor deletes a batch whose results are being read, and lets it go when the next one is sealed', async () => {
    const worker = await engine.work({ concurrency: 1 })
    const { batchId } = await create({
      operation: 'fragile',
      items: range(4).map(nested),
      options: { then: { operation: 'echo' } },
    })
    await until(async () => ((await look(batchId)).finished ? true : null))
    await worker.stop(0)
    await engine.db.run(sql`UPDATE batches SET next = json_set(next, '$.feeding', json('true')) WHERE id = ${batchId}`)
    const { chain: source } = await look(await nextOf(batchId))
    expect(() => refuseFed({ chain: source, openUntil: 1 })).toThrow(/are the results of batch/)
    await expect(retryBatch(engine, batchId)).rejects.toThrow(/becoming the items of the next one/)
    await expect(deleteBatch(engine, batchId)).rejects.toThrow(/becoming the items of the next one/)
    engine.clock.advance(1_000)
    await sweepRetention(engine, 1)
    expect((await look(batchId)).id).toBe(batchId)
  })

  it('reports what was not read where the job that reads it fails for good', async () => {
    const worker = await engine.work({ concurrency: 1, sweepMs: 60_000 })
    const { batchId } = await create({
      operation: 'echo',
      items: range(3).map(nested),
      options: { then: { operation: 'echo' } },
    })
    const next = await until(async () => (await look(batchId)).next?.batchIds[0])
    await worker.stop(0)
    // As it is where the job failed before it had read anything.
    await engine.db.batch([
      engine.db.run(sql`DELETE FROM events WHERE batch_id = ${next} AND seq > 1`),
      engine.db.run(sql`DELETE FROM jobs WHERE batch_id = ${next}`),
      engine.db.run(sql`UPDATE jobs SET status = 'failed' WHERE id = ${`${next}-feed`}`),
      engine.db.run(sql`
        UPDATE batches SET total = 0, completed = 0, status = 'pending', last_seq = 1, finished_at = NULL, open_until = ${8.64e15 - 1} WHERE id = ${next}`),
      engine.db.run(sql`UPDATE batches SET next = json_set(next, '$.feeding', json('true')) WHERE id = ${batchId}`),
    ])
    await engine.work()
    expect(await ended(next)).toMatchObject({ status: 'failed', chain: { expected: 3, rejected: 3 } })
    expect((await look(next)).chain?.errors[0]?.message).toMatch(/could not all be read/)
    await deleteBatch(engine, batchId)
  })

  it('gives the next batch a webhook of its own, with a secret that the caller has', async () => {
    await engine.work()
    const webhook = { url: 'https://example.com/hook', secret: `whsec_${'A'.repeat(32)}` }
    const create = (given: { url: string; secret?: string }) =>
      submitBatch(
        engine,
        {
          operation: 'echo',
          items: [nested(1)],
          options: { then: { operation: 'echo', options: { webhook: given } } },
        },
        { owner: 'me', largest: 1_000 },
      )
    await expect(create({ url: webhook.url })).rejects.toMatchObject({
      details: { field: 'options.then.options.webhook.secret' },
    })
    const { batchId } = await create(webhook)
    const next = await ended(await nextOf(batchId))
    const rows = await engine.db.all(sql`
      SELECT w.url, w.secret, j.label FROM webhooks w JOIN jobs j ON j.batch_id = w.id WHERE w.batch_id = ${next.id}`)
    expect(rows).toEqual([{ ...webhook, label: 'batch_completed' }])
  })

  it('is refused by the place of what is wrong', async () => {
    const refused = (then: unknown) =>
      create({
        operation: 'echo',
        items: [{}],
        // @ts-expect-error: what the routes would have refused before is passed on here.
        options: { then },
      })
    await expect(refused({ operation: 'nope' })).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      details: { field: 'options.then.operation' },
      message: expect.stringContaining('options.then.operation: There is no operation "nope"'),
    })
    let deep: unknown = { operation: 'echo' }
    for (let i = 0; i < 10; i++) deep = { operation: 'echo', options: { then: deep } }
    await expect(refused(deep)).rejects.toMatchObject({
      code: 'BATCH_TOO_LARGE',
      message: expect.stringContaining('at most 10'),
    })
  })

  it('counts each batch of the chain against the limit of its owner', async () => {
    let taken = 0
    const admit = async () => {
      if (++taken > 2) throw new Error('no more')
      return async () => {
        taken--
      }
    }
    const body: CreateBatch = {
      operation: 'echo',
      items: [{}],
      options: { then: { operation: 'echo', options: { then: { operation: 'echo' } } } },
    }
    await expect(submitBatch(engine, body, { owner: 'me', largest: 1, admit })).rejects.toThrow('no more')
    expect(taken).toBe(1)
  })
})
