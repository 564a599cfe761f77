// biome-ignore-all lint/suspicious/noThenProperty: the name of the option; only what can be called is taken for a promise.
/** Chains, and creates that are debounced or throttled, over real HTTP. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Follower } from '../../support/follow.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { NativeClient } from './native-client.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const { post, create, statusOf, setsOf, followed } = new NativeClient(() => server)
const field = async (body: unknown) => {
  const response = await post('/api/batch', body)
  const { field: name, message } = await response.json()
  return [response.status, name, message]
}

describe('a chain', () => {
  it('is followed from one batch to the next', async () => {
    const { batchId } = await create({
      operation: 'echo',
      items: [{ id: 'one', value: { value: 1 } }, { value: { value: { n: 1e20 } } }, { value: 'no item' }],
      options: { then: { operation: 'echo', options: { labels: ['next'] } } },
    })
    const follower = new Follower(`${server.url}/api/batch/${batchId}/stream`)
    await follower.completed()
    follower.close()
    const { nextBatchId } = follower.received.at(-1)?.data ?? {}
    expect(await statusOf(batchId)).toMatchObject({ then: { operation: 'echo', batchIds: [nextBatchId] } })
    const next = new Follower(`${server.url}/api/batch/${String(nextBatchId)}/stream`)
    await next.completed()
    next.close()
    expect(next.received.map(({ event }) => event).filter((event) => event !== 'job_progress')).toEqual(
      expect.arrayContaining(['batch_started', 'job_completed', 'chain_fed', 'batch_completed']),
    )
    expect(await statusOf(String(nextBatchId))).toMatchObject({
      ...{ status: 'partial', totalJobs: 2, chainedFrom: batchId },
      chain: { from: batchId, expectedItems: 3, rejectedResults: 1, errors: [{ index: 2, field: 'result' }] },
    })
    const { succeeded } = await setsOf(String(nextBatchId))
    expect(succeeded.map(({ itemId, result }) => [itemId, result])).toEqual([
      ['one', 1],
      [null, { n: 1e20 }],
    ])
  })

  it('is refused by the name of the field', async () => {
    const withThen = (then: unknown) => ({ operation: 'echo', items: [{}], options: { then } })
    for (const [body, name, text] of [
      [withThen({ operation: 'nope' }), 'options.then.operation', /no operation "nope"/],
      [withThen({}), 'options.then.operation', /options\.then\.operation/],
      [withThen({ operation: 'http', input: { url: 5 } }), 'options.then.input.url', /options\.then\.input\.url/],
      [
        withThen({ operation: 'echo', options: { runAt: '2100-01-01T00:00:00Z' } }),
        'options.then.options.runAt',
        /Not known here/,
      ],
      [
        withThen({ operation: 'echo', options: { then: { operation: 'http', input: {} } } }),
        'options.then.options.then.input.url',
        /url/,
      ],
    ] as const) {
      expect(await field(body)).toEqual([400, name, expect.stringMatching(text)])
    }
    const dry = await post('/api/batch', { ...withThen({ operation: 'nope' }), dryRun: true })
    expect(dry.status).toBe(400)
  })
})

describe('a debounced or throttled create', () => {
  it('says when it begins, and by which it was superseded', async () => {
    const body = { operation: 'echo', items: [{ value: 1 }], options: { debounce: { key: 'user 1', period: '1h' } } }
    const first = await create(body)
    const second = await create(body)
    expect(Date.parse(second.startsAt ?? '')).toBeGreaterThan(Date.now() + 3_000_000)
    await followed(first.batchId)
    expect(await statusOf(first.batchId)).toMatchObject({ status: 'cancelled', supersededBy: second.batchId })
    expect(await statusOf(second.batchId)).toMatchObject({ status: 'pending', startsAt: second.startsAt })
  })

  it('runs the last of a series once its period is over', async () => {
    const body = { operation: 'echo', items: [{ value: 1 }], options: { debounce: { key: 'soon', period: '1s' } } }
    await create(body)
    const last = await create(body)
    await followed(last.batchId)
    expect(await statusOf(last.batchId)).toMatchObject({ status: 'completed' })
  })

  it('delays what is beyond the limit', async () => {
    const body = { operation: 'echo', items: [{}], options: { throttle: { key: 'k', limit: 1, period: '2s' } } }
    const first = await create(body)
    const second = await create(body)
    expect(Date.parse(second.startsAt ?? '') - Date.parse(first.startsAt ?? '')).toBeGreaterThanOrEqual(2_000)
    await followed(second.batchId)
    expect(await statusOf(second.batchId)).toMatchObject({ status: 'completed' })
  })

  it('is refused where the options contradict each other', async () => {
    const throttle = { key: 'k', limit: 1, period: '1s' }
    const debounce = { key: 'k', period: '1s' }
    const withOptions = (options: unknown, more = {}) => ({ operation: 'echo', items: [{}], options, ...more })
    for (const [body, name] of [
      [withOptions({ throttle, debounce }), 'options.throttle'],
      [withOptions({ throttle, runAt: '2100-01-01T00:00:00Z' }), 'options.throttle'],
      [withOptions({ debounce, runAt: '2100-01-01T00:00:00Z' }), 'options.debounce'],
      [withOptions({ debounce }, { items: undefined, open: true }), 'options.debounce'],
      [withOptions({ debounce: { ...debounce, period: '8d' } }), 'options.debounce.period'],
      [withOptions({ debounce: { ...debounce, period: 5 } }), 'options.debounce.period'],
      [withOptions({ debounce: { key: 'k', period: '1m', timeout: '5s' } }), 'options.debounce.timeout'],
      [withOptions({ debounce: { ...debounce, key: '' } }), 'options.debounce.key'],
      [withOptions({ throttle: { ...throttle, limit: 0 } }), 'options.throttle.limit'],
      [withOptions({ throttle: { limit: 1, period: '1s' } }), 'options.throttle.key'],
    ] as const) {
      expect(await field(body)).toEqual([400, name, expect.stringContaining(name)])
    }
  })
})
