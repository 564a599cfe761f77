/** Requests for a WebSocket on Node: asked of the app like any other, with a binding by which it may accept them. */
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { MillraceError } from '../errors.ts'
import type { Connection } from './connection-node.ts'
import { loadSockets, type Upgrade } from './socket-node.ts'

/** Handlers that answer, as the listener has them. */
interface Options {
  readonly fetch: (request: Request, binding: unknown) => Response | Promise<Response>
  readonly body: (error: MillraceError, path?: string) => object
  readonly connections?: { of(socket: Socket): Connection | null }
}

/** Makes the listener for `upgrade`. The answer of an app that does not accept goes out as it is, as the last of its connection. */
export function answerUpgrades(options: Options): (incoming: IncomingMessage, socket: Duplex, head: Buffer) => void {
  return (incoming, socket, head) => {
    const connection = socket instanceof Socket ? options.connections?.of(socket) : null
    if (connection === null || connection === undefined) {
      socket.destroy()
      return
    }
    connection.handOver()
    answer(incoming, { incoming, socket, head, accepted: false }, connection, options).catch(() => socket.destroy())
  }
}

async function answer(
  incoming: IncomingMessage,
  upgrade: Upgrade,
  connection: Connection,
  { fetch, body }: Options,
): Promise<void> {
  const path = incoming.url?.split('?', 1)[0] ?? '/'
  if (connection.overLimit) {
    const error = new MillraceError(
      'SERVICE_UNAVAILABLE',
      'This server holds as many connections as it may. Try again.',
    )
    return connection.refuse(await rawAnswer(Response.json(body(error, path), { status: error.status })))
  }
  const request = requestOf(incoming)
  if (request === null || connection.busy) {
    const error = new MillraceError(
      'INVALID_REQUEST',
      'The address or the Host header of this request cannot be understood.',
    )
    return connection.refuse(await rawAnswer(Response.json(body(error, path), { status: error.status })))
  }
  await loadSockets()
  const response = await fetch(request, upgrade)
  if (!upgrade.accepted) connection.refuse(await rawAnswer(response))
}

function requestOf({ headers, rawHeaders, url = '/' }: IncomingMessage): Request | null {
  try {
    const target = new URL(url, `http://${headers.host ?? ''}`)
    const pairs: [string, string][] = []
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) pairs.push([rawHeaders[at] ?? '', rawHeaders[at + 1] ?? ''])
    return new Request(target, { headers: pairs })
  } catch {
    return null
  }
}

/** An answer as bytes of HTTP/1.1, whole. */
async function rawAnswer(response: Response): Promise<string> {
  const text = await response.text()
  const headers = new Headers(response.headers)
  headers.set('Connection', 'close')
  headers.set('Content-Length', String(new TextEncoder().encode(text).byteLength))
  const lines = [...headers].map(([name, value]) => `${name}: ${value}`)
  return [`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ''}`, ...lines, '', text].join('\r\n')
}
