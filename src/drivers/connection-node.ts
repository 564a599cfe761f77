/**
 * Serves one connection of an HTTP server on Node: a single request in flight, and a close that lets the last answer arrive.
 *
 * Node parses every request that a read brings and starts all of them at once, so a few hundred kilobytes of pipelined requests become
 * thousands of unread answers in memory. Here the bytes are handed to Node's parser head by head, and reading stops while an
 * earlier request is being answered.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { TurnQueue } from './turn-queue.ts'

/** Time without a byte after which a connection that was answered for good is destroyed, in milliseconds. */
const LINGER_IDLE_MS = 3_000
/** The same where a request is still being sent. */
const LINGER_BODY_IDLE_MS = 5_000
/** Time that a client may go on sending what was refused, in milliseconds; long enough for 50 MB at 14 Mbit/s. */
const MAX_LINGER_MS = 30_000
/** Bytes of a refused request that are read and dropped. */
const MAX_LINGER_BYTES = 512 * 1024 * 1024
/** Bytes of a chunked body that are parsed at once. Its end is not known, so as many bytes of pipelined requests may be parsed with it. */
const CHUNKED_PIECE_BYTES = 4 * 1024
/** Fewer bytes than the shortest head of a request has; a run of empty lines is not taken apart. */
const MIN_HEAD_BYTES = 16
/** An unread body up to this size is drained, so that the connection can be reused. */
const MAX_REUSABLE_BODY_BYTES = 64 * 1024
const HEAD_END = Buffer.from('\r\n\r\n', 'latin1')

type Listener = (...args: unknown[]) => void

interface Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly run: () => void
}

/** Tracks what one socket is doing. Every socket of a server has one from its first byte on, and with it an `error` listener for good. */
export class Connection {
  /** True for a connection beyond the limit: it is answered 503. */
  readonly overLimit: boolean
  readonly #socket: Socket
  /** Node's own listener, which parses; none where bytes can't be intercepted. */
  readonly #parse: Listener | undefined
  #current: Exchange | null = null
  readonly #waiting: Exchange[] = []
  readonly #take = (chunk: Buffer) => this.#onData(chunk)
  /** Answer to bytes that could not be parsed, sent after the answer in progress. */
  #refusal: string | null = null
  #held = false
  #closing = false
  #handedOver = false
  #draining = false
  #dropped = 0
  #deadline = 0
  #timer: NodeJS.Timeout | undefined
  /** Bytes of the present request's body that have not arrived yet, where its head declares a length. */
  #bodyLeft = 0
  /** The present request, where its body is chunked. */
  #chunked: IncomingMessage | null = null

  constructor(socket: Socket, overLimit: boolean) {
    this.#socket = socket
    this.overLimit = overLimit
    // Node takes its own listener away on `connect` and `upgrade`; an error without a listener ends the process.
    socket.on('error', ignore)
    socket.on('close', () => this.#onClose())
    // Called by Node after the last answer, and by @hono/node-server when a request is not sent to its end.
    socket.destroySoon = () => this.closeSoon()
    const [parse] = socket.listeners('data')
    this.#parse = isListener(parse) ? parse : undefined
    if (this.#parse === undefined) return
    socket.off('data', this.#parse)
    socket.on('data', this.#take)
  }

  /** True while a request is being answered. */
  get busy(): boolean {
    return this.#current !== null || this.#waiting.length > 0
  }

  /** True once nothing more will be answered. */
  get closing(): boolean {
    return this.#closing
  }

  /** Runs a request when those before it are answered; never when the connection closes first. */
  take(incoming: IncomingMessage, outgoing: ServerResponse, run: () => void): void {
    const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers
    this.#chunked = encoding === undefined ? null : incoming
    this.#bodyLeft = encoding === undefined ? Number(length ?? 0) || 0 : 0
    this.#waiting.push({ incoming, outgoing, run })
    if (this.#current === null) this.#next()
  }

  /**
   * Answers what could not be parsed, once the request before it is answered, and closes. A request that is broken itself is answered at
   * once, or broken off where its answer has begun.
   * @param answer a whole HTTP answer, head and body
   */
  refuse(answer: string): void {
    if (this.#closing || this.#socket.destroyed || this.#refusal !== null) return
    const current = this.#current
    if (current?.incoming.complete || (current === null && this.#waiting.length > 0)) {
      this.#refusal = answer
      return
    }
    if (current?.outgoing.headersSent || !this.#socket.writable) {
      this.#socket.destroy()
      return
    }
    this.#socket.write(answer)
    this.closeSoon()
  }

  /**
   * Ends the connection after what was written to it: the client sees the end of its answer, may send the rest of its request for a bounded
   * time and size, and is not reset while it has not read. What waits is dropped.
   */
  closeSoon(): void {
    if (this.#closing) return
    this.#closing = true
    this.#waiting.length = 0
    const socket = this.#socket
    if (socket.destroyed) return
    this.#deadline = performance.now() + MAX_LINGER_MS
    const incomplete = this.#bodyLeft > 0 || this.#chunked?.complete === false
    this.#timer = setTimeout(() => socket.destroy(), incomplete ? LINGER_BODY_IDLE_MS : LINGER_IDLE_MS)
    if (socket.readableEnded) {
      socket.end(() => socket.destroy())
      return
    }
    socket.on('end', () => (socket.writableFinished ? socket.destroy() : socket.on('finish', () => socket.destroy())))
    socket.end()
    socket.resume()
  }

  /**
   * Gives the socket away to a protocol that is not HTTP, paused. Node's parser is done with it; what comes after the head waits in it.
   * A socket whose request is refused in the end takes {@link refuse} all the same.
   */
  handOver(): void {
    this.#handedOver = true
    this.#socket.pause()
    this.#socket.off('data', this.#take)
  }

  /** From now on every answer is the last of the connection, and says so where its head is not sent yet. */
  drain(): void {
    this.#draining = true
    if (this.#current !== null) this.#current.outgoing.shouldKeepAlive = false
    for (const { outgoing } of this.#waiting) outgoing.shouldKeepAlive = false
  }

  /** Aborts the connection and the request in flight. */
  destroy(): void {
    this.#socket.destroy()
  }

  #next(): void {
    const exchange = this.#waiting.shift()
    if (exchange === undefined) {
      if (this.#refusal === null) return
      this.#socket.write(this.#refusal)
      this.closeSoon()
      return
    }
    this.#current = exchange
    const { outgoing } = exchange
    if (this.#draining || this.overLimit) outgoing.shouldKeepAlive = false
    outgoing.once('close', () => this.#onAnswered())
    exchange.run()
  }

  #onAnswered(): void {
    this.#current = null
    if (this.#closing || (!this.#held && !this.#isBlocked())) return
    pipelined.add(() => this.#continue())
  }

  /**
   * Continues with the next request.
   * @returns false where the connection has closed meanwhile
   */
  #continue(): boolean {
    if (this.#closing || this.#socket.destroyed) return false
    if (this.#current === null) this.#next()
    if (this.#held && !this.#isBlocked()) {
      this.#held = false
      this.#socket.resume()
    }
    return true
  }

  #onClose(): void {
    this.#closing = true
    this.#waiting.length = 0
    clearTimeout(this.#timer)
  }

  #isBlocked(): boolean {
    return this.#waiting.length > 0 || (this.#refusal !== null && !this.#closing)
  }

  #onData(chunk: Buffer): void {
    let rest = chunk
    while (rest.length > 0) {
      if (this.#closing) {
        this.#drop(rest)
        return
      }
      if (this.#isBlocked()) {
        this.#held = true
        this.#socket.pause()
        this.#socket.unshift(rest)
        return
      }
      const end = this.#endOfPiece(rest)
      const body = this.#bodyLeft
      this.#parse?.call(this.#socket, rest.subarray(0, end))
      if (this.#handedOver) {
        if (end < rest.length) this.#socket.unshift(rest.subarray(end))
        return
      }
      if (body > 0) this.#bodyLeft = body - end
      rest = rest.subarray(end)
    }
  }

  /** Finds where to cut, so that no more than one head of a request is parsed at once. */
  #endOfPiece(bytes: Buffer): number {
    if (this.#bodyLeft > 0) return Math.min(this.#bodyLeft, bytes.length)
    const from = this.#chunked?.complete === false ? CHUNKED_PIECE_BYTES : MIN_HEAD_BYTES
    const at = bytes.indexOf(HEAD_END, from)
    return at === -1 ? bytes.length : at + HEAD_END.length
  }

  #drop(bytes: Buffer): void {
    this.#dropped += bytes.length
    if (this.#dropped > MAX_LINGER_BYTES || performance.now() > this.#deadline) this.#socket.destroy()
    else this.#timer?.refresh()
  }
}

/**
 * Has an answer end its connection where much of the request is unread, so that the rest is not waited for. Called before the head is sent.
 */
export function closeIfUnread(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (incoming.complete) return
  const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers
  if (encoding === undefined && Number(length ?? 0) <= MAX_REUSABLE_BODY_BYTES) return
  outgoing.shouldKeepAlive = false
}

/**
 * Queue of pipelined requests of all connections. One begins in each iteration of the event loop, so that a client with many pipelining
 * connections delays others by one request, not by one of each connection.
 */
const pipelined = new TurnQueue()

const ignore = () => {}

function isListener(value: unknown): value is Listener {
  return typeof value === 'function'
}
