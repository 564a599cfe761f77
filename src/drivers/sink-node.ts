/** The Sink port on Node's own response: shared bytes go to the socket without a copy a client. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Sink } from '../ports.ts'

function responseOf(binding: unknown): ServerResponse {
  if (typeof binding === 'object' && binding !== null && 'outgoing' in binding) {
    const { outgoing } = binding
    if (isServerResponse(outgoing)) return outgoing
  }
  throw new Error('A node stream needs the bindings of @hono/node-server.')
}

function isServerResponse(value: unknown): value is ServerResponse {
  return typeof value === 'object' && value !== null && 'writeHead' in value && 'write' in value
}

/** Sends the headers of a streamed answer and takes over its body. */
export function openNodeSink(
  binding: unknown,
  headers: Readonly<Record<string, string>>,
): { response: Response; sink: Sink } {
  const outgoing = responseOf(binding)
  outgoing.writeHead(200, headers)
  return { response: RESPONSE_ALREADY_SENT, sink: new NodeSink(outgoing) }
}

/**
 * Resets the connection of an answer that can't be finished, so that its client sees that it is not whole: to HTTP/1.0, where an answer ends
 * with its connection, a plain close would be the end.
 */
export function abortNodeResponse(binding: unknown): void {
  const outgoing = responseOf(binding)
  // Whatever is written to it from now on goes nowhere.
  outgoing.on('error', ignore)
  outgoing.socket?.resetAndDestroy()
  outgoing.destroy()
}

/**
 * Bytes as a chunk of HTTP/1.1 (RFC 9112, section 7.1), made once however many clients get them. Node's own `write` makes three pieces of
 * each chunk for each client, which is half of what a delivery costs.
 */
const chunks = new WeakMap<Uint8Array, Buffer>()

function chunkOf(bytes: Uint8Array): Buffer {
  const made = chunks.get(bytes)
  if (made !== undefined) return made
  const size = Buffer.from(`${bytes.byteLength.toString(16)}\r\n`, 'latin1')
  const chunk = Buffer.concat([size, bytes, CRLF])
  chunks.set(bytes, chunk)
  return chunk
}

const CRLF = Buffer.from('\r\n', 'latin1')
// A client that resets the connection is a client that went away: 'close' follows and says so.
const ignore = () => {}

class NodeSink implements Sink {
  readonly #outgoing: ServerResponse
  /** Socket that whole chunks are written to; null where the response is not chunked, or waits for an earlier one of its connection. */
  readonly #socket: Socket | null
  #drained: () => void = ignore
  readonly #closed: (() => void)[] = []

  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing
    outgoing.flushHeaders()
    const { httpVersionMajor, httpVersionMinor } = outgoing.req
    this.#socket = httpVersionMajor === 1 && httpVersionMinor === 1 ? outgoing.socket : null
    const drains = this.#socket ?? outgoing
    // A connection outlives its responses.
    const onDrain = () => {
      if (!outgoing.writableEnded) this.#drained()
    }
    drains.on('drain', onDrain)
    outgoing.on('error', ignore)
    outgoing.on('close', () => {
      drains.off('drain', onDrain)
      for (const listener of this.#closed) listener()
    })
  }

  write(bytes: Uint8Array): boolean {
    // Nothing may follow the last chunk: the connection belongs to the next response then.
    if (this.#outgoing.writableEnded || this.#outgoing.destroyed) return false
    // An empty chunk would be the last.
    if (bytes.byteLength === 0) return true
    return this.#socket === null ? this.#outgoing.write(bytes) : this.#socket.write(chunkOf(bytes))
  }

  onDrain(listener: () => void): void {
    this.#drained = listener
  }

  onClose(listener: () => void): void {
    if (this.#outgoing.closed) listener()
    else this.#closed.push(listener)
  }

  end(): void {
    this.#outgoing.end()
  }
}
