/** Webhooks on Cloudflare's own parts: told of by D1, sent by a Worker's fetch. The rest is tested on Node, whose receivers are Node's. */
import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import { openEngine } from '../../support/fixture.ts'
import { create, delivery, log, sender } from './fixture.ts'

const origin = inject('fetchOrigin')
let engine: Awaited<ReturnType<typeof openEngine>>
beforeEach(async () => {
  engine = await openEngine({ operations: [sender], allowPrivate: true })
  await fetch(`${origin}/requests?for=webhooks`)
  await engine.work()
})
afterEach(() => engine.close())

interface Request {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}
const received = async (): Promise<Request[]> => (await fetch(`${origin}/requests?for=webhooks`)).json()

it('a webhook is told of each failed job and of the end of its batch, signed', async () => {
  await create(engine, [{}, { error: 'no good' }], {
    url: `${origin}/status/204?for=webhooks`,
    events: ['job_failed', 'batch_completed'],
  })
  await delivery(engine, ({ event, status }) => event === 'batch_completed' && status === 'completed')
  await delivery(engine, ({ event, status }) => event === 'job_failed' && status === 'completed')
  const requests = await received()
  expect(requests.map(({ method }) => method)).toEqual(['POST', 'POST'])
  expect(new Set(requests.map(({ body }) => JSON.parse(body).type))).toEqual(new Set(['job_failed', 'batch_completed']))
  for (const { headers } of requests) expect(headers['webhook-signature']).toMatch(/^v1,[\w+/]+=*$/)
})

it('one that answers 500 is tried again later', async () => {
  await create(engine, [{}], { url: `${origin}/status/500?for=webhooks` })
  const late = await delivery(engine, ({ attempts, status }) => attempts === 1 && status === 'pending')
  expect(late).toMatchObject({ responseStatus: 500 })
  expect(late.error).toContain('500')
  expect(await log(engine)).toHaveLength(1)
})
