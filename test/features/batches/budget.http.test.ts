/** Budgets over real HTTP: what is asked, shown and told. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Follower } from '../../support/follow.ts'
import { startServer, type TestServer } from '../../support/server.ts'
import { NativeClient } from './native-client.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer({ env: { CONCURRENCY: '2' } })
})
afterAll(() => server[Symbol.asyncDispose]())

const { post, create, statusOf } = new NativeClient(() => server)

describe('a batch with a budget', () => {
  it('is cancelled by it, which its stream and its state say', async () => {
    const { batchId } = await create({
      operation: 'echo',
      items: [{ error: 'no good' }, { error: 'no good' }, ...Array(50).fill({ waitMs: 30_000 })],
      options: { budget: { maxFailures: 1, onExceeded: 'cancel' } },
    })
    const follower = new Follower(`${server.url}/api/batch/${batchId}/stream`)
    await follower.completed()
    follower.close()
    expect(follower.received.find(({ event }) => event === 'budget_exceeded')?.data).toMatchObject({
      type: 'budget_exceeded',
      batchId,
      limit: 'maxFailures',
      value: 2,
      max: 1,
      action: 'cancel',
    })
    expect(await statusOf(batchId)).toMatchObject({
      status: 'cancelled',
      failedJobs: 2,
      budget: { maxFailures: 1, onExceeded: 'cancel', exceeded: { limit: 'maxFailures', value: 2, max: 1 } },
    })
  })

  it('is refused where the budget bounds nothing, or a limit is none', async () => {
    for (const [budget, message] of [
      [{}, /options\.budget: expected maxFailures, maxFailureRate or maxCost/i],
      [{ onExceeded: 'pause' }, /options\.budget: expected maxFailures/i],
      [{ maxFailureRate: 5 }, /options\.budget\.maxFailureRate: .*0\.1 for a tenth/i],
      [{ maxFailures: -1 }, /options\.budget\.maxFailures/],
      [{ maxfailures: 1 }, /options\.budget.*maxFailures/],
      [{ maxFailures: 1, onExceeded: 'stop' }, /options\.budget\.onExceeded/],
    ] as const) {
      const response = await post('/api/batch', { operation: 'echo', items: [{}], options: { budget } })
      expect([response.status, (await response.json()).message]).toEqual([400, expect.stringMatching(message)])
    }
  })
})
