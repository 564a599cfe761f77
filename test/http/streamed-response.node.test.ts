/** Bodies that fail on their way, over real HTTP. */
import { Hono } from 'hono'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { listen } from '../../src/drivers/listen-node.ts'
import { abortNodeResponse } from '../../src/drivers/sink-node.ts'
import { streamOf } from '../../src/formats/streams.ts'
import type { Env } from '../../src/http/context.ts'
import { sendStream } from '../../src/http/response/streamed-response.ts'
import { curl } from '../support/server.ts'

const logged: string[] = []
const note = (_: object, message: string) => void logged.push(message)
const deps = { log: { info: note, warn: note, error: note }, abortResponse: abortNodeResponse }

async function* pieces(good: number, fails: boolean): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < good; i++) yield new TextEncoder().encode('a line of text\n')
  if (fails) throw new Error('The disk is gone.')
}

const app = new Hono<Env>()
  .get('/fails/:after', (c) => sendStream(c, deps, streamOf(pieces(Number(c.req.param('after')), true))))
  .get('/of/:length', (c) => sendStream(c, deps, streamOf(pieces(4, false)), { length: Number(c.req.param('length')) }))

let url: string
let close: () => void

beforeAll(async () => {
  const servers = await listen({ host: '127.0.0.1', ports: [0], portsGiven: true, fetch: app.fetch, body: () => ({}) })
  const address = servers[0]?.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  close = () => servers[0]?.close()
})
afterAll(() => close())

const fault = async (path: string) =>
  z.object({ code: z.int().min(1) }).parse(await curl([`${url}${path}`]).catch((error: unknown) => error))

it.each([0, 1, 2, 3, 40])('a body that fails after %d pieces is no whole answer, and is logged', async (after) => {
  logged.length = 0
  await fault(`/fails/${after}`)
  expect(logged).toEqual(['an answer broke off in the middle'])
})

it('a body that is shorter than was told is no whole answer', async () => {
  logged.length = 0
  await fault('/of/61')
  expect(logged).toEqual(['an answer broke off in the middle'])
})

it('a whole body is sent as it is, with its length', async () => {
  logged.length = 0
  const sent = await curl(['-i', `${url}/of/60`])
  expect(sent).toMatch(/content-length: 60/i)
  expect(sent.endsWith('a line of text\n'.repeat(4))).toBe(true)
  expect(logged).toEqual([])
})

it('a client that goes away while a part is read is no fault of the body', async () => {
  logged.length = 0
  const part = Promise.withResolvers<Uint8Array>()
  const asked = Promise.withResolvers<void>()
  const waiting = new Hono<Env>().get('/', (c) =>
    sendStream(
      c,
      deps,
      new ReadableStream<Uint8Array>(
        {
          async pull(controller) {
            asked.resolve()
            controller.enqueue(await part.promise)
          },
        },
        { highWaterMark: 0 },
      ),
    ),
  )
  const reader = (await waiting.request('/')).body?.getReader()
  const read = reader?.read()
  await asked.promise
  await reader?.cancel()
  part.resolve(new Uint8Array(8))
  expect(await read).toEqual({ done: true, value: undefined })
  await new Promise((resolve) => setImmediate(resolve))
  expect(logged).toEqual([])
})
