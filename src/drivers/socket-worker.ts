/** The Sink port on a WebSocket of a Worker. The request that accepted it lives as long as it is open, and everything that it uses with it. */
import type { WebSocket as WorkerSocket, WebSocketPair as WorkerSocketPair } from '@cloudflare/workers-types'
import type { EndReason, Sink } from '../ports.ts'
import { CLOSE_CODES, MAX_MESSAGE_BYTES, TOO_LARGE } from './socket-codes.ts'

declare const WebSocketPair: typeof WorkerSocketPair

/** Accepts the WebSocket that a request asks for. What its client sends is read and dropped. */
export function openWorkerSocket(): { response: Response; sink: Sink } {
  const { 0: client, 1: socket } = new WebSocketPair()
  socket.accept()
  const init: ResponseInit & { webSocket: WorkerSocket } = { status: 101, webSocket: client }
  return { response: new Response(null, init), sink: new WorkerSocketSink(socket) }
}

class WorkerSocketSink implements Sink {
  readonly #socket: WorkerSocket
  #closed = false
  readonly #listeners: (() => void)[] = []
  readonly #utf8 = new TextDecoder()

  constructor(socket: WorkerSocket) {
    this.#socket = socket
    socket.addEventListener('close', () => this.#close())
    socket.addEventListener('error', () => this.#close())
    socket.addEventListener('message', ({ data }) => {
      const bytes = typeof data === 'string' ? data.length : data.byteLength
      if (bytes > MAX_MESSAGE_BYTES) this.#end(...TOO_LARGE)
    })
  }

  /** Reports room always, since the platform does not expose the bytes that wait for a client. */
  write(bytes: Uint8Array): boolean {
    if (this.#closed) return false
    try {
      if (bytes.byteLength > 0) this.#socket.send(this.#utf8.decode(bytes))
      return true
    } catch {
      // The socket is closed; its close event has not been delivered yet.
      this.#close()
      return false
    }
  }

  onDrain(): void {}

  onClose(listener: () => void): void {
    if (this.#closed) listener()
    else this.#listeners.push(listener)
  }

  end(reason: EndReason = 'restart'): void {
    this.#end(...CLOSE_CODES[reason])
  }

  #end(code: number, reason: string): void {
    if (this.#closed) return
    try {
      this.#socket.close(code, reason)
    } catch {
      // Closed at the same moment.
    }
    this.#close()
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const listener of this.#listeners.splice(0)) listener()
  }
}
