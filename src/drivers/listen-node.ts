/** Listening on Node: ports, what is no HTTP, and stopping without cutting off who is being answered. */
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { getRequestListener, RequestError } from '@hono/node-server'
import { ConfigError } from '../config.ts'
import { MillraceError } from '../errors.ts'

/** Where to listen, and who answers. */
export interface ListenOptions {
  readonly host: string
  readonly ports: readonly number[]
  /** False when the ports are our own choice, so that one that is taken is no error as long as another is free. */
  readonly portsGiven: boolean
  readonly fetch: (request: Request, binding: unknown) => Response | Promise<Response>
  /** How an error is worded to somebody whose request is no request of any route. */
  readonly body: (error: MillraceError) => object
}

/** A large upload over a slow line takes its time; Node would cut it off after five minutes. */
const UPLOAD_MS = 60 * 60 * 1_000
/** Between looks for connections that fell idle while a server stops. */
const IDLE_MS = 20

/**
 * Listens on every port asked for; of ports nobody asked for, on those that are free.
 * @throws ConfigError
 */
export async function listen(options: ListenOptions): Promise<Server[]> {
  const servers: Server[] = []
  for (const port of options.ports) {
    try {
      servers.push(await listenOn(port, options))
    } catch (error) {
      if (options.portsGiven || (port === options.ports.at(-1) && servers.length === 0)) throw error
    }
  }
  return servers
}

function listenOn(port: number, { host, fetch, body }: ListenOptions): Promise<Server> {
  const refuse = (thrown: unknown) => {
    const error = asRefusal(thrown)
    return Response.json(body(error), { status: error.status, headers: { Connection: 'close' } })
  }
  const answer = getRequestListener(fetch, { hostname: host, errorHandler: refuse })
  // Node would answer a request without a host by itself, and without a body.
  const server = createServer({ requestTimeout: UPLOAD_MS, requireHostHeader: false }, (incoming, outgoing) => {
    const { headers, httpVersion, socket } = incoming
    if (headers.host !== undefined || httpVersion === '1.0') return answer(incoming, outgoing)
    answerRaw(new Error('HTTP/1.1 without a host'), socket, body)
  })
  server.on('clientError', (error, socket) => answerRaw(error, socket, body))
  server.on('connect', (_: IncomingMessage, socket: Duplex) => answerRaw(new Error('CONNECT'), socket, body))
  server.on('checkExpectation', ({ socket }: IncomingMessage) => answerRaw(new Error('An expectation'), socket, body))
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)))
    server.listen(port, host, () => {
      const address = server.address()
      if (address === null || typeof address === 'string') return
      const shown = address.family === 'IPv6' ? `[${address.address}]` : address.address
      console.log(`Millrace listens on http://${shown}:${address.port}`)
      resolve(server)
    })
  })
}

/** What of a request could not be understood, before there was a route to ask. Routes answer their own errors. */
function asRefusal(thrown: unknown): MillraceError {
  if (!(thrown instanceof RequestError)) {
    return new MillraceError('UNKNOWN', 'Something went wrong on the server.', { cause: thrown })
  }
  const part = /host/i.test(thrown.message) ? 'Host header' : 'address'
  return new MillraceError('INVALID_REQUEST', `The ${part} of this request cannot be understood.`, { cause: thrown })
}

/** By the parser's codes; what is not here is a bad request. */
const RAW: Readonly<Record<string, readonly [status: number, code: 'TOO_LARGE' | 'TIMEOUT', message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'TOO_LARGE', 'The headers of this request, or its address, hold more than 16 KB.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'TOO_LARGE', 'The chunks of this request have extensions that are too long.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'TIMEOUT', 'The request did not come to its end in time.'],
}

/** Answers what Node's parser refused. */
function answerRaw(error: Error, socket: Duplex, body: ListenOptions['body']): void {
  const fault = 'code' in error ? String(error.code) : ''
  if (fault === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, code, message] = RAW[fault] ?? [
    400,
    'INVALID_REQUEST',
    'This is no HTTP request that can be understood.',
  ]
  const text = JSON.stringify(body(new MillraceError(code, message, { cause: error })))
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(text)}`,
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${text}`)
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): ConfigError {
  return new ConfigError(
    error.code === 'EADDRINUSE'
      ? `PORT=${port} is taken by another program. Choose another, for example PORT=8080.`
      : `HOST=${host} PORT=${port} cannot be listened on: ${error.message}.`,
  )
}

/**
 * Takes no more connections and lets the requests under way be answered, for at most `ms`. What falls idle is closed at once: a client that
 * came back on such a connection would be cut off once more.
 */
export async function drain(server: Server, ms: number): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_MS)
  const late = setTimeout(() => server.closeAllConnections(), ms)
  await closed
  clearInterval(idle)
  clearTimeout(late)
}
