import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Env } from '../../src/http/context.ts'
import { boundRequests } from '../../src/http/middleware/request-limits.ts'
import { errorHandler } from '../../src/http/response/errors.ts'
import { surfaces } from '../../src/surfaces.ts'
import { quietLog } from '../support/fixture.ts'

const log = quietLog()
const app = new Hono<Env>()
app.onError(errorHandler(log, surfaces))
app.use(boundRequests({ maxBytes: 1_000, maxMs: 1_500 }))
app.post('/api/v1/read', async (c) => c.json({ length: (await c.req.text()).length }))
app.post('/api/chunks/read', async (c) => c.json({ length: (await c.req.text()).length }))
app.post('/api/v1/never', () => new Promise(() => {}))

const server = createServer(getRequestListener(app.fetch))
let port = 0
beforeEach(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  port = typeof address === 'object' ? (address?.port ?? 0) : 0
})
afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

/** Sends a body in pieces, without a length unless one is given; ends it unless `open`. */
function send(path: string, pieces: string[], options: { length?: number; open?: boolean } = {}) {
  return new Promise<{ status: number | undefined; body: unknown }>((resolve, reject) => {
    const headers = options.length === undefined ? {} : { 'Content-Length': options.length }
    const sent = request({ port, host: '127.0.0.1', path, method: 'POST', headers }, async (response) => {
      let text = ''
      for await (const piece of response.setEncoding('utf8')) text += piece
      sent.destroy()
      resolve({ status: response.statusCode, body: JSON.parse(text) })
    })
    sent.on('error', reject)
    for (const piece of pieces) sent.write(piece)
    if (options.open !== true) sent.end()
  })
}

it('lets through what is within the bounds', async () => {
  expect(await send('/api/v1/read', ['x'.repeat(600), 'x'.repeat(400)])).toEqual({
    status: 200,
    body: { length: 1_000 },
  })
})

it('refuses a body that is too large, in the shape of its surface, with a stated length or without', async () => {
  const message = 'The request body is larger than 1000 bytes.'
  expect(await send('/api/v1/read', ['x'.repeat(1_001)], { length: 1_001 })).toEqual({
    status: 413,
    body: { detail: message },
  })
  expect(await send('/api/chunks/read', ['x'.repeat(600), 'x'.repeat(401)])).toEqual({
    status: 413,
    body: { error: message },
  })
})

it('ends what takes too long, a body that never ends included', async () => {
  const message = 'The request took longer than the 1.5 seconds it may take.'
  expect(await send('/api/v1/never', [])).toEqual({ status: 503, body: { detail: message } })
  expect(await send('/api/chunks/read', ['x'], { open: true })).toEqual({ status: 503, body: { error: message } })
  expect(log.lines).toEqual([])
})
