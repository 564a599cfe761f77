import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { claim } from '../../src/engine/claim.ts'
import { deleteBatch, retryBatch, stopBatch } from '../../src/engine/control.ts'
import { finish } from '../../src/engine/finish.ts'
import { OPEN_MS, sealBatch } from '../../src/engine/open.ts'
import { submit } from '../../src/engine/submit.ts'
import { redeliver, type WebhookOptions } from '../../src/engine/webhooks.ts'
import { readBatch } from '../../src/live/state.ts'
import { echo } from '../../src/operations/echo.ts'
import { webhook } from '../../src/operations/webhook.ts'
import { listDeliveries, readDelivery, readWebhookSecret } from '../../src/reads/deliveries.ts'
import { listBatches } from '../../src/reads/lists.ts'
import { DELIVERY_ATTEMPTS, DELIVERY_PAUSES_MS } from '../../src/schema/webhooks.ts'
import type { Delivery } from '../../src/wire/webhooks.ts'
import { openEngine, until } from '../engine/rig.ts'
import { opened, openReceiver } from './receiver.ts'

type Engine = Awaited<ReturnType<typeof openEngine>>
const sender = webhook({ echo })
/** Waits no longer than a second for an answer. */
const hasty = webhook({ echo }, 1_000)
const SECRET = `whsec_${btoa('0123456789abcdefghijklmnopqrstuv')}`

let engine: Engine
beforeEach(async () => {
  engine = await openEngine({ operations: [sender], allowPrivate: true })
})
afterEach(() => engine.close())

const create = (on: Engine, items: readonly unknown[], hook: WebhookOptions, owner = 'me') =>
  submit(on, { owner, operation: echo, request: { items }, options: { webhook: { secret: SECRET, ...hook } } })
const log = (on: Engine, filter: Partial<Parameters<typeof listDeliveries>[2]> = {}, owner = 'me') =>
  listDeliveries(on.db, owner, { limit: 100, ...filter })
/** The only delivery, once it is as it should be. */
const delivery = (on: Engine, as: (one: Delivery) => boolean) =>
  until(async () => (await log(on)).find((one) => as(one)))

describe('a webhook', () => {
  it('is told of the end of its batch, signed', async () => {
    await using receiver = await openReceiver()
    await engine.work()
    const { batchId } = await create(engine, [{ amount: 2 }, { amount: 3 }, { error: 'no' }], { url: receiver.url })
    const done = await delivery(engine, ({ status }) => status === 'completed')
    expect(receiver.received).toHaveLength(1)
    const [message] = receiver.received
    expect(message).toMatchObject({ method: 'POST', id: done.id, headers: { 'content-type': 'application/json' } })
    expect(opened(message, SECRET)).toEqual({
      type: 'batch_completed',
      timestamp: expect.any(String),
      data: {
        batchId,
        operation: 'echo',
        status: 'partial',
        completedJobs: 2,
        failedJobs: 1,
        cancelledJobs: 0,
        amount: 5,
        resultsUrl: `/api/batch/${batchId}/results`,
      },
    })
    expect(() => opened(message, `whsec_${btoa('another secret of 24 byte')}`)).toThrow('No matching signature')
    expect(done).toMatchObject({ batchId, event: 'batch_completed', attempts: 1, responseStatus: 204, error: null })
  })

  it('is signed as the standard has it, computed here by other means', async () => {
    await using receiver = await openReceiver()
    await engine.work()
    await create(engine, [{}], { url: receiver.url })
    await delivery(engine, ({ status }) => status === 'completed')
    const [message] = receiver.received
    const bytes = Uint8Array.from(atob(SECRET.slice('whsec_'.length)), (char) => char.charCodeAt(0))
    const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
    const content = `${message?.id}.${message?.headers['webhook-timestamp']}.${message?.body}`
    const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(content))
    expect(message?.id).not.toContain('.')
    expect(message?.headers['webhook-signature']).toBe(`v1,${btoa(String.fromCharCode(...new Uint8Array(mac)))}`)
  })

  it('signs with a secret of its own where none is given', async () => {
    await using receiver = await openReceiver()
    await engine.work()
    const options = { webhook: { url: receiver.url } }
    const { batchId } = await submit(engine, { owner: 'me', operation: echo, request: { items: [{}] }, options })
    await delivery(engine, ({ status }) => status === 'completed')
    const secret = (await readWebhookSecret(engine.db, batchId)) ?? ''
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(opened(receiver.received[0], secret).data.batchId).toBe(batchId)
  })

  it('is told of each failed job if asked, under an id for each', async () => {
    await using receiver = await openReceiver()
    await engine.work()
    const items = [{}, ...Array.from({ length: 12 }, (_, i) => ({ error: `bad ${i}` })), {}]
    await create(engine, items, { url: receiver.url, events: ['job_failed', 'batch_completed'] })
    await until(async () => ((await log(engine, { status: 'completed' })).length === 13 ? true : null))
    const told = receiver.received.map((message) => opened(message, SECRET))
    const failed = told.filter(({ type }) => type === 'job_failed').map(({ data }) => data)
    expect(failed.map(({ errorMessage }) => errorMessage).sort()).toEqual(
      Array.from({ length: 12 }, (_, i) => `bad ${i}`).sort(),
    )
    expect(failed[0]).toMatchObject({ errorCode: 'UNKNOWN', sequence: expect.any(Number), jobId: expect.any(String) })
    expect(new Set(receiver.received.map(({ id }) => id)).size).toBe(13)
    expect(receiver.received).toHaveLength(13)
  })

  it('has no more than four deliveries under way, and the end of the batch does not wait for them', async () => {
    await using receiver = await openReceiver((response, { body }) => {
      response.writeHead(body.includes('batch_completed') ? 200 : 500).end()
    })
    await engine.work()
    const items = Array.from({ length: 9 }, () => ({ error: 'bad' }))
    await create(engine, items, { url: receiver.url, events: ['job_failed', 'batch_completed'] })
    await delivery(engine, ({ event, status }) => event === 'batch_completed' && status === 'completed')
    await until(async () => ((await log(engine)).filter(({ attempts }) => attempts > 0).length >= 5 ? true : null))
    const statuses = await engine.db.all<{ status: string; n: number }>(
      sql`SELECT status, count(*) AS n FROM jobs WHERE operation = 'webhook' GROUP BY status ORDER BY status`,
    )
    // Four that were tried and one place made free by the end of the batch; the others are held.
    expect(statuses).toContainEqual({ status: 'held', n: 4 })
  })

  it('is told of a cancel once, not of every job', async () => {
    await using receiver = await openReceiver()
    const { batchId } = await create(engine, [{}, {}, {}], {
      url: receiver.url,
      events: ['job_failed', 'batch_completed'],
    })
    await stopBatch(engine, batchId, 'CANCELLED')
    await engine.work()
    await delivery(engine, ({ status }) => status === 'completed')
    expect(receiver.received.map((message) => opened(message, SECRET))).toEqual([
      expect.objectContaining({ type: 'batch_completed', data: expect.objectContaining({ status: 'cancelled' }) }),
    ])
    expect(await log(engine)).toHaveLength(1)
  })

  it('is told of jobs that a deadline ended, and of an open batch sealed with nothing in it', async () => {
    await using receiver = await openReceiver()
    const { batchId } = await create(engine, [{}, {}], { url: receiver.url, events: ['job_failed'] })
    await stopBatch(engine, batchId, 'DEADLINE_EXCEEDED')
    const options = { openUntil: engine.clock.now() + OPEN_MS, webhook: { url: receiver.url, secret: SECRET } }
    const open = await submit(engine, { owner: 'newcomer', operation: echo, request: { items: [] }, options })
    await sealBatch(engine, open.batchId)
    await engine.work()
    await until(async () => (receiver.received.length === 3 ? true : null))
    const told = receiver.received.map((message) => opened(message, SECRET))
    expect(told.map(({ type, data }) => [type, data.batchId, data.errorCode]).sort()).toEqual(
      [
        ['batch_completed', open.batchId, undefined],
        ['job_failed', batchId, 'DEADLINE_EXCEEDED'],
        ['job_failed', batchId, 'DEADLINE_EXCEEDED'],
      ].sort(),
    )
  })

  it('is told again when a batch that was retried ends again', async () => {
    await using receiver = await openReceiver()
    await engine.work()
    const { batchId } = await create(engine, [{ error: 'no' }], { url: receiver.url })
    await delivery(engine, ({ status }) => status === 'completed')
    await retryBatch(engine, batchId)
    await until(async () => ((await log(engine, { status: 'completed' })).length === 2 ? true : null))
    const [first, second] = receiver.received
    expect(first?.id).not.toBe(second?.id)
  })
})

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
      [gone.url, 'The website refused the connection', null],
      [broken.url, expect.stringContaining('connection broke off'), null],
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

describe('what a crash leaves', () => {
  it('is delivered when the process died between the end of the batch and the delivery', async () => {
    await using receiver = await openReceiver()
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'))
    const before = await openEngine({ folder, operations: [sender], allowPrivate: true })
    await create(before, [{}, {}], { url: receiver.url })
    const held = await claim(before, { lease: 'a.1', limit: 2, leaseMs: 60_000 })
    expect(held.map(({ hooked }) => hooked)).toEqual([true, true])
    await finish(
      before,
      held.map((job) => ({ ...job, kind: 'completed', run: { result: null, summary: {}, tallies: {} } })),
    )
    await before.close()
    const after = await openEngine({ folder, operations: [sender], allowPrivate: true })
    expect(receiver.received).toHaveLength(0)
    await after.work()
    await delivery(after, ({ status }) => status === 'completed')
    expect(receiver.received).toHaveLength(1)
    await after.close()
    await rm(folder, { recursive: true })
  })

  it('is the end of a batch with its delivery, or neither', async () => {
    const { batchId } = await create(engine, [{}], { url: 'http://127.0.0.1:9/' })
    const [job] = await claim(engine, { lease: 'a.1', limit: 1, leaseMs: 60_000 })
    if (job === undefined) throw new Error('nothing was claimed')
    const end = () => finish(engine, [{ ...job, kind: 'failed', code: 'UNKNOWN', message: 'no' }])
    const state = async () => [(await readBatch(engine.db, batchId, 'me'))?.finished, (await log(engine)).length]
    await engine.db.run(sql`
      CREATE TRIGGER full BEFORE INSERT ON jobs WHEN new.operation = 'webhook' BEGIN SELECT raise(ABORT, 'the disk is full'); END`)
    await expect(end()).rejects.toThrow()
    expect(await state()).toEqual([false, 0])
    await engine.db.run(sql`DROP TRIGGER full`)
    await end()
    expect(await state()).toEqual([true, 1])
  })

  it('is told once of each event, however often the end is looked at', async () => {
    const { batchId } = await create(engine, [{ error: 'no' }], {
      url: 'http://127.0.0.1:9/',
      events: ['job_failed', 'batch_completed'],
    })
    await stopBatch(engine, batchId, 'DEADLINE_EXCEEDED')
    await stopBatch(engine, batchId, 'DEADLINE_EXCEEDED')
    await sealBatch(engine, batchId)
    expect((await log(engine)).map(({ event }) => event)).toEqual(['batch_completed', 'job_failed'])
  })
})

describe('the log', () => {
  it('is paged newest first, filtered, and shows an owner nothing of another', async () => {
    const ids: string[] = []
    for (const owner of ['me', 'you', 'me']) {
      const { batchId } = await create(
        engine,
        Array.from({ length: 3 }, () => ({})),
        { url: 'http://127.0.0.1:9/', events: ['job_failed', 'batch_completed'] },
        owner,
      )
      await stopBatch(engine, batchId, 'DEADLINE_EXCEEDED')
      ids.push(batchId)
    }
    const all = await log(engine)
    expect(all.map(({ batchId }) => ids.indexOf(batchId))).toEqual([2, 2, 2, 2, 0, 0, 0, 0])
    const paged: Delivery[] = []
    for (let before: string | undefined; ; ) {
      const page = await log(engine, { limit: 3, before })
      paged.push(...page)
      before = page.at(-1)?.id
      if (page.length < 3) break
    }
    expect(paged).toEqual(all)
    expect(await log(engine, { batchId: ids[0] })).toEqual(all.slice(4))
    expect(await log(engine, { batchId: ids[1] })).toEqual([])
    expect(await log(engine, { status: 'completed' })).toEqual([])
    const mine = all[0]?.id ?? ''
    expect(await readDelivery(engine.db, 'me', mine)).toEqual(all[0])
    expect(await readDelivery(engine.db, 'you', mine)).toBeNull()
    // Nor does the batch that the deliveries belong to show anywhere.
    expect((await listBatches(engine.db, 'me', { limit: 10 })).map(({ id }) => id)).toEqual([ids[2], ids[0]])
  })

  it('reads a page without sorting, by its indexes', async () => {
    const seen: string[] = []
    const spy: typeof engine.db = Object.assign(Object.create(engine.db), {
      all: (query: Parameters<typeof engine.db.all>[0]) =>
        engine.db.all(sql`EXPLAIN QUERY PLAN ${query}`).then((rows) => {
          seen.push(JSON.stringify(rows))
          return []
        }),
    })
    await listDeliveries(spy, 'me', { limit: 10, before: '00000000-0000-0000-0000-000000000000-7' })
    expect(seen[0]).toContain('webhooks_owner')
    expect(seen[0]).toContain('jobs_batch_sequence')
    expect(seen[0]).toContain('sequence<?')
    expect(seen[0]).not.toContain('TEMP B-TREE')
  })

  it('goes with its batch', async () => {
    const { batchId } = await create(engine, [{}], { url: 'http://127.0.0.1:9/' })
    await stopBatch(engine, batchId, 'CANCELLED')
    expect(await log(engine)).toHaveLength(1)
    await deleteBatch(engine, batchId)
    expect(await log(engine)).toEqual([])
    await engine.work()
    await until(async () => {
      const left = await engine.db.all(
        sql`SELECT id FROM batches UNION ALL SELECT id FROM jobs UNION ALL SELECT id FROM webhooks UNION ALL SELECT batch_id FROM events`,
      )
      return left.length === 0 ? true : null
    })
  })
})

describe('a batch without a webhook', () => {
  it('pays for none: its jobs say so when they are claimed', async () => {
    await engine.submit([{}])
    const [job] = await claim(engine, { lease: 'a.1', limit: 1, leaseMs: 60_000 })
    expect(job?.hooked).toBe(false)
  })
})
