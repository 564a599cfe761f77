/** Listening on Node: ports, and answers to what is no request of any route. */
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import { Socket } from 'node:net'
import { getRequestListener, type HttpBindings, RequestError } from '@hono/node-server'
import { ConfigError } from '../config.ts'
import { MillraceError } from '../errors.ts'
import { closeIfUnread } from './connection-node.ts'
import { Connections } from './connections-node.ts'
import { answerUpgrades } from './upgrade-node.ts'
import { MAX_UPLOAD_MS } from './upload-time.ts'

/** Addresses to listen on, and the handlers that answer. */
export interface ListenOptions {
  readonly host: string
  readonly ports: readonly number[]
  /** False when the ports are our own choice, so that one that is taken is no error as long as another is free. */
  readonly portsGiven: boolean
  readonly fetch: (request: Request, binding: unknown) => Response | Promise<Response>
  /** Builds the response body of an error for a request that no route can be found for; `path` where one could be read. */
  readonly body: (error: MillraceError, path?: string) => object
  /** Checks if a path accepts WebSocket upgrades; elsewhere an upgrade is handled as a plain request. @default none does */
  readonly isSocket?: (path: string) => boolean
  /** Tracks the connections. @default one without a limit */
  readonly connections?: Connections
}

/** Time that a head may take beyond what an idle connection is kept, so that the two never race, in milliseconds. */
const HEADERS_MARGIN_MS = 1_000
/** Interval at which Node looks for requests that are late, in milliseconds. */
const CHECK_MS = 5_000
/** `Retry-After` in seconds for a client that was refused for lack of connections. */
const RETRY_AFTER_SECONDS = 5
/** Answered beyond the limit of connections too: a full server is alive. */
const ALIVE_PATH = '/healthz'

/**
 * Listens on every configured port, and on those default ports that are free.
 * @throws ConfigError
 */
export async function listen(options: ListenOptions): Promise<Server[]> {
  const servers: Server[] = []
  const connections = options.connections ?? new Connections()
  for (const port of options.ports) {
    try {
      servers.push(await listenOn(port, { ...options, connections }))
    } catch (error) {
      if (options.portsGiven || (port === options.ports.at(-1) && servers.length === 0)) throw error
    }
  }
  return servers
}

type Answering = ListenOptions & { readonly connections: Connections }

function listenOn(port: number, options: Answering): Promise<Server> {
  const { host, connections, isSocket = () => false } = options
  const server = createServer({
    // Node would cut an upload off after five minutes.
    requestTimeout: MAX_UPLOAD_MS,
    keepAliveTimeout: connections.keepAliveMs,
    headersTimeout: connections.keepAliveMs + HEADERS_MARGIN_MS,
    connectionsCheckingInterval: CHECK_MS,
    // Node would answer a request without a host by itself, and without a body.
    requireHostHeader: false,
    // Without it a listener for upgrades would be handed every `Upgrade`, and HTTP/2 clients that offer one would wait for good.
    shouldUpgradeCallback: ({ method, headers, url }) =>
      method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket' && isSocket(url?.split('?', 1)[0] ?? ''),
  })
  connections.watch(server)
  const answer = answering(options)
  server.on('request', (incoming, outgoing) => answer(incoming, outgoing, false))
  server.on('checkExpectation', (incoming, outgoing) => answer(incoming, outgoing, true))
  const refuse = (error: Error, socket: unknown) => {
    if (socket instanceof Socket) answerRaw(error, socket, options)
  }
  server.on('clientError', refuse)
  server.on('upgrade', answerUpgrades(options))
  server.on('connect', (_: IncomingMessage, socket: unknown) => refuse(new Error('CONNECT'), socket))
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

/** Makes what answers requests, one at a time a connection: by the app, or with an error where they are none that it can be asked. */
function answering({ host, fetch, body, connections }: Answering) {
  const respond = async (request: Request, binding: unknown) => {
    const response = await fetch(request, binding)
    if (!isBinding(binding)) return response
    const { incoming, outgoing } = binding
    closeIfUnread(incoming, outgoing)
    // There is no reader; the resources of the body are released.
    if (outgoing.destroyed) await response.body?.cancel()
    return response
  }
  const errorHandler = (thrown: unknown) => {
    const error = asRefusal(thrown)
    return Response.json(body(error), { status: error.status, headers: { Connection: 'close' } })
  }
  const answer = getRequestListener(respond, { hostname: host, errorHandler })
  return (incoming: IncomingMessage, outgoing: ServerResponse, expects: boolean) => {
    const connection = connections.of(incoming.socket)
    connection?.take(incoming, outgoing, () => {
      const path = incoming.url?.split('?', 1)[0] ?? '/'
      const noHost = incoming.headers.host === undefined && incoming.httpVersion !== '1.0'
      if (noHost || expects) {
        const cause = new Error(noHost ? 'HTTP/1.1 without a host' : 'An expectation')
        answerError(outgoing, body, new MillraceError('INVALID_REQUEST', NOT_HTTP, { cause }))
      } else if (connection.overLimit && path !== ALIVE_PATH) {
        const message = `This server holds as many connections as it may. Try again in ${RETRY_AFTER_SECONDS} seconds.`
        const cause = new Error('Beyond MAX_CONNECTIONS')
        outgoing.setHeader('Retry-After', RETRY_AFTER_SECONDS)
        answerError(outgoing, body, new MillraceError('SERVICE_UNAVAILABLE', message, { cause }), path)
      } else void answer(incoming, outgoing)
    })
  }
}

function isBinding(binding: unknown): binding is HttpBindings {
  return typeof binding === 'object' && binding !== null && 'incoming' in binding && 'outgoing' in binding
}

/** Answers a request without the app, in the order of the connection, which then closes. */
function answerError(outgoing: ServerResponse, body: ListenOptions['body'], error: MillraceError, path?: string): void {
  const text = JSON.stringify(body(error, path))
  outgoing.shouldKeepAlive = false
  outgoing.writeHead(error.status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) })
  outgoing.end(text)
}

/** Converts an error from before routing into one that names the malformed part of the request. Routes answer their own errors. */
function asRefusal(thrown: unknown): MillraceError {
  if (!(thrown instanceof RequestError)) {
    return new MillraceError('UNKNOWN', 'Something went wrong on the server.', { cause: thrown })
  }
  const part = /host/i.test(thrown.message) ? 'Host header' : 'address'
  return new MillraceError('INVALID_REQUEST', `The ${part} of this request cannot be understood.`, { cause: thrown })
}

const NOT_HTTP = 'This is no HTTP request that can be understood.'

/** By the parser's codes; what is not here is a bad request. */
const RAW: Readonly<Record<string, readonly [status: number, code: 'TOO_LARGE' | 'TIMEOUT', message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'TOO_LARGE', 'The headers of this request, or its address, hold more than 16 KB.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'TOO_LARGE', 'The chunks of this request have extensions that are too long.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'TIMEOUT', 'The request did not come to its end in time.'],
}

/** Answers what Node's parser refused, and what is no request but has taken the socket over. */
function answerRaw(error: Error, socket: Socket, { body, connections }: Answering): void {
  const connection = connections.of(socket)
  const fault = 'code' in error ? String(error.code) : ''
  if (fault === 'ECONNRESET' || !socket.writable || connection === null) {
    socket.destroy()
    return
  }
  if (connection.closing) return
  const [status, code, message] = RAW[fault] ?? [400, 'INVALID_REQUEST', NOT_HTTP]
  const text = JSON.stringify(body(new MillraceError(code, message, { cause: error })))
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Connection: close',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(text)}`,
  ]
  connection.refuse(`${head.join('\r\n')}\r\n\r\n${text}`)
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): ConfigError {
  return new ConfigError(
    error.code === 'EADDRINUSE'
      ? `PORT=${port} is taken by another program. Choose another, for example PORT=8080.`
      : `HOST=${host} PORT=${port} cannot be listened on: ${error.message}.`,
  )
}
