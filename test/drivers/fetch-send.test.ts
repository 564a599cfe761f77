/** POSTs by the guarded Fetcher: the same fence as its GETs, and nothing of the answer but its status. */
import { expect, it } from 'vitest'
import { createNodeFetcher } from '../../src/drivers/fetch-node.ts'
import { answering, countingSockets, failure, serve } from './fetch-servers.ts'

const message = {
  body: '{"a":"é"}',
  headers: { 'content-type': 'application/json', 'webhook-id': '1' },
  timeoutMs: 5_000,
}
const local = createNodeFetcher({ allowPrivate: true })

it('sends the body and the headers as they are', async () => {
  let seen = ''
  await using server = await serve(async (request, response) => {
    seen = `${request.method} ${request.url} ${request.headers['webhook-id']} ${request.headers['content-length']} `
    for await (const part of request.setEncoding('utf8')) seen += part
    response.writeHead(202, { 'retry-after': '7' }).end('thank you')
  })
  const sent = await local.send(`http://127.0.0.1:${server.port}/hook?to=me`, message)
  expect(sent).toEqual({ status: 202, retryAfterSeconds: 7 })
  expect(seen).toBe('POST /hook?to=me 1 10 {"a":"é"}')
})

it.each([200, 204, 400, 404, 408, 410, 429, 500, 503])('hands back %i as it is', async (status) => {
  await using server = await serve((_, response) => response.writeHead(status).end())
  expect((await local.send(`http://127.0.0.1:${server.port}/`, message)).status).toBe(status)
})

it.each([301, 302, 303, 307, 308])('does not follow a %i', async (status) => {
  await using target = await serve((_, response) => response.end())
  await using server = await serve((_, response) =>
    response.writeHead(status, { location: `http://127.0.0.1:${target.port}/` }).end(),
  )
  expect((await local.send(`http://127.0.0.1:${server.port}/`, message)).status).toBe(status)
  expect(target.requests()).toBe(0)
})

it.each([
  '127.0.0.1',
  '0x7f.1',
  '2130706433',
  '[::1]',
  '[::ffff:7f00:1]',
  'localhost',
  '169.254.169.254',
  '10.0.0.1',
  'db.internal',
])('sends nothing to %s', async (host) => {
  await using server = await serve((_, response) => response.end())
  const sockets = await countingSockets(async () => {
    const error = await failure(createNodeFetcher().send(`http://${host}:${server.port}/`, message))
    expect(error.code).toBe('URL_NOT_ALLOWED')
  })
  expect(sockets).toBe(0)
  expect(server.requests()).toBe(0)
})

it('sends nothing to a public name that resolves to a private address', async () => {
  const lookup = answering(['93.184.216.34', '10.0.0.1'])
  const error = await failure(createNodeFetcher({ lookup }).send('http://hooks.example.org/', message))
  expect(error.code).toBe('URL_NOT_ALLOWED')
})

it('tells an answer that does not come from one that breaks off', async () => {
  await using silent = await serve(() => {})
  await using broken = await serve((_, response) => response.destroy())
  const send = (port: number, timeoutMs: number) =>
    failure(local.send(`http://127.0.0.1:${port}/`, { ...message, timeoutMs }))
  expect((await send(silent.port, 100)).code).toBe('TIMEOUT')
  expect((await send(broken.port, 5_000)).code).toBe('NETWORK_ERROR')
})

it('takes a status as the answer, whatever becomes of the body', async () => {
  await using endless = await serve((_, response) => {
    response.writeHead(200)
    const pour = () => {
      while (response.write('x'.repeat(65_536)));
    }
    response.on('drain', pour)
    pour()
  })
  await using cut = await serve((_, response) => {
    response.writeHead(200, { 'content-length': '1000' })
    response.write('x', () => response.destroy())
  })
  for (const { port } of [endless, cut]) {
    expect((await local.send(`http://127.0.0.1:${port}/`, message)).status).toBe(200)
  }
})

it('is called off by its signal', async () => {
  await using server = await serve(() => {})
  const stop = new AbortController()
  const error = failure(local.send(`http://127.0.0.1:${server.port}/`, { ...message, signal: stop.signal }))
  setTimeout(() => stop.abort(), 20)
  expect((await error).code).toBe('CANCELLED')
})
