/**
 * Follows one log for this process: a single reader, a ring of encoded frames, and a cursor for each client.
 *
 * A notice only says that there may be more. Every frame comes from an ordered read after a cursor, and the end of the log
 * is read in the same snapshot; so notices may be lost, duplicated, reordered or wrong without a client losing, duplicating or reordering an event.
 */
import { sleep } from '../backoff.ts'
import { encodeEvent } from '../formats/sse.ts'
import type { Log, Progress, Sink } from '../ports.ts'
import type { EventPage, PublicEvent } from './event-log.ts'
import { ProgressFrames } from './progress.ts'
import { type Frame, join, type Piece, Ring } from './ring.ts'

const RING_BYTES = 1_000_000
/** Latest first look: a joining client gets what the ring reaches back to without a read of its own. */
const RING_REACHES_BACK = 200
/** Approximate bytes of one write to a transport, and so the most that waits in memory for one client. */
const BYTES_A_WRITE = 64 * 1024
const PROGRESS_EVERY_MS = 100
/** Workers store progress once a second; this is a little longer. */
const STORED_WITHIN_MS = 1_500

/** Source that a channel follows: a log that is read in order, and the progress beside it. */
export interface Feed {
  /** Names it in the server's log. */
  readonly label: Readonly<Record<string, string>>
  /** The next events after a number; null when there is nothing to follow any more. */
  page(after: number): Promise<EventPage | null>
  /** Stored progress of the jobs that run now. */
  running(): Promise<readonly (Progress & { readonly batchId: string })[]>
  /** Calls back when there may be more, until the returned function is called. */
  subscribe(follower: Follower): () => void
}

/** Callbacks of a feed. */
export interface Follower {
  /** The log may reach this number. */
  reaches(seq: number): void
  /** Something else than a new event may have happened to the log. */
  look(): void
  progress(batchId: string, progress: readonly Progress[]): void
}

interface Client {
  readonly sink: Sink
  /** Number of the last event it was sent. */
  cursor: number
  /** Version of the progress it was sent. */
  progress: number
  /** False while its transport is full: it is not fed, its cursor waits. */
  open: boolean
  /** True while events that the ring no longer holds are read for it. */
  catchingUp: boolean
}

/** Follows one log for any number of clients. */
export class Channel implements Follower {
  readonly #feed: Feed
  readonly #log: Log
  readonly #clients = new Set<Client>()
  readonly #ring: Ring
  readonly #progress = new ProgressFrames()
  readonly #unsubscribe: () => void
  readonly #onEmpty: () => void
  /** The log may hold more than the ring. */
  #behind: boolean
  #reading = false
  /** True once the log was read: before, it is unknown which events a client lacks, and progress must not precede `batch_started`. */
  #primed = false
  /** Nothing comes after what the ring holds. */
  #finished = false
  #closed = false
  /** Reads for clients that are behind; clients with the same cursor share one. */
  readonly #pieces = new Map<number, Promise<Piece | null>>()
  #progressTimer: ReturnType<typeof setTimeout> | undefined
  readonly #storedTimer: ReturnType<typeof setTimeout>

  /**
   * @param end how far the log reaches, as just read
   * @param deps.storedWithinMs time after which progress that a worker reported is stored; default: 1,500
   * @param onEmpty called once, when the last client is gone
   * @param from number of the last event that every client to come has
   */
  constructor(deps: { feed: Feed; log: Log; storedWithinMs?: number }, end: number, onEmpty: () => void, from = 0) {
    this.#feed = deps.feed
    this.#log = deps.log
    this.#onEmpty = onEmpty
    this.#ring = new Ring(Math.max(from, end - RING_REACHES_BACK), RING_BYTES)
    this.#behind = true
    this.#unsubscribe = deps.feed.subscribe(this)
    void this.#read()
    void this.#readRunning()
    // Rereads after the next heartbeat: progress that was published before we subscribed and is stored only then was neither received nor read.
    this.#storedTimer = setTimeout(() => void this.#readRunning(), deps.storedWithinMs ?? STORED_WITHIN_MS)
  }

  /** Adds a client that has seen everything up to `cursor`. */
  join(sink: Sink, cursor: number): void {
    const client: Client = { sink, cursor, progress: 0, open: true, catchingUp: false }
    this.#clients.add(client)
    sink.onDrain(() => {
      client.open = true
      this.#send(client)
    })
    sink.onClose(() => {
      this.#clients.delete(client)
      if (this.#clients.size === 0) this.#close()
    })
    this.#send(client)
  }

  reaches(seq: number): void {
    if (seq > this.#ring.end || this.#behind) this.look()
  }

  look(): void {
    this.#behind = true
    void this.#read()
  }

  progress(batchId: string, progress: readonly Progress[]): void {
    for (const one of progress) this.#progress.put(batchId, one)
    this.#progressTimer ??= setTimeout(() => {
      this.#progressTimer = undefined
      this.#sendAll()
    }, PROGRESS_EVERY_MS)
  }

  /** Writes the same bytes to every client whose transport has room: comments that keep connections open. */
  broadcast(bytes: Uint8Array): void {
    for (const client of this.#clients) if (client.open) client.open = client.sink.write(bytes)
  }

  /** Ends every stream; the clients resume elsewhere. */
  end(): void {
    for (const client of [...this.#clients]) client.sink.end()
  }

  #close(): void {
    this.#closed = true
    this.#unsubscribe()
    clearTimeout(this.#progressTimer)
    clearTimeout(this.#storedTimer)
    this.#onEmpty()
  }

  /** Reads on until nothing is left to read. One read at a time. */
  async #read(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    try {
      while (this.#behind && !this.#closed) {
        // Reset before the read, which may not include changes notified while it runs.
        this.#behind = false
        const page = await this.#feed.page(this.#ring.end)
        if (page === null) return this.end()
        this.#take(page)
        // Yields to the event loop between reads, so that events of the meantime are sent together and other work is not delayed.
        if (this.#behind) await sleep(0)
      }
    } catch (error) {
      this.#behind = true
      this.#log.warn({ err: error, ...this.#feed.label }, 'the event log could not be read; tried again in a second')
    } finally {
      this.#reading = false
    }
  }

  #take(page: EventPage): void {
    // A rerun batch superseded events: clients that are behind read the log anew.
    if (page.events.some(({ type }) => type === 'batch_started')) {
      this.#ring.forget()
      this.#progress.restart()
    }
    for (const { jobId } of page.events) if (jobId !== null) this.#progress.end(jobId)
    this.#ring.append(page.events.map(frame), page.end)
    this.#finished = page.finished && page.complete
    this.#primed = true
    if (!page.complete) this.#behind = true
    this.#sendAll()
  }

  #sendAll(): void {
    for (const client of this.#clients) this.#send(client)
  }

  /** Sends a client what it has not seen, as far as there is room. */
  #send(client: Client): void {
    if (!client.open || client.catchingUp) return
    while (client.cursor < this.#ring.end) {
      const piece = this.#ring.after(client.cursor, BYTES_A_WRITE)
      if (piece === null) {
        void this.#catchUp(client)
        return
      }
      client.cursor = piece.end
      if (!this.#write(client, piece.bytes)) break
    }
    if (!this.#primed || this.#behind || client.cursor < this.#ring.end) return
    if (this.#finished) client.sink.end()
    else if (client.open && client.progress !== this.#progress.version) {
      const piece = this.#progress.after(client.progress)
      client.progress = piece.end
      this.#write(client, piece.bytes)
    }
  }

  #write(client: Client, bytes: Uint8Array): boolean {
    if (bytes.byteLength > 0) client.open = client.sink.write(bytes)
    return client.open
  }

  /** Reads for a client that is further behind than the ring reaches, a page each time its transport has room. */
  async #catchUp(client: Client): Promise<void> {
    client.catchingUp = true
    try {
      const piece = await this.#pieceAfter(client.cursor)
      if (piece === null) return client.sink.end()
      client.cursor = piece.end
      this.#write(client, piece.bytes)
      await sleep(0)
    } catch (error) {
      const fields = { err: error, ...this.#feed.label }
      this.#log.warn(fields, 'a client could not be caught up; its stream is ended so that it resumes')
      return client.sink.end()
    }
    client.catchingUp = false
    if (this.#clients.has(client)) this.#send(client)
  }

  #pieceAfter(cursor: number): Promise<Piece | null> {
    const underWay = this.#pieces.get(cursor)
    if (underWay !== undefined) return underWay
    const piece = this.#readPiece(cursor).finally(() => this.#pieces.delete(cursor))
    this.#pieces.set(cursor, piece)
    return piece
  }

  async #readPiece(cursor: number): Promise<Piece | null> {
    const page = await this.#feed.page(cursor)
    return page === null ? null : { bytes: join(page.events.map((event) => frame(event).bytes)), end: page.end }
  }

  async #readRunning(): Promise<void> {
    try {
      for (const one of await this.#feed.running()) this.#progress.putStored(one.batchId, one)
      this.#sendAll()
    } catch (error) {
      const fields = { err: error, ...this.#feed.label }
      this.#log.warn(fields, 'the progress of running jobs could not be read; new progress follows')
    }
  }
}

function frame(event: PublicEvent): Frame {
  return { seq: event.seq, bytes: encodeEvent({ id: event.seq, event: event.type, data: JSON.stringify(event.body) }) }
}
