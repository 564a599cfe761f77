/** The Durable Object of a batch: holds the sockets of those who follow it, and reads the log once for all of them. */
import type { DurableObjectState, WebSocket } from '@cloudflare/workers-types'
import type { Log } from '../ports.ts'

export const PING = 'ping'
export const PONG = 'pong'
/** The platform takes messages of 1 MiB at least. What is longer is read by each follower instead. */
const MESSAGE_CHARACTERS = 300_000

/** Maximum of running jobs whose latest progress is stored for later followers. */
const KEPT_PROGRESS = 500

/** A stretch of a batch's log, as plain JSON, of which only this is looked at here. */
interface Stretch {
  readonly end: number
  readonly complete: boolean
  readonly events: readonly { readonly jobId: string | null }[]
}

/** Reads the log of a batch for its object. */
export interface BatchReader {
  /** Returns the number of the last event of a batch; 0 when the batch is gone. */
  end(batchId: string): Promise<number>
  /** Returns the events after a number; null when the batch is gone. */
  page(batchId: string, after: number): Promise<Stretch | null>
}

/**
 * Implements the object, behind the class that an entry exports. `GET` with `Upgrade: websocket` follows the batch; `POST` with a JSON array
 * of notices passes them to the followers, and answers how many there are.
 */
export class BatchObject {
  readonly #state: DurableObjectState
  readonly #reader: BatchReader
  readonly #log: Log
  /** Number up to which the sockets were sent the log; null after waking. */
  #at: number | null = null
  /** Number up to which they should be. */
  #wanted = 0
  #reading: Promise<void> | null = null
  #asking: Promise<number> | null = null
  /** The latest of each running job, while the object is awake: the database has it some seconds later. */
  readonly #progress = new Map<string, unknown>()

  constructor(state: DurableObjectState, reader: BatchReader, log: Log) {
    this.#state = state
    this.#reader = reader
    this.#log = log
    state.setWebSocketAutoResponse(new WebSocketRequestResponsePair(PING, PONG))
  }

  async fetch(request: Request): Promise<Response> {
    const batchId = new URL(request.url).pathname.slice(1)
    if (request.headers.get('Upgrade') === 'websocket') return this.#accept(batchId)
    const notices: unknown = await request.json()
    const sockets = this.#state.getWebSockets().length
    if (sockets > 0 && Array.isArray(notices)) for (const notice of notices) await this.#tell(batchId, notice)
    else this.#progress.clear()
    return new Response(String(sockets))
  }

  /**
   * The greeting says how far jobs are, then where the log is, read after the socket was there: what came between a follower's read and
   * its socket is not missed.
   */
  async #accept(batchId: string): Promise<Response> {
    const { 0: client, 1: server } = new WebSocketPair()
    this.#state.acceptWebSocket(server)
    const at = await this.#position(batchId, server)
    server.serializeAttachment(at)
    if (this.#progress.size > 0) send([server], JSON.stringify({ progress: [...this.#progress.values()] }))
    send([server], JSON.stringify({ seq: at }))
    return new Response(null, { status: 101, webSocket: client })
  }

  /** Returns the number up to which the sockets were sent the log: as remembered, as noted with them before the object slept, or else its end. */
  async #position(batchId: string, except?: WebSocket): Promise<number> {
    if (this.#at === null) {
      const noted = this.#state
        .getWebSockets()
        .filter((socket) => socket !== except)
        .map((socket): unknown => socket.deserializeAttachment())
        .filter((value) => typeof value === 'number')
      const at = noted.length > 0 ? Math.max(...noted) : await this.#ask(batchId)
      this.#at ??= at
    }
    return this.#at
  }

  /** Coalesces concurrent reads of the log's end into one. Notices of the meantime are processed after it, and reach all callers. */
  #ask(batchId: string): Promise<number> {
    this.#asking ??= this.#reader.end(batchId).finally(() => {
      this.#asking = null
    })
    return this.#asking
  }

  async #tell(batchId: string, notice: unknown): Promise<void> {
    if (typeof notice !== 'object' || notice === null) return
    if (!('seq' in notice) || typeof notice.seq !== 'number' || notice.seq === 0) {
      if ('progress' in notice && Array.isArray(notice.progress)) for (const one of notice.progress) this.#keep(one)
      return send(this.#state.getWebSockets(), JSON.stringify(notice))
    }
    this.#wanted = Math.max(this.#wanted, notice.seq)
    this.#reading ??= this.#readOn(batchId)
    await this.#reading
  }

  #keep(progress: unknown): void {
    if (typeof progress !== 'object' || progress === null || !('jobId' in progress)) return
    const { jobId } = progress
    if (typeof jobId !== 'string' || (this.#progress.size >= KEPT_PROGRESS && !this.#progress.has(jobId))) return
    this.#progress.set(jobId, progress)
  }

  /** Reads until the sockets have what they should: once for all notices that came meanwhile. */
  async #readOn(batchId: string): Promise<void> {
    try {
      for (let at = await this.#position(batchId); at < this.#wanted; at = this.#at ?? at) {
        const page = await this.#reader.page(batchId, at)
        if (page === null) return send(this.#state.getWebSockets(), JSON.stringify({ seq: 0 }))
        // A notice of what is not written yet: another follows.
        if (page.end <= at) return
        this.#send(page, at)
        if (!page.complete) this.#wanted = Math.max(this.#wanted, page.end + 1)
      }
    } catch (error) {
      this.#log.warn({ err: error, batchId }, 'the log was not read for those who follow; they read it themselves')
      send(this.#state.getWebSockets(), JSON.stringify({ seq: this.#wanted }))
    } finally {
      this.#reading = null
    }
  }

  #send(page: Stretch, after: number): void {
    for (const { jobId } of page.events) if (jobId !== null) this.#progress.delete(jobId)
    const sockets = this.#state.getWebSockets()
    const text = JSON.stringify({ seq: page.end, page: { ...page, after } })
    send(sockets, text.length > MESSAGE_CHARACTERS ? JSON.stringify({ seq: page.end }) : text)
    this.#at = page.end
    for (const socket of sockets) socket.serializeAttachment(page.end)
  }
}

function send(sockets: readonly WebSocket[], text: string): void {
  for (const socket of sockets) {
    try {
      socket.send(text)
    } catch {
      // It is closing; its client reconnects and gets the current state.
    }
  }
}
