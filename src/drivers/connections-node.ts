/** The connections of a server process on Node: how many there may be, how many there are, and how they end when it stops. */

import type { Server } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import { Connection } from './connection-node.ts'

/** Bounds of connections. */
export interface ConnectionLimits {
  /** Open connections at once over all ports; more are answered 503. @default no limit */
  readonly maxConnections?: number
  /** Time-out of an idle connection, in milliseconds. @default 75,000 */
  readonly keepAliveMs?: number
}

const KEEP_ALIVE_MS = 75_000
/** Connections beyond the limit that are answered 503 at once; more are closed without an answer. */
const MAX_REFUSALS = 256
/** Time that a connection beyond the limit has to send its request, in milliseconds. */
const REFUSAL_MS = 5_000
/** Time that idle connections stay open during shutdown, for a request that may be in transit, in milliseconds. */
const NOTICE_MS = 1_000
/** Interval between looks for connections that fell idle while a server stops, in milliseconds. */
const IDLE_MS = 20

/** Tracks every connection of a process. One serves all its ports. */
export class Connections {
  readonly keepAliveMs: number
  readonly #maxConnections: number
  readonly #open = new Map<Socket, Connection>()
  #overLimit = 0
  #refused = 0
  #draining = false

  constructor({ maxConnections = Number.POSITIVE_INFINITY, keepAliveMs = KEEP_ALIVE_MS }: ConnectionLimits = {}) {
    this.#maxConnections = maxConnections
    this.keepAliveMs = keepAliveMs
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#open.size
  }

  /** Connections beyond the limit since the start. */
  get refused(): number {
    return this.#refused
  }

  /** Tracks the connections of a server, from before their first byte is parsed. */
  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#accept(socket))
  }

  /** Finds what is known of a socket; null for one that has closed. */
  of(socket: Socket): Connection | null {
    return this.#open.get(socket) ?? null
  }

  /**
   * Takes no more connections and lets requests under way be answered, for at most `ms` milliseconds. Answers say `Connection: close` from
   * now on. A connection without a request is kept for a second, in which the next request is answered with that notice; then it is closed,
   * not reset.
   */
  async drain(servers: readonly Server[], ms: number): Promise<void> {
    // http.Server's own close() destroys idle connections, with requests in transit on them.
    const closed = servers.map((server) => new Promise((resolve) => NetServer.prototype.close.call(server, resolve)))
    this.#draining = true
    for (const connection of this.#open.values()) connection.drain()
    const noticeEnds = performance.now() + Math.min(NOTICE_MS, ms)
    const idle = setInterval(() => {
      if (performance.now() < noticeEnds) return
      for (const connection of this.#open.values()) if (!connection.busy) connection.closeSoon()
    }, IDLE_MS)
    const late = setTimeout(() => {
      for (const connection of this.#open.values()) connection.destroy()
    }, ms)
    await Promise.all(closed)
    clearInterval(idle)
    clearTimeout(late)
    for (const server of servers) server.close()
  }

  #accept(socket: Socket): void {
    const overLimit = this.#open.size - this.#overLimit >= this.#maxConnections
    const connection = new Connection(socket, overLimit)
    if (overLimit) {
      this.#refused++
      if (this.#overLimit >= MAX_REFUSALS) {
        socket.destroy()
        return
      }
      this.#overLimit++
      const late = setTimeout(() => socket.destroy(), REFUSAL_MS)
      socket.on('close', () => {
        clearTimeout(late)
        this.#overLimit--
      })
    }
    this.#open.set(socket, connection)
    socket.on('close', () => this.#open.delete(socket))
    if (this.#draining) connection.drain()
  }
}
