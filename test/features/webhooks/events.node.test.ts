/** Which events a webhook is told of, and that no crash comes between an event and its delivery. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { retryBatch, stopBatch } from '../../../src/engine/transitions/batch-commands.ts'
import { claim } from '../../../src/engine/transitions/claim.ts'
import { completeJobs } from '../../../src/engine/transitions/complete-jobs.ts'
import { OPEN_MS, sealBatch } from '../../../src/engine/transitions/open-batches.ts'
import { submit } from '../../../src/engine/transitions/submit.ts'
import { readWebhookSecret } from '../../../src/engine/webhooks.ts'
import { echo } from '../../../src/features/echo/operation.ts'
import { readBatch } from '../../../src/live/state.ts'
import { openEngine, until } from '../../support/fixture.ts'
import { create, delivery, type Engine, log, SECRET, sender } from './fixture.ts'
import { opened, openReceiver } from './receiver.ts'

let engine: Engine
beforeEach(async () => {
  engine = await openEngine({ operations: [sender], allowPrivate: true })
})
afterEach(() => engine.close())

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
    expect(statuses).toContainEqual({ status: 'blocked', n: 4 })
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

describe('what a crash leaves', () => {
  it('is delivered when the process died between the end of the batch and the delivery', async () => {
    await using receiver = await openReceiver()
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'))
    const before = await openEngine({ folder, operations: [sender], allowPrivate: true })
    await create(before, [{}, {}], { url: receiver.url })
    const held = await claim(before, { lease: 'a.1', limit: 2, leaseMs: 60_000 })
    expect(held.map(({ hasFollowUp }) => hasFollowUp)).toEqual([true, true])
    await completeJobs(
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
    const end = () => completeJobs(engine, [{ ...job, kind: 'failed', code: 'UNKNOWN', message: 'no' }])
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

describe('a batch without a webhook', () => {
  it('pays for none: its jobs say so when they are claimed', async () => {
    await engine.submit([{}])
    const [job] = await claim(engine, { lease: 'a.1', limit: 1, leaseMs: 60_000 })
    expect(job?.hasFollowUp).toBe(false)
  })
})
