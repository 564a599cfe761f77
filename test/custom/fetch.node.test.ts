/** `ctx.fetch` of operations of one's own, against a real server. The fence and the redirects are those of every Fetcher, see contracts/fetcher.ts. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { defineOperation } from '../../src/custom/define-operation.ts'
import { submit } from '../../src/engine/transitions/submit.ts'
import { readJobItems } from '../../src/live/state.ts'
import { startFetchServer } from '../contracts/fetch-server.ts'
import { openEngine, until } from '../support/fixture.ts'

const asks = defineOperation({
  name: 'asks',
  item: z.object({ url: z.string(), method: z.enum(['GET', 'POST', 'DELETE']).default('POST') }),
  maxAttempts: 1,
  async run({ url, method }, ctx) {
    const body = method === 'POST' ? { body: '{"a":1}' } : {}
    const answer = await ctx.fetch(url, { method, headers: { 'X-Key': 'yes' }, ...body })
    return { status: answer.status, told: answer.headers.get('x-told'), text: await answer.text() }
  },
})

let server: Awaited<ReturnType<typeof startFetchServer>>
let engine: Awaited<ReturnType<typeof openEngine>>
beforeAll(async () => {
  server = await startFetchServer()
  engine = await openEngine({ operations: [asks], allowPrivate: true })
  await engine.work()
})
afterAll(async () => {
  await engine.close()
  await server.close()
})

async function outcomesOf(items: readonly unknown[]) {
  const request = asks.fromItems?.({}, items)
  const { batchId } = await submit(engine, { owner: 'me', operation: asks, request })
  return until(async () => {
    const jobs = await readJobItems(engine.db, asks, batchId, { after: 0, limit: 100 })
    return jobs.every(({ finishedAt }) => finishedAt !== null) ? { batchId, jobs } : null
  })
}

it('sends methods, headers and bodies, and gives the answer with its status and headers', async () => {
  await outcomesOf(
    ['POST', 'DELETE', 'GET'].map((method) => ({ url: `${server.origin}/header/there?m=${method}`, method })),
  )
  const requests = z
    .array(z.object({ method: z.string(), headers: z.record(z.string(), z.string()), body: z.string() }))
    .parse(await (await fetch(`${server.origin}/requests`)).json())
  const sent = requests.map(({ method, headers, body }) => [method, headers['x-key'], body]).sort()
  expect(sent).toEqual([
    ['DELETE', 'yes', ''],
    ['GET', 'yes', ''],
    ['POST', 'yes', '{"a":1}'],
  ])
})

it('fails a job with what the server answered', async () => {
  const { jobs } = await outcomesOf([{ url: `${server.origin}/status/404` }, { url: `${server.origin}/status/503` }])
  expect(jobs.map(({ errorCode, errorMessage }) => [errorCode, errorMessage])).toEqual([
    ['NOT_FOUND', 'The server answered 404.'],
    ['SERVICE_UNAVAILABLE', 'The server answered 503.'],
  ])
})
