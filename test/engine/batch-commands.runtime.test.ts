import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  deleteBatch,
  pauseBatch,
  resumeBatch,
  retryBatch,
  stopBatch,
} from '../../src/engine/transitions/batch-commands.ts'
import { claim, readyDue } from '../../src/engine/transitions/claim.ts'
import { completeJobs } from '../../src/engine/transitions/complete-jobs.ts'
import { appendJobs, OPEN_MS, sealBatch } from '../../src/engine/transitions/open-batches.ts'
import { sweepOrphans } from '../../src/engine/transitions/retention.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { readItemResults } from '../../src/features/batches/queries.ts'
import { echo } from '../../src/features/echo/operation.ts'
import { readBatch, readJobItems } from '../../src/live/state.ts'
import { openEngine, until } from '../support/fixture.ts'

let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine()
})
afterEach(() => engine.close())

const batchOf = async (id: string) => {
  const batch = await readBatch(engine.db, id, 'me')
  if (batch === null) throw new Error('the batch is gone')
  return batch
}
const finished = (id: string) =>
  until(async () => {
    const batch = await batchOf(id)
    return batch.finished ? batch : null
  })
const items = (count: number, item: Record<string, unknown> = {}) => Array.from({ length: count }, () => item)
const add = (options: Parameters<typeof submit>[1]['options'], list: readonly unknown[]) =>
  submit(engine, {
    owner: 'me',
    operation: echo,
    request: { items: list },
    ...(options === undefined ? {} : { options }),
  })

describe('cancelling', () => {
  it('ends what waits at once and what runs by its signal, each told of once', async () => {
    await engine.work({ concurrency: 3 })
    const { batchId } = await engine.submit(items(5_000, { waitMs: 30_000 }))
    await until(async () => {
      const row = await engine.db.get<{ n: number }>(sql`SELECT count(*) AS n FROM jobs WHERE status = 'running'`)
      return row?.n === 3 ? true : null
    })
    await stopBatch(engine, batchId, 'CANCELLED')
    expect((await batchOf(batchId)).cancelled).toBeGreaterThanOrEqual(4_997)
    expect(await finished(batchId)).toMatchObject({ status: 'cancelled', completed: 0, failed: 0, cancelled: 5_000 })
    const events = await engine.eventsOf(batchId)
    expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: 5_002 }, (_, i) => i + 1))
    expect(new Set(events.filter(({ type }) => type === 'job_failed').map(({ jobId }) => jobId)).size).toBe(5_000)
    expect(events.at(-1)?.body).toMatchObject({ type: 'batch_completed', status: 'cancelled', cancelledJobs: 5_000 })
  })

  it('reaches what runs at a beat, where sweeps and renewals are rare', async () => {
    await engine.work({ sweepMs: 3_600_000, leaseMs: 3_600_000 })
    const { batchId } = await engine.submit([{ waitMs: 60_000 }])
    await until(async () => ((await batchOf(batchId)).status === 'processing' ? true : null))
    await stopBatch(engine, batchId, 'CANCELLED')
    expect(await finished(batchId)).toMatchObject({ status: 'cancelled', cancelled: 1 })
  })

  it('keeps what was completed before, and leaves the rest to be sent again', async () => {
    await engine.work({ concurrency: 1 })
    const { batchId } = await engine.submit([{ value: 'done' }, { waitMs: 30_000 }, { value: 'waits' }])
    await until(async () => ((await batchOf(batchId)).completed === 1 ? true : null))
    await stopBatch(engine, batchId, 'CANCELLED')
    expect(await finished(batchId)).toMatchObject({ status: 'cancelled', completed: 1, cancelled: 2 })
    const { rows: sets } = await readItemResults(engine.db, batchId, { after: 0, limit: 10 })
    expect(sets.map(({ set }) => set)).toEqual(['succeeded', 'untouched', 'untouched'])
    expect(sets[2]?.item).toEqual({ value: 'waits' })
  })

  it('ends what is held, for want of a place or because the batch is paused', async () => {
    const bounded = await add({ concurrency: 2 }, items(10))
    const paused = await add({}, items(10))
    await pauseBatch(engine, paused.batchId)
    for (const { batchId } of [bounded, paused]) {
      await stopBatch(engine, batchId, 'CANCELLED')
      expect(await batchOf(batchId)).toMatchObject({ status: 'cancelled', cancelled: 10, lastSeq: 12, finished: true })
    }
  })

  it('does nothing to a batch that has ended', async () => {
    await engine.work()
    const { batchId } = await engine.submit([{}])
    const before = await finished(batchId)
    await stopBatch(engine, batchId, 'CANCELLED')
    expect(await batchOf(batchId)).toEqual(before)
  })
})

describe('a deadline', () => {
  it('fails what is left, running or waiting', async () => {
    await engine.work({ concurrency: 1 })
    const { batchId } = await add({ deadlineAt: engine.clock.now() + 60_000 }, [{}, ...items(3, { waitMs: 30_000 })])
    await until(async () => ((await batchOf(batchId)).completed === 1 ? true : null))
    engine.clock.advance(61_000)
    expect(await finished(batchId)).toMatchObject({ status: 'partial', completed: 1, failed: 3 })
    const jobs = await readJobItems(engine.db, echo, batchId, { after: 1, limit: 10 })
    expect(jobs.map(({ errorCode }) => errorCode)).toEqual(items(3).map(() => 'DEADLINE_EXCEEDED'))
  })

  it('leaves untouched what a worker held but had no place for', async () => {
    // Jobs that took no time make a worker claim ahead.
    await engine.work({ concurrency: 1, meanMs: 0.01 })
    const { batchId } = await add({ deadlineAt: engine.clock.now() + 60_000 }, items(5, { waitMs: 30_000 }))
    await until(async () => {
      const [row] = await engine.db.all<{ n: number }>(
        sql`SELECT count(*) AS n FROM jobs WHERE batch_id = ${batchId} AND status = 'running'`,
      )
      return (row?.n ?? 0) > 1 ? true : null
    })
    engine.clock.advance(61_000)
    await finished(batchId)
    const { rows } = await readItemResults(engine.db, batchId, { after: 0, limit: 10 })
    expect(rows.map(({ set }) => set)).toEqual(['failed', ...items(4).map(() => 'untouched')])
  })
})

describe('pausing', () => {
  it('starts nothing until resumed, and loses nothing', async () => {
    await engine.work({ concurrency: 2 })
    const { batchId } = await add({ concurrency: 2 }, items(20, { waitMs: 20 }))
    await until(async () => ((await batchOf(batchId)).completed > 2 ? true : null))
    await pauseBatch(engine, batchId)
    await until(async () => {
      const row = await engine.db.get<{ n: number }>(
        sql`SELECT count(*) AS n FROM jobs WHERE status <> 'blocked' AND status <> 'completed'`,
      )
      return row?.n === 0 ? true : null
    })
    const { completed } = await batchOf(batchId)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await batchOf(batchId)).toMatchObject({ completed, finished: false })
    await resumeBatch(engine, batchId)
    expect(await finished(batchId)).toMatchObject({ status: 'completed', completed: 20 })
  })

  it('keeps what is to be tried again until it is resumed', async () => {
    const { batchId } = await engine.submit([{ failures: 1, waitMs: 300 }])
    await engine.work()
    const status = async () => (await engine.db.get<{ status: string }>(sql`SELECT status FROM jobs`))?.status
    await until(async () => ((await status()) === 'running' ? true : null))
    await pauseBatch(engine, batchId)
    await until(async () => ((await status()) === 'running' ? null : true))
    expect(await status()).toBe('blocked')
    await resumeBatch(engine, batchId)
    expect(await finished(batchId)).toMatchObject({ status: 'completed', completed: 1 })
  })

  const pausedAt = async () =>
    (await engine.db.get<{ paused_at: number | null }>(sql`SELECT paused_at FROM batches`))?.paused_at

  it('is refused once the batch has ended or is being stopped, and so is resuming; the message says why', async () => {
    const { batchId } = await add({}, items(3, { waitMs: 30_000 }))
    await claim(engine, { lease: 'a worker', limit: 1, leaseMs: 60_000 })
    await stopBatch(engine, batchId, 'CANCELLED')
    for (const command of [pauseBatch, resumeBatch]) {
      await expect(command(engine, batchId)).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('is being stopped'),
      })
    }
    engine.clock.advance(61_000)
    await engine.work()
    await finished(batchId)
    for (const command of [pauseBatch, resumeBatch]) {
      await expect(command(engine, batchId)).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('has ended (cancelled)'),
      })
    }
  })

  it('ends with the batch, whether that is cancelled or its last jobs were running', async () => {
    const { batchId } = await add({}, items(3))
    await pauseBatch(engine, batchId)
    expect(await pausedAt()).toEqual(expect.any(Number))
    await stopBatch(engine, batchId, 'CANCELLED')
    expect(await pausedAt()).toBeNull()
    await retryBatch(engine, batchId)
    await readyDue(engine)
    const jobs = await claim(engine, { lease: 'a worker', limit: 3, leaseMs: 60_000 })
    await pauseBatch(engine, batchId)
    const run = { result: null, summary: {}, tallies: {} }
    await completeJobs(
      engine,
      jobs.map((job) => ({ ...job, kind: 'completed', run })),
    )
    expect(await batchOf(batchId)).toMatchObject({ status: 'completed', completed: 3 })
    expect(await pausedAt()).toBeNull()
  })

  it('twice, or of what is not paused, is no matter', async () => {
    const { batchId } = await add({}, items(3))
    await resumeBatch(engine, batchId)
    await pauseBatch(engine, batchId)
    await pauseBatch(engine, batchId)
    expect(await pausedAt()).toEqual(expect.any(Number))
  })

  it('and cancelling leaves nothing of it that waits for ever', async () => {
    const { batchId } = await add({}, [{ failures: 5 }])
    const [job] = await claim(engine, { lease: 'a worker', limit: 1, leaseMs: 60_000 })
    if (job === undefined) throw new Error('one was submitted')
    await pauseBatch(engine, batchId)
    await stopBatch(engine, batchId, 'CANCELLED')
    const again = { runAt: engine.clock.now() + 3_600_000, refund: false, loss: false, code: 'TIMEOUT', message: 'no' }
    await completeJobs(engine, [{ ...job, ...again, kind: 'retry' }])
    await engine.work()
    expect(await finished(batchId)).toMatchObject({ status: 'cancelled', cancelled: 1 })
  })
})

describe('retrying by hand', () => {
  it('runs only what failed, and replay skips what it superseded', async () => {
    await engine.work()
    const { batchId } = await add({ maxAttempts: 1 }, [{ value: 1 }, { failures: 1 }, { failures: 1 }])
    expect(await finished(batchId)).toMatchObject({ status: 'partial', completed: 1, failed: 2, lastSeq: 5 })
    await engine.db.run(sql`UPDATE jobs SET input = '{"value":"mended"}' WHERE status = 'failed' AND sequence = 2`)
    expect(await retryBatch(engine, batchId)).toBe(2)
    const batch = await finished(batchId)
    expect(batch).toMatchObject({ status: 'partial', completed: 2, failed: 1, lastSeq: 9 })
    const events = await engine.eventsOf(batchId)
    expect(events.map(({ type }) => type)).toEqual([
      'batch_started',
      'job_completed',
      'batch_started',
      ...events.slice(3, 5).map(({ type }) => type),
      'batch_completed',
    ])
    expect(events[2]?.body).toMatchObject({ totalJobs: 3, retriedJobs: 2 })
    expect(events.at(-1)?.body).toMatchObject({ amount: 2, completedJobs: 2, failedJobs: 1 })
  })

  it('runs again what was cancelled', async () => {
    const { batchId } = await engine.submit(items(3))
    await stopBatch(engine, batchId, 'CANCELLED')
    expect(await batchOf(batchId)).toMatchObject({ status: 'cancelled' })
    await engine.work()
    expect(await retryBatch(engine, batchId)).toBe(3)
    expect(await finished(batchId)).toMatchObject({ status: 'completed', completed: 3 })
  })

  it('is refused while the batch runs, and when nothing failed', async () => {
    const { batchId } = await engine.submit([{}])
    await expect(retryBatch(engine, batchId)).rejects.toMatchObject({ code: 'CONFLICT' })
    await engine.work()
    await finished(batchId)
    await expect(retryBatch(engine, batchId)).rejects.toMatchObject({ code: 'CONFLICT' })
  })
})

describe('creating under a key', () => {
  const create = (key: string, list: readonly unknown[], owner = 'me') =>
    submit(engine, { owner, operation: echo, request: { items: list }, idempotency: { key, content: { list } } })

  it('makes one batch of ten creates that race', async () => {
    const made = await Promise.all(Array.from({ length: 10 }, () => create('same', [{ value: 1 }, {}])))
    expect(new Set(made.map(({ batchId }) => batchId)).size).toBe(1)
    expect(made.filter(({ created }) => created)).toHaveLength(1)
    expect(await engine.db.get<{ n: number }>(sql`SELECT count(*) AS n FROM jobs`)).toEqual({ n: 2 })
  })

  it('refuses other content, and keeps owners apart', async () => {
    const mine = await create('k', [{ value: 1 }])
    await expect(create('k', [{ value: 2 }])).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' })
    const theirs = await create('k', [{ value: 2 }], 'them')
    expect(theirs.batchId).not.toBe(mine.batchId)
  })

  it('names the batch wherever an id is taken', async () => {
    const { batchId } = await create('my-own-id', [{}])
    expect((await readBatch(engine.db, 'my-own-id', 'me'))?.id).toBe(batchId)
    expect(await readBatch(engine.db, 'my-own-id', 'them')).toBeNull()
  })

  it('makes a new batch once the first is deleted, though its rows are still there', async () => {
    await engine.work({ retentionMs: 600_000 })
    const { batchId } = await create('k', [{ value: 1 }])
    await finished(batchId)
    await deleteBatch(engine, batchId)
    const again = await create('k', [{ value: 1 }])
    expect(again).toMatchObject({ created: true })
    expect(again.batchId).not.toBe(batchId)
  })

  it('keeps no key of a create that failed', async () => {
    await expect(create('k', [{ nonsense: 1 }])).rejects.toMatchObject({ code: 'INVALID_REQUEST' })
    expect((await create('k', [{ value: 1 }])).created).toBe(true)
  })
})

describe('an open batch', () => {
  const open = () => add({ openUntil: engine.clock.now() + OPEN_MS }, [])
  const slice = (id: string, first: number, count: number) =>
    appendJobs(engine, { id, owner: 'me' }, first, echo.plan({ items: items(count) }).jobs)

  it('takes slices, sent twice without doubling, and ends when it is sealed', async () => {
    await engine.work()
    const { batchId } = await open()
    await slice(batchId, 1, 100)
    await slice(batchId, 1, 100)
    await slice(batchId, 51, 100)
    await until(async () => ((await batchOf(batchId)).completed === 150 ? true : null))
    expect(await batchOf(batchId)).toMatchObject({ total: 150, finished: false })
    await sealBatch(engine, batchId)
    expect(await finished(batchId)).toMatchObject({ status: 'completed', total: 150, completed: 150, lastSeq: 152 })
    await expect(slice(batchId, 151, 1)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await batchOf(batchId)).toMatchObject({ total: 150 })
  })

  it('that nobody seals ends with what it has', async () => {
    await engine.work()
    const { batchId } = await open()
    await slice(batchId, 1, 3)
    engine.clock.advance(OPEN_MS + 1_000)
    expect(await finished(batchId)).toMatchObject({ status: 'completed', total: 3, completed: 3 })
  })

  it.each([1, 2, 5])('with %i places gives no more of them away, whichever slice comes first', async (concurrency) => {
    const { batchId } = await add({ openUntil: engine.clock.now() + OPEN_MS, concurrency }, [])
    const placed = async () => {
      const row = await engine.db.get<{ n: number }>(
        sql`SELECT count(*) AS n FROM jobs WHERE status IN ('ready', 'scheduled', 'running')`,
      )
      return row?.n
    }
    await slice(batchId, 5, 4)
    expect(await placed()).toBe(Math.min(4, concurrency))
    await slice(batchId, 1, 4)
    await slice(batchId, 1, 4)
    expect(await placed()).toBe(concurrency)
    await engine.work()
    await slice(batchId, 9, 4)
    await sealBatch(engine, batchId)
    await until(async () => {
      expect(await placed()).toBeLessThanOrEqual(concurrency)
      return (await batchOf(batchId)).finished ? true : null
    })
    expect(await batchOf(batchId)).toMatchObject({ status: 'completed', completed: 12 })
  })

  it('that is cancelled ends cancelled, though all it has so far is done, or it has nothing', async () => {
    await engine.work()
    const { batchId } = await open()
    await slice(batchId, 1, 3)
    await until(async () => ((await batchOf(batchId)).completed === 3 ? true : null))
    const empty = (await open()).batchId
    for (const [id, completed] of [[batchId, 3] as const, [empty, 0] as const]) {
      await stopBatch(engine, id, 'CANCELLED')
      expect(await batchOf(id)).toMatchObject({ status: 'cancelled', completed, finished: true })
      await expect(sealBatch(engine, id)).rejects.toMatchObject({ code: 'CONFLICT' })
    }
  })

  it('that was sealed may be sealed again, also after its end', async () => {
    await engine.work()
    const { batchId } = await open()
    await slice(batchId, 1, 3)
    await sealBatch(engine, batchId)
    await finished(batchId)
    await sealBatch(engine, batchId)
    await stopBatch(engine, batchId, 'CANCELLED')
    expect(await batchOf(batchId)).toMatchObject({ status: 'completed', completed: 3 })
  })

  it('with few places fills them as slices come, also after earlier ones are done', async () => {
    await engine.work()
    const { batchId } = await add({ openUntil: engine.clock.now() + OPEN_MS, concurrency: 2 }, [])
    await slice(batchId, 1, 5)
    await until(async () => ((await batchOf(batchId)).completed === 5 ? true : null))
    await slice(batchId, 6, 5)
    await sealBatch(engine, batchId)
    expect(await finished(batchId)).toMatchObject({ status: 'completed', completed: 10 })
  })
})

describe('deleting', () => {
  it('takes a batch out of sight at once, and its rows and blobs with the sweep', async () => {
    await engine.work()
    const info = await engine.blobs.put('uploads/one', new TextEncoder().encode('bytes'))
    const upload = { key: 'uploads/one', filename: 'one.pdf', ...info }
    const { batchId } = await submit(engine, {
      owner: 'me',
      operation: echo,
      request: { items: [{}] },
      uploads: [upload],
    })
    await expect(deleteBatch(engine, batchId)).rejects.toMatchObject({ code: 'CONFLICT' })
    await finished(batchId)
    await deleteBatch(engine, batchId)
    expect(await readBatch(engine.db, batchId, 'me')).toBeNull()
    await until(async () => {
      const row = await engine.db.get<{ n: number }>(
        sql`SELECT (SELECT count(*) FROM batches) + (SELECT count(*) FROM jobs) + (SELECT count(*) FROM events) + (SELECT count(*) FROM uploads) AS n`,
      )
      return row?.n === 0 ? true : null
    })
    expect(await engine.blobs.get('uploads/one')).toBeNull()
  })

  it('comes by itself when a batch is older than it is kept', async () => {
    await engine.work({ keepMs: 86_400_000 })
    const { batchId } = await engine.submit([{}])
    await finished(batchId)
    // Hour by hour: time that passes while nobody looks counts only in part.
    await until(async () => {
      engine.clock.advance(3_600_000)
      return (await readBatch(engine.db, batchId, 'me')) === null ? true : null
    })
  })

  it('takes uploads that no batch names, once they are a day old, and no others', async () => {
    const bytes = new TextEncoder().encode('bytes')
    const info = await engine.blobs.put('uploads/named', bytes)
    await engine.blobs.put('uploads/orphan', bytes)
    const upload = { key: 'uploads/named', filename: 'one.pdf', ...info }
    await submit(engine, { owner: 'me', operation: echo, request: { items: [{}] }, uploads: [upload] })
    expect(await sweepOrphans(engine)).toBe(0)
    for (let hours = 0; hours < 24; hours++) {
      expect(await sweepOrphans(engine)).toBe(0)
      engine.clock.advance(60 * 60 * 1_000)
    }
    engine.clock.advance(60_000)
    expect(await sweepOrphans(engine)).toBe(1)
    expect(await engine.blobs.get('uploads/orphan')).toBeNull()
    const kept = await engine.blobs.get('uploads/named')
    expect(await new Response(kept).text()).toBe('bytes')
  })
})
