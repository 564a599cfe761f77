/** What the Fetcher of Node makes of answers, beyond what every Fetcher does: connections and sockets, raw bytes, names of files. */
import type { RequestListener } from 'node:http'
import { createServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { createNodeFetcher } from '../../src/drivers/fetch-node.ts'
import { filenameOf } from '../../src/formats/file-name.ts'
import { answering, countingSockets, failure, listening, serve } from './fetch-servers.ts'

const LIMITS = { maxBytes: 1_000_000, timeoutMs: 5_000 }
const NOON = Date.parse('2026-06-01T12:00:00Z')
const fetcher = createNodeFetcher({ allowPrivate: true, clock: { now: () => NOON } })

/** Fetches a path of a server made for it and reads the whole body. */
async function read(listener: RequestListener, path = '/', limits: Parameters<typeof fetcher.fetch>[1] = LIMITS) {
  await using server = await serve(listener)
  const fetched = await fetcher.fetch(`http://127.0.0.1:${server.port}${path}`, limits)
  const bytes = await new Response(fetched.body).bytes()
  return { ...fetched, bytes, text: new TextDecoder().decode(bytes) }
}

test('each redirect is followed on a new connection', async () => {
  const hops: RequestListener = (request, response) => {
    const left = Number(request.url?.slice(1))
    if (left === 0) response.end('there')
    else response.writeHead(left % 2 ? 301 : 308, { location: `${left - 1}` }).end()
  }
  const sockets = await countingSockets(async () => {
    expect((await read(hops, '/5')).text).toBe('there')
  })
  expect(sockets).toBe(6)
})

test.for([
  ['Mon, 01 Jun 2026 12:01:30 GMT', 90],
  ['Mon, 01 Jun 2020 00:00:00 GMT', 0],
] as const)('Retry-After %s is %i seconds', async ([header, seconds]) => {
  const error = await failure(read((_request, response) => response.writeHead(429, { 'retry-after': header }).end()))
  expect(error.details).toEqual({ status: 429, retryAfterSeconds: seconds })
})

test('an endless body is read little further than the limit', async () => {
  let sent = 0
  const endless: RequestListener = (_request, response) => {
    const more = () => {
      while (!response.destroyed) {
        sent += 65_536
        if (!response.write(Buffer.alloc(65_536))) break
      }
    }
    response.on('drain', more)
    more()
  }
  expect((await failure(read(endless))).code).toBe('TOO_LARGE')
  expect(sent, 'what the sockets hold, not more').toBeLessThan(20_000_000)
})

test('gzip that never becomes anything is bounded too', async () => {
  const empty = gzipSync('')
  const nothing: RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' })
    const more = () => {
      while (!response.destroyed && response.write(Buffer.concat(Array.from({ length: 1_000 }, () => empty)))) {}
    }
    response.on('drain', more)
    more()
  }
  expect((await failure(read(nothing))).code).toBe('TOO_LARGE')
})

test('the time limit is over all redirects', async () => {
  const loop: RequestListener = (_request, response) => {
    setTimeout(() => response.writeHead(302, { location: '/' }).end(), 100)
  }
  expect((await failure(read(loop, '/', { ...LIMITS, timeoutMs: 300 }))).code).toBe('TIMEOUT')
})

test('a look-up that hangs or fails is told as such', async () => {
  const hanging = createNodeFetcher({ lookup: () => new Promise(() => {}) })
  const limits = { maxBytes: 1, timeoutMs: 100 }
  expect((await failure(hanging.fetch('http://files.example.org/', limits))).code).toBe('TIMEOUT')
  const empty = createNodeFetcher({ lookup: answering([]) })
  expect((await failure(empty.fetch('http://files.example.org/', LIMITS))).code).toBe('NETWORK_ERROR')
  const absent = createNodeFetcher({
    lookup: async () => {
      throw Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })
    },
  })
  expect((await failure(absent.fetch('http://files.example.org/', LIMITS))).message).toContain(
    'no website under the name',
  )
})

test('a body nobody reads lets go of its connection at the time limit', async () => {
  const closed = Promise.withResolvers<void>()
  await using server = await serve((_request, response) => {
    response.write(gzipSync('x').subarray(0, 12))
    response.on('close', () => closed.resolve())
  })
  const fetched = await fetcher.fetch(`http://127.0.0.1:${server.port}/`, { maxBytes: 1_000, timeoutMs: 2_000 })
  await closed.promise
  expect((await failure(new Response(fetched.body).bytes())).code).toBe('TIMEOUT')
})

test('cancelling the body closes the connection', async () => {
  const closed = Promise.withResolvers<void>()
  await using server = await serve((_request, response) => {
    response.write('x')
    response.on('close', () => closed.resolve())
  })
  const fetched = await fetcher.fetch(`http://127.0.0.1:${server.port}/`, LIMITS)
  await fetched.body.cancel()
  await closed.promise
})

test.for([
  ['hangs up before the head', ''],
  ['hangs up in the head', 'HTTP/1.1 200 OK\r\nContent-Le'],
  ['hangs up in the body', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this'],
  ['hangs up in a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nonly this'],
  ['does not speak HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['has a head without end', `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(200_000)}`],
  ['switches protocols', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'],
  ['frames its body twice', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
] as const)('a server that %s is a NETWORK_ERROR', async ([, answer]) => {
  for (const hangUp of ['end', 'reset'] as const) {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () =>
        socket.write(answer, () => (hangUp === 'end' ? socket.end() : socket.resetAndDestroy())),
      )
    })
    await listening(server, 0, '127.0.0.1')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const whole = async () => {
      const fetched = await fetcher.fetch(`http://127.0.0.1:${address.port}/`, LIMITS)
      await new Response(fetched.body).bytes()
    }
    const error = await failure(whole())
    server.close()
    expect([error.code, error.message.includes('127.0.0.1')]).toEqual(['NETWORK_ERROR', false])
  }
})

// undici before 8.6 ended the process here, by an assertion in the handler of the socket's end (nodejs/undici#5360).
test.for([
  ['a length', 'content-length: 65536', ['', '']],
  ['chunks', 'transfer-encoding: chunked', ['10000\r\n', '\r\n0\r\n\r\n']],
  ['neither', 'x: y', ['', '']],
] as const)(
  'an answer framed by %s whose server hangs up before it is read arrives whole',
  async ([_framing, header, [before, after]]) => {
    const bytes = Buffer.alloc(65_536, 'a')
    const gone = Promise.withResolvers<void>()
    const server = createServer((socket) => {
      socket
        .once('close', () => gone.resolve())
        .once('data', () => {
          socket.write(`HTTP/1.1 200 OK\r\n${header}\r\nconnection: close\r\n\r\n${before}`)
          socket.write(bytes)
          socket.end(after)
        })
    })
    await listening(server, 0, '127.0.0.1')
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const fetched = await fetcher.fetch(`http://127.0.0.1:${address.port}/`, LIMITS)
    await Promise.race([gone.promise, wait(300)])
    const got = await new Response(fetched.body).bytes()
    server.close()
    expect(Buffer.compare(got, bytes)).toBe(0)
  },
)

test('nobody listening is a NETWORK_ERROR', async () => {
  const gone = await serve(() => {})
  await gone[Symbol.asyncDispose]()
  const error = await failure(fetcher.fetch(`http://127.0.0.1:${gone.port}/`, LIMITS))
  expect([error.code, error.message]).toEqual(['NETWORK_ERROR', expect.stringContaining('refused')])
})

test('an abort without a reason of ours is CANCELLED, before and after the head', async () => {
  const limits = (signal: AbortSignal) => ({ ...LIMITS, signal })
  expect((await failure(read(() => {}, '/', limits(AbortSignal.abort())))).code).toBe('CANCELLED')
  const late = new AbortController()
  await using server = await serve((_request, response) => response.write('x'))
  const fetched = await fetcher.fetch(`http://127.0.0.1:${server.port}/`, limits(late.signal))
  const reader = fetched.body.getReader()
  await reader.read()
  const next = failure(reader.read())
  late.abort()
  expect((await next).code).toBe('CANCELLED')
})

test.for([
  ['attachment; filename="a b.pdf"', 'a b.pdf'],
  ['attachment; filename=plain.pdf; size=3', 'plain.pdf'],
  [`attachment; filename="x.pdf"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.pdf`, 'naïve €.pdf'],
  [`attachment; filename*=iso-8859-1'en'%A3%20rates.pdf`, '£ rates.pdf'],
  [`attachment; filename*=UTF-8''%FF.pdf; filename="fallback.pdf"`, 'fallback.pdf'],
  ['attachment; filename="../../etc/passwd"', 'passwd'],
  ['attachment; filename="C:\\temp\\heat.pdf"', 'heat.pdf'],
  [`attachment; filename*=UTF-8''..%2F..%2Fx.pdf`, 'x.pdf'],
  ['attachment; filename="a\\"b.pdf"', 'a_b.pdf'],
  ['attachment; filename="invoice\u202efdp.exe"', 'invoicefdp.exe'],
  ['attachment; filename="na\u00c3\u00afve.pdf"', 'naïve.pdf'],
  ['attachment; filename=".htaccess"', 'htaccess'],
  ['attachment; filename=".."', 'last segment.pdf'],
  ['inline', 'last segment.pdf'],
  [undefined, 'last segment.pdf'],
  [`attachment; filename="${'x'.repeat(500)}.pdf"`, `${'x'.repeat(146)}.pdf`],
] as const)('a download sent as %s is called %s', ([disposition, name]) => {
  expect(filenameOf(disposition, new URL('http://example.org/dir/last%20segment.pdf?x=/y.pdf'))).toBe(name)
})

test('a download without any name has none', () => {
  expect(filenameOf(undefined, new URL('http://example.org/dir/'))).toBeNull()
  expect(filenameOf(undefined, new URL('http://example.org/%E0%A4%A'))).toBe('%E0%A4%A')
})
