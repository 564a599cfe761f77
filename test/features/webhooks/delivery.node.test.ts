/** What becomes of a delivery: tried again, given up, refused, sent again by hand. */
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { retryBatch } from '../../../src/engine/transitions/batch-commands.ts'
import { redeliver } from '../../../src/engine/webhooks.ts'
import { listBatches } from '../../../src/features/batches/queries.ts'
import { echo } from '../../../src/features/echo/operation.ts'
import { webhook } from '../../../src/features/webhooks/operation.ts'
import { DELIVERY_ATTEMPTS, DELIVERY_PAUSES_MS } from '../../../src/schema/webhooks.ts'
import { openEngine, until } from '../../support/fixture.ts'
import { create, delivery, type Engine, log, sender } from './fixture.ts'
import { openReceiver } from './receiver.ts'

/** Waits no longer than a second for an answer. */
const hasty = webhook({ echo }, { answerMs: 1_000 })

let engine: Engine
beforeEach(async () => {
  engine = await openEngine({ operations: [sender], allowPrivate: true })
})
afterEach(() => engine.close())

describe('a delivery that fails', () => {
  it('is tried again with the same id and the same bytes', async () => {
    await using receiver = await openReceiver(500, 302, 200)
    await engine.work()
    await create(engine, [{}], { url: receiver.url })
    const failed = await delivery(
      engine,
      ({ status, attempts, responseStatus }) => status === 'pending' && attempts === 1 && responseStatus === 500,
    )
    expect(failed.error).toContain('The receiver answered 500.')
    expect(Date.parse(failed.nextAttemptAt ?? '') - Date.parse(failed.lastAttemptAt ?? '')).toBeGreaterThan(4_900)
    engine.clock.advance(6_000)
    const again = await delivery(
      engine,
      ({ attempts, status, responseStatus }) => attempts === 2 && status === 'pending' && responseStatus === 302,
    )
    engine.clock.advance(Date.parse(again.nextAttemptAt ?? '') - engine.clock.now() + 1)
    const done = await delivery(engine, ({ status }) => status === 'completed')
    expect(done).toMatchObject({ attempts: 3, responseStatus: 200, error: null, nextAttemptAt: null })
    expect(receiver.received).toHaveLength(3)
    expect(new Set(receiver.received.map(({ id }) => id))).toEqual(new Set([done.id]))
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1)
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(3)
  })

  it('is given up after the last try of the schedule', async () => {
    await using receiver = await openReceiver(503)
    await engine.work()
    await create(engine, [{}], { url: receiver.url })
    for (let attempt = 1; attempt < DELIVERY_ATTEMPTS; attempt++) {
      const one = await delivery(
        engine,
        ({ attempts, status, responseStatus }) =>
          attempts === attempt && status === 'pending' && responseStatus === 503,
      )
      const pause = Date.parse(one.nextAttemptAt ?? '') - Date.parse(one.lastAttemptAt ?? '')
      expect(pause).toBeGreaterThanOrEqual(DELIVERY_PAUSES_MS[attempt - 1] ?? 0)
      engine.clock.advance(pause + 1)
    }
    const failed = await delivery(engine, ({ status }) => status === 'failed')
    expect(failed).toMatchObject({
      attempts: DELIVERY_ATTEMPTS,
      responseStatus: 503,
      error: 'The receiver answered 503.',
    })
    expect(receiver.received).toHaveLength(DELIVERY_ATTEMPTS)
  })

  it('waits as long as the receiver asks for', async () => {
    await using receiver = await openReceiver((response) => response.writeHead(429, { 'retry-after': '90' }).end())
    await engine.work()
    await create(engine, [{}], { url: receiver.url })
    const { nextAttemptAt, lastAttemptAt } = await delivery(
      engine,
      ({ status, responseStatus }) => status === 'pending' && responseStatus === 429,
    )
    expect(Date.parse(nextAttemptAt ?? '') - Date.parse(lastAttemptAt ?? '')).toBeGreaterThanOrEqual(90_000)
  })

  it('is tried again when the receiver breaks off or is not there', async () => {
    await using broken = await openReceiver((response) => response.destroy())
    const gone = await openReceiver()
    await gone[Symbol.asyncDispose]()
    await engine.work()
    for (const { url } of [broken, gone]) await create(engine, [{}], { url })
    const seen = await until(async () => {
      const all = await log(engine)
      return all.length === 2 && all.every(({ status, error }) => status === 'pending' && error !== null) ? all : null
    })
    expect(seen.map(({ url, error, responseStatus }) => [url, error?.split('.')[0], responseStatus])).toEqual([
      [gone.url, 'The receiver refused the connection', null],
      [broken.url, 'The receiver reset the connection before it had answered', null],
    ])
  })

  it('is tried again when the receiver does not answer in time', async () => {
    await engine.close()
    engine = await openEngine({ operations: [hasty], allowPrivate: true })
    await using silent = await openReceiver(() => {})
    await engine.work()
    await create(engine, [{}], { url: silent.url })
    const late = await delivery(engine, ({ status, error }) => status === 'pending' && error !== null)
    expect(late).toMatchObject({ attempts: 1, responseStatus: null })
    expect(late.error).toContain('The receiver did not answer within 1 s.')
  })

  it('counts an answer whose body never ends as an answer', async () => {
    await engine.close()
    engine = await openEngine({ operations: [hasty], allowPrivate: true })
    await using receiver = await openReceiver((response) => {
      response.writeHead(200)
      response.write('x'.repeat(100))
    })
    await using flood = await openReceiver((response) => {
      response.writeHead(200)
      const pour = () => {
        while (response.write('x'.repeat(65_536)));
      }
      response.on('drain', pour)
      pour()
    })
    await engine.work()
    await create(engine, [{}], { url: receiver.url })
    await create(engine, [{}], { url: flood.url })
    await until(async () => ((await log(engine, { status: 'completed' })).length === 2 ? true : null))
    expect(receiver.received).toHaveLength(1)
    expect(flood.received).toHaveLength(1)
  })

  it('goes nowhere private, and the log says so', async () => {
    await engine.close()
    engine = await openEngine({ operations: [sender] })
    await using receiver = await openReceiver()
    await engine.work()
    await create(engine, [{}], { url: receiver.url })
    const refused = await delivery(engine, ({ status }) => status === 'failed')
    expect(refused).toMatchObject({ attempts: 1, responseStatus: null, error: expect.stringContaining('private') })
    expect(receiver.received).toHaveLength(0)
  })

  it('does not follow a redirect', async () => {
    await using target = await openReceiver()
    await using receiver = await openReceiver((response) => response.writeHead(307, { location: target.url }).end())
    await engine.work()
    await create(engine, [{}], { url: receiver.url })
    await delivery(engine, ({ responseStatus }) => responseStatus === 307)
    expect(target.received).toHaveLength(0)
  })

  it('stops at 410, for the whole webhook, until it is asked for again', async () => {
    await using receiver = await openReceiver(410, 200)
    await engine.work()
    const { batchId } = await create(engine, [{ error: 'no' }], { url: receiver.url })
    const gone = await delivery(engine, ({ status }) => status === 'failed')
    expect(gone).toMatchObject({ responseStatus: 410, error: expect.stringContaining('410') })
    await retryBatch(engine, batchId)
    await until(async () => {
      const [batch] = await listBatches(engine.db, 'me', { limit: 1 })
      return batch?.status === 'failed' ? true : null
    })
    expect(await log(engine)).toHaveLength(1)
    await redeliver(engine, 'me', gone.id)
    await delivery(engine, ({ status }) => status === 'completed')
    await retryBatch(engine, batchId)
    await until(async () => ((await log(engine, { status: 'completed' })).length === 2 ? true : null))
    expect(receiver.received).toHaveLength(3)
  })
})

describe('redelivery', () => {
  it('sends what arrived once more, under the same id', async () => {
    await using receiver = await openReceiver()
    await engine.work()
    await create(engine, [{}], { url: receiver.url })
    const { id } = await delivery(engine, ({ status }) => status === 'completed')
    for (const times of [2, 3]) {
      await redeliver(engine, 'me', id)
      await until(async () => (receiver.received.length === times ? true : null))
      await delivery(engine, ({ status }) => status === 'completed')
    }
    expect(new Set(receiver.received.map((one) => one.id))).toEqual(new Set([id]))
    const [batch] = await engine.db.all(sql`SELECT total, completed, failed FROM batches WHERE operation = 'webhook'`)
    expect(batch).toEqual({ total: 1, completed: 1, failed: 0 })
  })

  it('does not wait for the next try, and is refused while one is under way', async () => {
    await using receiver = await openReceiver(500, () => {})
    await engine.work()
    await create(engine, [{}], { url: receiver.url })
    const { id } = await delivery(
      engine,
      ({ status, responseStatus }) => status === 'pending' && responseStatus === 500,
    )
    await redeliver(engine, 'me', id)
    await delivery(engine, ({ status }) => status === 'processing')
    await expect(redeliver(engine, 'me', id)).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(redeliver(engine, 'another', id)).rejects.toMatchObject({ code: 'CONFLICT' })
  })
})
