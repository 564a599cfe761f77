/** POSTs by the Fetcher of Node, beyond what every Fetcher does: the same fence as its GETs, and nothing of the answer but its status. */
import { expect, it } from 'vitest'
import { createNodeFetcher } from '../../src/drivers/fetch-node.ts'
import { answering, countingSockets, failure, serve } from './fetch-servers.ts'

const message = {
  body: '{"a":"é"}',
  headers: { 'content-type': 'application/json', 'webhook-id': '1' },
  timeoutMs: 5_000,
}
const local = createNodeFetcher({ allowPrivate: true })

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
