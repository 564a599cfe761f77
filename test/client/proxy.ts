/** What may stand between a client and its server: a proxy that cuts, delays, holds back, or answers by itself. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** A request that came by. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  /** Whether its client is still waiting for the rest of the answer. */
  open: boolean
}

/** What a proxy does with a request that it does not simply pass on; true when it has dealt with it. */
type Meddle = (seen: Seen, response: ServerResponse) => boolean

/** Lets a server listen on a free loopback port, and gives its origin. */
export async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server listens on no port.')
  return `http://127.0.0.1:${address.port}`
}

/** A proxy on a free loopback port. */
export class TestProxy {
  readonly url: string
  readonly seen: Seen[] = []
  /** Holds each answer back until all of it is there. */
  buffers = false
  /** Swallows so many more answers: the server has done what was asked, its client never learns. */
  swallows = 0
  /** Cuts each answer off after so many bytes. */
  cutsAfter = Number.POSITIVE_INFINITY
  meddle: Meddle = () => false
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server, url: string, upstream: string) {
    this.#server = server
    this.url = url
    server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    server.on('request', (incoming, response) => this.#pass(upstream, incoming, response))
  }

  static async start(upstream: string): Promise<TestProxy> {
    const server = createServer()
    return new TestProxy(server, await listen(server), upstream)
  }

  /** Streams that came by. */
  get streams(): Seen[] {
    return this.seen.filter(({ method, url }) => method === 'GET' && url.includes('/stream'))
  }

  /** Breaks every connection there is. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #pass(upstream: string, incoming: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', headers } = incoming
    const seen: Seen = { method, url, headers, open: true }
    this.seen.push(seen)
    response.on('close', () => {
      seen.open = false
    })
    if (this.meddle(seen, response)) return
    const { host: _, ...passed } = headers
    const outgoing = request(new URL(url, upstream), { method, headers: passed }, (answer) => {
      if (this.swallows > 0) {
        this.swallows--
        answer.resume().on('end', () => response.destroy())
      } else if (this.buffers) hold(answer, response)
      else relay(answer, response, this.cutsAfter)
    })
    outgoing.on('error', () => response.destroy())
    response.on('close', () => outgoing.destroy())
    incoming.pipe(outgoing)
  }
}

function relay(answer: IncomingMessage, response: ServerResponse, cutsAfter: number): void {
  response.writeHead(answer.statusCode ?? 502, answer.headers)
  response.flushHeaders()
  let left = cutsAfter
  answer.on('data', (bytes: Buffer) => {
    response.write(bytes.subarray(0, left))
    left -= bytes.length
    // What was written is to arrive before the connection breaks.
    if (left <= 0) response.write('', () => response.destroy())
  })
  answer.on('end', () => response.end())
  answer.on('error', () => response.destroy())
}

function hold(answer: IncomingMessage, response: ServerResponse): void {
  const pieces: Buffer[] = []
  answer.on('data', (bytes: Buffer) => pieces.push(bytes))
  answer.on('error', () => response.destroy())
  answer.on('end', () => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    response.end(Buffer.concat(pieces))
  })
}
