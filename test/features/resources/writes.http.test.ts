/** Batch updates and deletes over real HTTP: up to 100 at once, more as a batch on the engine. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { Activity } from '../../../src/features/resources/activity-schemas.ts'
import { BatchResults, ItemOutcome, WriteAccepted } from '../../../src/features/resources/schemas.ts'
import { Follower } from '../../support/follow.ts'
import { until } from '../../support/until.ts'
import { opened, openReceiver } from '../webhooks/receiver.ts'
import { type Caller, startWithCallers } from './callers.ts'

let all: Awaited<ReturnType<typeof startWithCallers>>
beforeAll(async () => {
  all = await startWithCallers({ MILLRACE_ALLOW_PRIVATE_URLS: '1' })
})
afterAll(() => all.server[Symbol.asyncDispose]())

const UPDATE = '/api/v1/batch/update'
const DELETE = '/api/v1/batch/delete'
const make = (by: Caller, ids: string[]) =>
  by.post('/api/v1/activities', {
    activities: ids.map((id) => ({ id, name: id, activity_type: 'motor', setting: 'indoor' })),
  })
const update = (items: unknown) => ({ resource_type: 'activities', items })
const read = async (by: Caller, id: string) => {
  const { status, body } = await by.get(`/api/v1/activities/${id}`)
  return status === 200 ? Activity.parse(body) : status
}
const codes = (body: unknown) => BatchResults.parse(body).results.map((one) => one.status_code)

describe('up to 100', () => {
  it('are updated with a result each, and only what is named changes', async () => {
    await make(all.alice, ['u1', 'u2', 'u3'])
    await make(all.bob, ['theirs'])
    const { status, body } = await all.alice.post(
      UPDATE,
      update([
        {
          id: 'u1',
          data: {
            name: 'New',
            age_range: { min_months: 1, max_months: 9 },
            materials_needed: ['a', 'b'],
            is_active: false,
          },
        },
        { id: 'u2', data: { setting: null, name: null, difficulty: 'hard', nonsense: 1 } },
        { id: 'theirs', data: { name: 'Mine now' } },
        { id: 'shared-sock-pairs', data: { name: 'Mine now' } },
        { id: 'u3', data: { duration_minutes: 0 } },
        { id: 'u3', data: { nonsense: 1, id: 'u9', owner: 'bob' } },
        { id: 'u1', data: { difficulty: 'easy', name: 'Newer' } },
      ]),
    )
    expect([status, codes(body)]).toEqual([200, [200, 200, 404, 403, 422, 422, 200]])
    const { results, ...rest } = BatchResults.parse(body)
    expect(rest).toMatchObject({ resource_type: 'activities', total_requested: 7, total_succeeded: 3, total_failed: 4 })
    expect(results.flatMap((one) => (one.status === 'error' ? [one.error] : []))).toEqual([
      'Activity with id theirs not found',
      'Activity with id shared-sock-pairs is shared and can only be read',
      expect.stringMatching(/^data\.duration_minutes: /),
      expect.stringMatching(/^data: /),
    ])
    const u1 = await read(all.alice, 'u1')
    expect(u1).toMatchObject({
      name: 'Newer',
      difficulty: 'easy',
      age_range: { min_months: 1, max_months: 9 },
      materials_needed: ['a', 'b'],
      is_active: false,
      setting: 'indoor',
    })
    expect(results[0]).toEqual({ id: 'u1', status: 'success', data: u1, status_code: 200 })
    expect(await read(all.alice, 'u2')).toMatchObject({ name: 'u2', setting: null, difficulty: 'hard' })
    expect(await read(all.bob, 'theirs')).toMatchObject({ name: 'theirs' })
    expect(await read(all.bob, 'shared-sock-pairs')).toMatchObject({ name: 'Sock Pairs' })
  })

  it('are deleted with a result each', async () => {
    await make(all.alice, ['d1', 'd2'])
    await make(all.bob, ['d-bob'])
    const body = { resource_type: 'activities', ids: ['d1', 'nope', 'd1', 'd-bob', 'shared-sock-pairs'] }
    const first = await all.alice.post(DELETE, body)
    expect(codes(first.body)).toEqual([200, 404, 200, 404, 403])
    expect(BatchResults.parse(first.body).results[0]).toEqual({ id: 'd1', status: 'success', status_code: 200 })
    expect(codes((await all.alice.post(DELETE, body)).body)).toEqual([404, 404, 404, 404, 403])
    expect([await read(all.alice, 'd1'), await read(all.bob, 'd-bob')]).toMatchObject([404, { id: 'd-bob' }])
    expect(await read(all.alice, 'd2')).toMatchObject({ id: 'd2' })
  })

  it('may be notes', async () => {
    await all.alice.post('/api/v1/coaching', { notes: [{ id: 'n', child_id: 'c', author: 'A', text: 'old' }] })
    const item = { id: 'n', data: { text: 'new', child_id: 'other' } }
    const { body } = await all.alice.post(UPDATE, { resource_type: 'coaching', items: [item] })
    expect(body).toMatchObject({ results: [{ data: { text: 'new', child_id: 'c', author: 'A' } }] })
  })

  it.each([
    [UPDATE, { resource_type: 'batches', items: [] }, 400],
    [DELETE, { resource_type: 'participations', ids: [] }, 400],
    [DELETE, { resource_type: 'constructor', ids: [] }, 400],
    [UPDATE, update([{ id: 'a' }]), 422],
    [UPDATE, update([{ id: 'a', data: [] }]), 422],
    [UPDATE, update({ id: 'a', data: {} }), 422],
    [DELETE, { resource_type: 'activities', ids: [1] }, 422],
  ])('are refused when wrong: %s %j', async (path, body, status) => {
    const answer = await all.alice.post(path, body)
    expect([answer.status, Object.keys(Object(answer.body))]).toEqual([status, ['detail']])
  })
})

describe('more than 100', () => {
  const Merged = z.object({ results: z.array(ItemOutcome), total_succeeded: z.int(), total_failed: z.int() })
  const Status = z.object({ batch: z.looseObject({ status: z.string(), totalJobs: z.int() }) })

  /** Waits for the end of what was accepted; gives what became of each item. */
  async function ended(by: Caller, accepted: WriteAccepted) {
    await until(async () => {
      const { batch } = Status.parse((await by.get(accepted.status_url)).body)
      return batch.status === 'completed' ? batch : null
    }, 30_000)
    return Merged.parse((await by.get(accepted.results_url)).body)
  }

  it('become a batch that can be followed, with a result each in the end', async () => {
    const ids = Array.from({ length: 350 }, (_, i) => `big-${i}`)
    await make(all.alice, ids)
    const items = [
      ...ids.map((id) => ({ id, data: { name: `${id} renamed` } })),
      { id: 'nope', data: { name: 'x' } },
      { id: 'big-0', data: { name: 'last' } },
    ]
    const { status, body, headers } = await all.alice.post(UPDATE, update(items))
    const accepted = WriteAccepted.parse(body)
    expect([status, accepted.total_requested, headers.get('Location')]).toEqual([202, 352, accepted.status_url])
    const follower = new Follower(`${all.server.url}${accepted.stream_url}`)
    const { results, ...totals } = await ended(all.alice, accepted)
    expect(totals).toEqual({ total_succeeded: 351, total_failed: 1 })
    expect(results.map(({ id }) => id)).toEqual(items.map(({ id }) => id))
    expect(results[350]).toEqual({
      id: 'nope',
      status: 'error',
      error: 'Activity with id nope not found',
      status_code: 404,
    })
    expect(await read(all.alice, 'big-349')).toMatchObject({ name: 'big-349 renamed' })
    // The later of two changes stays, though they are in different slices.
    expect(await read(all.alice, 'big-0')).toMatchObject({ name: 'last' })
    const last = await follower.completed()
    follower.close()
    expect(last.data).toMatchObject({ status: 'completed', total_succeeded: 351, total_failed: 1 })
    expect(follower.logged.filter(({ event }) => event === 'job_completed')).toHaveLength(4)

    expect((await all.bob.get(accepted.status_url)).status).toBe(404)
  })

  it("are deleted likewise, once under one Idempotency-Key, and never another owner's", async () => {
    const ids = Array.from({ length: 150 }, (_, i) => `gone-${i}`)
    await make(all.alice, ids)
    await make(all.bob, ids)
    const body = { resource_type: 'activities', ids: [...ids, 'shared-sock-pairs'] }
    const key = { 'Idempotency-Key': 'delete-these' }
    const first = WriteAccepted.parse((await all.alice.post(DELETE, body, key)).body)
    const again = WriteAccepted.parse((await all.alice.post(DELETE, body, key)).body)
    expect(again.batch_id).toBe(first.batch_id)
    const { results, ...totals } = await ended(all.alice, first)
    expect(totals).toEqual({ total_succeeded: 150, total_failed: 1 })
    expect(results.at(-1)?.status_code).toBe(403)
    expect([await read(all.alice, 'gone-0'), await read(all.bob, 'gone-149')]).toMatchObject([404, { id: 'gone-149' }])
  })

  it('are cut by size too, and refused where one item is no item', async () => {
    const ids = Array.from({ length: 101 }, (_, i) => `wide-${i}`)
    await make(all.alice, ids)
    const wide = ids.map((id) => ({ id, data: { description: 'ü'.repeat(5_000) } }))
    const accepted = WriteAccepted.parse((await all.alice.post(UPDATE, update(wide))).body)
    expect(await ended(all.alice, accepted)).toMatchObject({ total_succeeded: 101, total_failed: 0 })
    const { batch } = Status.parse((await all.alice.get(accepted.status_url)).body)
    expect(batch.totalJobs).toBe(3)
    const large = await all.alice.post(UPDATE, update([...wide, { id: 'x', data: { junk: 'x'.repeat(600_000) } }]))
    expect([large.status, large.body]).toEqual([400, { detail: 'items.101 is larger than 500 KB.' }])
    const long = await all.alice.post(DELETE, { resource_type: 'activities', ids: [...ids, 'x'.repeat(1_001)] })
    expect([long.status, long.body]).toMatchObject([422, { detail: [{ loc: ['body', 'ids', 101] }] }])
  })

  it('tell a webhook when they end', async () => {
    await using receiver = await openReceiver()
    const ids = Array.from({ length: 101 }, (_, i) => `none-${i}`)
    const { body } = await all.alice.post(DELETE, { resource_type: 'activities', ids, webhook: { url: receiver.url } })
    const { batch_id, webhook_secret = '' } = WriteAccepted.parse(body)
    const told = await until(async () => receiver.received[0], 30_000)
    expect(opened(told, webhook_secret).data).toMatchObject({ batchId: batch_id, operation: 'resources.write' })
    const wrong = await all.alice.post(DELETE, { resource_type: 'activities', ids, webhook: { url: 'nowhere' } })
    expect([wrong.status, wrong.body]).toMatchObject([422, { detail: [{ loc: ['body', 'webhook', 'url'] }] }])
  })

  it('are too many for get and recommendations, which have limits', async () => {
    const ids = Array(101).fill('a')
    expect((await all.alice.post('/api/v1/batch/get', { resource_type: 'activities', ids })).status).toBe(422)
    expect((await all.alice.post('/api/v1/batch/activities/recommendations', { child_ids: ids })).status).toBe(422)
  })
})
