/** The Sink port on a WebSocket of Node, and the handshakes of our own listener. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { WebSocket, WebSocketServer } from 'ws'
import type { EndReason, Sink } from '../ports.ts'
import { CLOSE_CODES, MAX_MESSAGE_BYTES } from './socket-codes.ts'

/** A connection whose client asked for a WebSocket, and what came after its head. */
export interface Upgrade {
  readonly incoming: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  /** Set once the socket is a WebSocket's, and takes no HTTP response any more. */
  accepted: boolean
}

/** Bytes that may wait in memory for one client; the newest state is sent when it has taken them. */
const WAITING_BYTES = 64 * 1024
/** Between pings. A socket that answers none by the next is taken to be dead. */
const PING_EVERY_MS = 15_000
/** Time that a client has to answer a close, in milliseconds. */
const CLOSE_MS = 2_000

let server: WebSocketServer | undefined

/** Loads the code of WebSockets at the first upgrade. Called before the app handles it. */
export async function loadSockets(): Promise<void> {
  if (server !== undefined) return
  const { WebSocketServer } = await import('ws')
  server ??= new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
  })
}

/**
 * Accepts the WebSocket that a request asks for. What its client sends is read and dropped.
 * @param binding an {@link Upgrade}, which the listener hands to the app with such a request
 */
export function openNodeSocket(binding: unknown): { response: Response; sink: Sink } {
  if (!isUpgrade(binding)) throw new Error('A WebSocket needs the binding that the listener makes of an upgrade.')
  if (server === undefined) throw new Error('Sockets are loaded before the app is asked.')
  const { incoming, socket, head } = binding
  let made: WebSocket | undefined
  server.handleUpgrade(incoming, socket, head, (one) => {
    made = one
  })
  binding.accepted = true
  // The server answers a handshake that is not as RFC 6455 has it by itself, and closes.
  const sink = new NodeSocketSink(made ?? null)
  // The socket was paused while the app looked at the request.
  socket.resume()
  return { response: new Response(null), sink }
}

/** Recognizes the binding of a request for a WebSocket. */
export function isUpgrade(binding: unknown): binding is Upgrade {
  return typeof binding === 'object' && binding !== null && 'accepted' in binding && 'socket' in binding
}

/** Sockets that are open, and those of them that have not answered the last ping. */
const open = new Map<WebSocket, { silent: boolean }>()
let timer: NodeJS.Timeout | undefined

function pingAll(): void {
  for (const [socket, state] of open) {
    if (state.silent) socket.terminate()
    else {
      state.silent = true
      socket.ping()
    }
  }
}

function keepAlive(socket: WebSocket): void {
  const state = { silent: false }
  open.set(socket, state)
  timer ??= setInterval(pingAll, PING_EVERY_MS)
  socket.on('pong', () => {
    state.silent = false
  })
  socket.on('close', () => {
    open.delete(socket)
    if (open.size > 0) return
    clearInterval(timer)
    timer = undefined
  })
}

const ignore = () => {}

class NodeSocketSink implements Sink {
  /** Null for a handshake that failed. */
  readonly #socket: WebSocket | null
  #full = false
  #drained: () => void = ignore

  constructor(socket: WebSocket | null) {
    this.#socket = socket
    // A message that is too large is an error event, after which `ws` closes with 1009; one without a listener would end the process.
    socket?.on('error', ignore)
    if (socket !== null) keepAlive(socket)
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket
    if (socket === null || socket.readyState !== socket.OPEN) return false
    if (bytes.byteLength === 0) return !this.#full
    socket.send(bytes, { binary: false }, () => {
      if (!this.#full || socket.bufferedAmount > WAITING_BYTES) return
      this.#full = false
      this.#drained()
    })
    this.#full = socket.bufferedAmount > WAITING_BYTES
    return !this.#full
  }

  onDrain(listener: () => void): void {
    this.#drained = listener
  }

  onClose(listener: () => void): void {
    if (this.#socket === null || this.#socket.readyState === this.#socket.CLOSED) listener()
    else this.#socket.once('close', listener)
  }

  end(reason: EndReason = 'restart'): void {
    const socket = this.#socket
    if (socket === null || socket.readyState !== socket.OPEN) return
    socket.close(...CLOSE_CODES[reason])
    const late = setTimeout(() => socket.terminate(), CLOSE_MS)
    socket.once('close', () => clearTimeout(late))
  }
}
