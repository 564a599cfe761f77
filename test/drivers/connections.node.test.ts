/** Connections of a server on Node: one request at a time, ends that let answers arrive, limits, and stopping with notice. */
import type { Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ConnectionLimits, Connections } from '../../src/drivers/connections-node.ts'
import { listen } from '../../src/drivers/listen-node.ts'

const HOST = 'Host: 127.0.0.1'
const MB = 1024 * 1024

let connections: Connections
let servers: Server[]
let port: number
let sockets: Socket[]
/** Paths that the app was asked for, and how many requests it had at most at once. */
let asked: string[]
let running: number
let most: number
/** Lets `/slow` go on. */
let release: () => void
let released: Promise<void>
let cancelled: number

async function respond(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url)
  asked.push(pathname)
  running++
  most = Math.max(most, running)
  try {
    if (pathname === '/slow') await released
    if (pathname === '/refused') return new Response('refused', { status: 401 })
    if (pathname === '/large') return new Response('x'.repeat(64 * MB))
    if (pathname === '/endless') return new Response(endless())
    return new Response(`${pathname}${await request.text()}`)
  } finally {
    running--
  }
}

function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024)),
    cancel: () => void cancelled++,
  })
}

async function open(limits: ConnectionLimits = {}): Promise<void> {
  connections = new Connections(limits)
  const body = (error: Error, path?: string) => ({ message: error.message, path })
  servers = await listen({ host: '127.0.0.1', ports: [0], portsGiven: true, fetch: respond, body, connections })
  const address = servers[0]?.address()
  port = typeof address === 'object' && address !== null ? address.port : 0
}

beforeEach(async () => {
  asked = []
  running = most = cancelled = 0
  sockets = []
  ;({ promise: released, resolve: release } = Promise.withResolvers<void>())
  await open()
})
afterEach(async () => {
  release()
  for (const socket of sockets) socket.destroy()
  await connections.drain(servers, 0)
})

const until = async (is: () => boolean) => {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** A client that never closes its side by itself. */
function client() {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  sockets.push(socket)
  const seen = { text: '', ended: false, error: '' }
  socket.setEncoding('latin1').on('data', (text: string) => {
    seen.text += text
  })
  socket.on('end', () => {
    seen.ended = true
  })
  socket.on('error', (error) => {
    seen.error = String(error)
  })
  return { socket, seen }
}

/** A request over a connection of its own, which is closed with it. */
async function other(): Promise<void> {
  const { socket, seen } = client()
  socket.write(get('/other', 'Connection: close'))
  await until(() => seen.ended)
  expect(seen.text).toMatch(/\/other$/)
  socket.end()
}

const get = (path: string, ...headers: string[]) => `GET ${path} HTTP/1.1\r\n${[HOST, ...headers].join('\r\n')}\r\n\r\n`
const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status))

describe('pipelined requests', () => {
  it('are answered in order, one at a time, bodies and all', async () => {
    const { socket, seen } = client()
    const chunked = `POST /c HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n`
    const counted = `POST /b HTTP/1.1\r\n${HOST}\r\nContent-Length: 8\r\n\r\n\r\n\r\ntwo!`
    const all = get('/a') + counted + chunked + get('/d', 'X-Empty:') + counted + get('/e')
    socket.write(all)
    await until(() => seen.text.includes('/e'))
    expect(statuses(seen.text)).toEqual([200, 200, 200, 200, 200, 200])
    expect(asked).toEqual(['/a', '/b', '/c', '/d', '/b', '/e'])
    expect(seen.text).toContain('/b\r\n\r\ntwo!')
    expect(seen.text).toContain('/cone\r\n\r\n')
    expect(most).toBe(1)
  })

  it('are answered the same when they come byte by byte', async () => {
    const { socket, seen } = client()
    socket.setNoDelay(true)
    const post = `POST /b HTTP/1.1\r\n${HOST}\r\nContent-Length: 3\r\n\r\ntwo`
    for (const byte of get('/a') + post + get('/c')) {
      socket.write(byte)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => seen.text.includes('/c'))
    expect(asked).toEqual(['/a', '/b', '/c'])
    expect(seen.text).toContain('/btwo')
  })

  it('leave the event loop to others between two of them', async () => {
    let seen = 0
    let mostInTurn = 0
    let isOver = false
    const count = () => {
      mostInTurn = Math.max(mostInTurn, asked.length - seen)
      seen = asked.length
      if (!isOver) setImmediate(count)
    }
    setImmediate(count)
    const { socket } = client()
    socket.write(get('/a').repeat(500))
    await until(() => asked.length === 500)
    isOver = true
    expect(mostInTurn).toBeLessThanOrEqual(2)
  })

  it('behind one that is being answered are not parsed, and dropped when the connection closes', async () => {
    let parsed = 0
    servers[0]?.prependListener('request', () => {
      parsed++
    })
    const { socket } = client()
    socket.write(get('/slow') + get('/after').repeat(20_000))
    await until(() => asked.length > 0)
    // What comes over another connection meanwhile is answered: the first has been read by then.
    for (let i = 0; i < 5; i++) await other()
    expect(parsed - 5).toBeLessThanOrEqual(2)
    socket.resetAndDestroy()
    release()
    await until(() => running === 0 && connections.open === 0)
    await other()
    expect(asked.filter((path) => path === '/after').length).toBeLessThanOrEqual(2)
  })

  it('whose answers nobody reads are begun one at a time', async () => {
    const { socket } = client()
    socket.pause()
    socket.write(get('/large').repeat(100))
    await until(() => asked.length > 0)
    for (let i = 0; i < 5; i++) await other()
    expect(asked.filter((path) => path === '/large')).toHaveLength(1)
    socket.resetAndDestroy()
    await until(() => connections.open === 0)
    expect(asked.filter((path) => path === '/large').length).toBeLessThanOrEqual(2)
  })

  it.each([
    ['nonsense', 'nonsense\r\n\r\n'],
    ['a tunnel', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'],
    ['an expectation', get('/b', 'Expect: a-miracle')],
    ['a request without a host', 'GET /b HTTP/1.1\r\n\r\n'],
    ['a head without end', `GET /b HTTP/1.1\r\nX-A: ${'a'.repeat(40_000)}`],
  ])('%s behind a request is refused after its answer, not in the middle of it', async (_, text) => {
    const { socket, seen } = client()
    socket.write(get('/slow') + text)
    await until(() => asked.length > 0)
    for (let i = 0; i < 3; i++) await other()
    expect(seen.text).toBe('')
    release()
    await until(() => seen.ended)
    expect(seen.text).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*\/slowHTTP\/1\.1 4\d\d [\s\S]*"message"/)
    expect(statuses(seen.text)).toHaveLength(2)
  })
})

describe('a connection that will not be used again', () => {
  it.each([
    ['nonsense', 'nonsense\r\n\r\n', 400],
    ['headers without end', `GET / HTTP/1.1\r\n${HOST}\r\nX-A: ${'a'.repeat(100_000)}`, 431],
    ['a tunnel', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 400],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', 400],
    ['an expectation', get('/', 'Expect: a-miracle'), 400],
    ['a body that breaks its framing', `POST /a HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
    ['a last request', get('/a', 'Connection: close'), 200],
    ['a refused body that never ends', `POST /refused HTTP/1.1\r\n${HOST}\r\nContent-Length: ${MB}\r\n\r\n{`, 401],
  ])('after %s is answered, ended and released, whatever its client does', async (_, text, status) => {
    const { socket, seen } = client()
    socket.write(text)
    await until(() => seen.ended)
    expect(statuses(seen.text)).toEqual([status])
    expect(seen.text).toMatch(/connection: close/i)
    await until(() => connections.open === 0)
  })

  it('is released when its head does not come to an end', async () => {
    await connections.drain(servers, 0)
    await open({ keepAliveMs: 100 })
    const partial = client()
    partial.socket.write('GET / HTTP/1.1\r\nX-A')
    const silent = client()
    await until(() => partial.seen.ended && silent.seen.ended)
    expect(statuses(partial.seen.text)).toEqual([408])
    await until(() => connections.open === 0)
  })
})

describe('an answer to a request that is still being sent', () => {
  it.each([
    ['that is the last', ['Connection: close'], 'Content-Length'],
    ['that could have another after it', [], 'Content-Length'],
    ['in chunks', [], 'chunked'],
  ])('%s arrives at a client that reads when all is sent', async (_, headers, framing) => {
    for (let i = 0; i < 10; i++) {
      const { socket, seen } = client()
      socket.pause()
      const length = framing === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${8 * MB}`
      socket.write(`POST /refused HTTP/1.1\r\n${[HOST, length, ...headers].join('\r\n')}\r\n\r\n`)
      const piece = framing === 'chunked' ? `100000\r\n${'x'.repeat(MB)}\r\n` : 'x'.repeat(MB)
      for (let n = 0; n < 8; n++) await new Promise((resolve) => socket.write(piece, resolve))
      socket.resume()
      await until(() => seen.ended || seen.error !== '')
      expect(seen.error).toBe('')
      expect(statuses(seen.text)).toEqual([401])
      expect(seen.text).toMatch(/connection: close[\s\S]*refused$/i)
      socket.end()
    }
  })

  it('leaves the connection usable where the rest is small', async () => {
    const { socket, seen } = client()
    socket.write(`POST /refused HTTP/1.1\r\n${HOST}\r\nContent-Length: 5\r\n\r\n`)
    await until(() => seen.text.endsWith('refused'))
    socket.write(`hello${get('/next')}`)
    await until(() => seen.text.endsWith('/next'))
    expect(seen.text).not.toMatch(/connection: close/i)
  })
})

it('closes what an answer reads from when its client goes away', async () => {
  for (const early of [true, false]) {
    cancelled = 0
    const { socket } = client()
    socket.write(get('/endless'))
    if (early) await until(() => asked.includes('/endless'))
    else await new Promise((resolve) => socket.once('data', resolve))
    socket.resetAndDestroy()
    await until(() => cancelled === 1)
    asked = []
  }
})

describe('beyond the limit of connections', () => {
  beforeEach(async () => {
    await connections.drain(servers, 0)
    await open({ maxConnections: 2 })
  })

  it('a request is answered 503 with Retry-After, and counted', async () => {
    const held = [client(), client()]
    await until(() => connections.open === 2)
    const { socket, seen } = client()
    socket.write(get('/bulk/tasks?token=x'))
    await until(() => seen.ended)
    expect(seen.text).toMatch(/^HTTP\/1\.1 503 [\s\S]*Retry-After: 5\r\n/i)
    expect(seen.text).toMatch(/connection: close/i)
    expect(seen.text).toMatch(/"message":"This server holds as many connections.*"path":"\/bulk\/tasks"/)
    expect(connections.refused).toBe(1)
    const health = await fetch(`http://127.0.0.1:${port}/healthz`)
    expect(health.status).toBe(200)
    expect(health.headers.get('connection')).toBe('close')
    for (const one of held) one.socket.destroy()
    socket.destroy()
    await until(() => connections.open === 0)
    expect((await fetch(`http://127.0.0.1:${port}/a`)).status).toBe(200)
  })

  it('any number of them is closed, and leaves nothing behind', async () => {
    const held = [client(), client()]
    await until(() => connections.open === 2)
    const many = Array.from({ length: 600 }, () => client())
    await until(() => connections.refused === 600)
    expect(connections.open).toBeLessThanOrEqual(2 + 256)
    await until(() => many.every(({ seen }) => seen.ended || seen.error !== ''))
    await until(() => connections.open === 2)
    expect(held.every(({ seen }) => !seen.ended)).toBe(true)
  })
})

describe('stopping', () => {
  it('answers what comes on kept connections, with notice, and ends them without a reset', async () => {
    const used = client()
    const idle = client()
    for (const { socket, seen } of [used, idle]) {
      socket.write(get('/a'))
      await until(() => seen.text.endsWith('/a'))
      expect(seen.text).not.toMatch(/connection: close/i)
    }
    const busy = client()
    busy.socket.write(get('/slow'))
    await until(() => asked.includes('/slow'))
    const drained = connections.drain(servers, 30_000)
    used.socket.write(get('/late'))
    release()
    await until(() => [used, idle, busy].every(({ seen }) => seen.ended))
    expect(used.seen.text).toMatch(/connection: close[\s\S]*\/late$/i)
    expect(busy.seen.text).toMatch(/connection: close[\s\S]*\/slow$/i)
    await drained
    expect([used, idle, busy].map(({ seen }) => seen.error)).toEqual(['', '', ''])
  })

  it('ends in time, whoever stays', async () => {
    const { socket, seen } = client()
    socket.write(get('/slow'))
    await until(() => asked.includes('/slow'))
    await connections.drain(servers, 200)
    await until(() => seen.ended || seen.error !== '')
  })
})
