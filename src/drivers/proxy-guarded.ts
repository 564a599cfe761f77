/**
 * A loopback proxy for a program that fetches by itself: each request and each tunnel passes the rules of the Fetcher (scheme, port,
 * addresses after the look-up, the address connected to), and all bytes together are bounded. One proxy serves one run of the program.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { type Duplex, pipeline, Transform } from 'node:stream'
import { MillraceError } from '../errors.ts'
import { bareHost, checkUrl, portOf, privateRefusal, refusal } from './fetch-address.ts'
import { createGuard, type NodeFetcherOptions, resolve } from './fetch-connect.ts'
import { readWhole } from './fetch-exchange.ts'
import { createNodeRequester, type SingleRequest } from './fetch-node.ts'
import { tooLarge } from './fetch-response.ts'

/** Options of a proxy: those of the Fetcher, and a bound. */
export interface ProxyOptions extends NodeFetcherOptions {
  /** Bytes that may come back through it, over all requests. */
  readonly maxBytes: number
}

/** An open proxy. */
export interface GuardedProxy {
  /** URL with the credentials that it asks for. */
  readonly url: string
  /** First error by which it refused something; null where it refused nothing. */
  readonly refused: MillraceError | null
  /** Closes it and all connections through it. */
  close(): void
}

/** Bytes that a request may send through it. */
const MAX_SENT_BYTES = 1024 * 1024
/** Requests in flight at once. */
const MAX_REQUESTS = 64
/** Headers that belong to a connection (RFC 9110, section 7.6.1), and those of the proxy itself. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Opens a proxy on a free port of 127.0.0.1.
 * @example
 * const proxy = await openGuardedProxy({ maxBytes: 1_000_000 })
 * spawn('program', ['--proxy', proxy.url])
 */
export async function openGuardedProxy(options: ProxyOptions): Promise<GuardedProxy> {
  return new LoopbackProxy(options).open()
}

class LoopbackProxy implements GuardedProxy {
  url = ''
  refused: MillraceError | null = null
  readonly #guard: ReturnType<typeof createGuard>
  readonly #send: ReturnType<typeof createNodeRequester>
  readonly #closing = new AbortController()
  readonly #password = randomUUID()
  readonly #server = createServer((request, response) => void this.#forward(request, response))
  readonly #sockets = new Set<Duplex>()
  readonly #maxBytes: number
  #bytes = 0

  constructor(options: ProxyOptions) {
    const { maxBytes } = options
    this.#maxBytes = maxBytes
    this.#guard = createGuard(options)
    this.#send = createNodeRequester({ ...this.#guard, perOwner: MAX_REQUESTS })
    this.#server.on('connect', (request, socket, head) => void this.#tunnel(request, socket, head))
    this.#server.on('connection', (socket) => this.#hold(socket))
    this.#server.on('clientError', (_, socket) => socket.destroy())
  }

  async open(): Promise<GuardedProxy> {
    await new Promise<void>((listening, failed) => {
      this.#server.once('error', failed)
      this.#server.listen(0, '127.0.0.1', listening)
    })
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('The proxy has no port.')
    this.url = `http://millrace:${this.#password}@127.0.0.1:${address.port}`
    return this
  }

  close(): void {
    this.#closing.abort()
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #hold(socket: Duplex): void {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }

  /** Other programs of this machine must not use it. */
  #isAllowed({ headers }: IncomingMessage): boolean {
    const given = Buffer.from(headers['proxy-authorization']?.replace(/^Basic /i, '') ?? '', 'base64').toString()
    return given === `millrace:${this.#password}`
  }

  #note(error: unknown): MillraceError {
    const known = error instanceof MillraceError ? error : new MillraceError('NETWORK_ERROR', 'There is no answer.')
    if (known.code === 'URL_NOT_ALLOWED' || known.code === 'TOO_LARGE') this.refused ??= known
    return known
  }

  /** Passes bytes on until there are too many. */
  #counter(): Transform {
    return new Transform({
      transform: (chunk: Uint8Array, _, done) => {
        this.#bytes += chunk.byteLength
        if (this.#bytes <= this.#maxBytes) done(null, chunk)
        else done(this.#note(tooLarge(this.#maxBytes)))
      },
    })
  }

  async #forward(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#isAllowed(request)) return void response.writeHead(407).end()
    try {
      const { url = '', method = 'GET' } = request
      const body = method === 'POST' ? await readWhole(request, MAX_SENT_BYTES) : undefined
      const headers = headersToSend(request)
      const sent: SingleRequest = { url, method, headers, ...(body === undefined ? {} : { body }) }
      const answer = await this.#send(sent, this.#closing.signal)
      response.writeHead(answer.statusCode, Object.fromEntries(endToEnd(answer.headers)))
      pipeline(answer.body, this.#counter(), response, () => {})
    } catch (error) {
      const { message, code } = this.#note(error)
      if (response.headersSent) response.destroy()
      else response.writeHead(code === 'URL_NOT_ALLOWED' ? 403 : 502, { 'Content-Type': 'text/plain' }).end(message)
    }
  }

  /** `CONNECT host:port`: connects to an address that was checked, and passes bytes. */
  async #tunnel(request: IncomingMessage, client: Duplex, head: Uint8Array): Promise<void> {
    const answer = (status: string) => client.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
    if (!this.#isAllowed(request)) return void answer('407 Proxy Authentication Required')
    try {
      const upstream = await this.#connect(request.url ?? '')
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      if (head.byteLength > 0) upstream.write(head)
      pipeline(upstream, this.#counter(), client, () => upstream.destroy())
      pipeline(client, upstream, () => client.destroy())
    } catch (error) {
      answer(this.#note(error).code === 'URL_NOT_ALLOWED' ? '403 Forbidden' : '502 Bad Gateway')
    }
  }

  async #connect(authority: string): Promise<Socket> {
    if (!/^[^/?#@\\]+:\d{1,5}$/.test(authority)) throw refusal('This is no address to connect to.')
    const url = checkUrl(`https://${authority}/`, this.#guard)
    const addresses = await resolve(this.#guard, url, this.#closing.signal)
    const upstream = connect({
      host: bareHost(url),
      port: portOf(url),
      autoSelectFamily: true,
      lookup: (_name, options, found) =>
        options.all === true ? found(null, addresses) : found(null, addresses[0].address, addresses[0].family),
    })
    this.#hold(upstream)
    await new Promise<void>((connected, failed) => {
      upstream.once('connect', connected)
      upstream.once('error', failed)
      upstream.once('close', () => failed(new Error('closed')))
    })
    const { remoteAddress = '', remotePort = 0 } = upstream
    if (this.#guard.permits(remoteAddress, remotePort)) return upstream
    upstream.destroy()
    throw privateRefusal()
  }
}

/** Returns the headers that go from end to end. */
function endToEnd(headers: IncomingHttpHeaders): [name: string, value: string | string[]][] {
  const named = new Set((headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase()))
  return Object.entries(headers).flatMap(([name, value]): [string, string | string[]][] =>
    value === undefined || HOP_BY_HOP.has(name) || named.has(name) ? [] : [[name, value]],
  )
}

/** Returns the headers of a request, without its length: the client that sends it counts. */
function headersToSend({ headers }: IncomingMessage): Record<string, string> {
  const kept = endToEnd(headers).filter(([name]) => name !== 'content-length')
  return Object.fromEntries(kept.map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]))
}
