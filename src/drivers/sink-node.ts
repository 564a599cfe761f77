/** The Sink port on Node's own response: shared bytes go to the socket without a copy a client. */
import type { ServerResponse } from 'node:http'
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

class NodeSink implements Sink {
  readonly #outgoing: ServerResponse
  constructor(outgoing: ServerResponse) {
    this.#outgoing = outgoing
    // A client that resets the connection is a client that went away: 'close' follows and says so.
    outgoing.on('error', () => {})
  }

  write(bytes: Uint8Array): boolean {
    return this.#outgoing.writable && this.#outgoing.write(bytes)
  }

  onDrain(listener: () => void): void {
    this.#outgoing.on('drain', listener)
  }

  onClose(listener: () => void): void {
    if (this.#outgoing.closed) listener()
    else this.#outgoing.once('close', listener)
  }

  end(): void {
    this.#outgoing.end()
  }
}
