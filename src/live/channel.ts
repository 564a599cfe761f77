/**
 * One batch as followed by this process: a single reader of its log, a ring of encoded frames, and a cursor for each client.
 *
 * A notice only says how far the log reaches. Every frame comes from an ordered read after a cursor, so notices may be lost, doubled or
 * out of order without a client losing, doubling or reordering an event.
 */
import { encodeEvent } from '../formats/sse.ts'
import type { Database, Log, Notice, Notifier, Operations, Progress, Sink } from '../ports.ts'
import { type PublicEvent, readEvents } from './log.ts'
import { type Frame, join, Ring } from './ring.ts'
import { readRunning } from './state.ts'

const EVENTS_A_READ = 500
const RING_BYTES = 1_000_000
/** Latest first look: a joining client gets what the ring reaches back to without a read of its own. */
const RING_REACHES_BACK = 200
const PROGRESS_EVERY_MS = 100
/** Running jobs whose progress a joining client is told. */
const SNAPSHOT_JOBS = 500

const ENDED_REMEMBERED = 2_000

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

/** What a channel needs of the world. */
export interface ChannelDeps {
  readonly db: Database
  readonly notifier: Notifier
  readonly operations: Operations
  readonly log: Log
}

/** Follows one batch for any number of clients. */
export class Channel {
  readonly #deps: ChannelDeps
  readonly #batch: { id: string; operation: string }
  readonly #clients = new Set<Client>()
  readonly #ring: Ring
  readonly #unsubscribe: () => void
  readonly #onEmpty: () => void
  /** The log is known to reach this number. */
  #known: number
  #reading = false
  /** Number of the closing event, once read. */
  #closedAt: number | null = null
  /** Progress of running jobs as frames, each with the version that it was put at. */
  readonly #progress = new Map<string, { version: number; bytes: Uint8Array }>()
  /** Jobs that ended lately: their end must not be followed by an "80 %" that was on its way. */
  readonly #ended = new Set<string>()
  #progressVersion = 0
  #progressTimer: ReturnType<typeof setTimeout> | undefined
  readonly #snapshot: Promise<void>

  /** @param batch `lastSeq` as just read */
  constructor(deps: ChannelDeps, batch: { id: string; operation: string; lastSeq: number }, onEmpty: () => void) {
    this.#deps = deps
    this.#batch = batch
    this.#onEmpty = onEmpty
    this.#ring = new Ring(Math.max(0, batch.lastSeq - RING_REACHES_BACK), RING_BYTES)
    this.#known = batch.lastSeq
    this.#unsubscribe = deps.notifier.subscribe(batch.id, (notice) => this.notice(notice))
    this.#snapshot = this.#readSnapshot().catch((error: unknown) =>
      deps.log.warn(
        { err: error, batchId: batch.id },
        'the progress of running jobs could not be read; new progress follows',
      ),
    )
    this.#read()
  }

  /** Adds a client that has seen everything up to `cursor`. */
  async join(sink: Sink, cursor: number): Promise<void> {
    const client: Client = { sink, cursor, progress: 0, open: true, catchingUp: false }
    this.#clients.add(client)
    sink.onDrain(() => {
      client.open = true
      this.#feed(client)
    })
    sink.onClose(() => {
      this.#clients.delete(client)
      if (this.#clients.size === 0) this.#close()
    })
    await this.#snapshot
    this.#feed(client)
  }

  /** Takes in a notice, from the notifier or from a comparison of numbers. */
  notice(notice: Notice): void {
    if ('seq' in notice) {
      this.#known = Math.max(this.#known, notice.seq)
      this.#read()
      return
    }
    for (const progress of notice.progress) this.#putProgress(progress)
    this.#progressTimer ??= setTimeout(() => {
      this.#progressTimer = undefined
      for (const client of this.#clients) this.#feed(client)
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
    this.#unsubscribe()
    clearTimeout(this.#progressTimer)
    this.#onEmpty()
  }

  /** Reads the log up to what is known of it. One read at a time. */
  #read(): void {
    if (this.#reading || this.#ring.end >= this.#known) return
    this.#reading = true
    this.#readOnce()
      .catch((error: unknown) =>
        this.#deps.log.warn(
          { err: error, batchId: this.#batch.id },
          'the event log could not be read; the next notice tries again',
        ),
      )
      .finally(() => {
        this.#reading = false
      })
  }

  async #readOnce(): Promise<void> {
    while (this.#ring.end < this.#known) {
      const { events, end } = await this.#page(this.#ring.end)
      this.#ring.append(events.map(frame), end)
      this.#known = Math.max(this.#known, end)
      for (const event of events) this.#passed(event)
      for (const client of this.#clients) this.#feed(client)
    }
  }

  #passed(event: PublicEvent): void {
    if (event.jobId !== null) {
      this.#progress.delete(event.jobId)
      this.#ended.add(event.jobId)
      for (const oldest of this.#ended) {
        if (this.#ended.size <= ENDED_REMEMBERED) break
        this.#ended.delete(oldest)
      }
    }
    if (event.type === 'batch_completed') this.#closedAt = event.seq
    else if (event.type === 'batch_started') this.#closedAt = null
  }

  /** A page of the log after a cursor, and the number up to which it is complete. */
  async #page(after: number): Promise<{ events: PublicEvent[]; end: number }> {
    // Taken before the read: only what was known by then is sure to be in it. What is known after the read may be newer.
    const known = this.#known
    const events = await readEvents(this.#deps.db, this.#deps.operations, this.#batch, after, EVENTS_A_READ)
    const last = events.at(-1)?.seq ?? after
    // A short page may end below the known number: events that a later run of the batch replaced are not read.
    return { events, end: events.length < EVENTS_A_READ ? Math.max(known, last) : last }
  }

  /** Sends a client what it has not seen, if there is room. */
  #feed(client: Client): void {
    if (!client.open || client.catchingUp) return
    if (client.cursor < this.#ring.end) {
      const bytes = this.#ring.after(client.cursor)
      if (bytes === null) {
        void this.#catchUp(client)
        return
      }
      client.cursor = this.#ring.end
      if (bytes.byteLength > 0) client.open = client.sink.write(bytes)
    }
    if (this.#closedAt !== null && client.cursor >= this.#closedAt) client.sink.end()
    else if (client.open && this.#ring.end >= this.#known) this.#feedProgress(client)
  }

  #feedProgress(client: Client): void {
    if (client.progress === this.#progressVersion) return
    const fresh = [...this.#progress.values()].filter(({ version }) => version > client.progress)
    client.progress = this.#progressVersion
    if (fresh.length > 0) client.open = client.sink.write(join(fresh.map(({ bytes }) => bytes)))
  }

  /** Reads for a client that is further behind than the ring reaches, a page each time its transport has room. */
  async #catchUp(client: Client): Promise<void> {
    client.catchingUp = true
    try {
      const { events, end } = await this.#page(client.cursor)
      client.cursor = end
      if (events.length > 0) client.open = client.sink.write(join(events.map((event) => frame(event).bytes)))
    } catch (error) {
      this.#deps.log.warn(
        { err: error, batchId: this.#batch.id },
        'a client could not be caught up; its stream is ended so that it resumes',
      )
      client.sink.end()
    }
    client.catchingUp = false
    if (this.#clients.has(client)) this.#feed(client)
  }

  #putProgress({ jobId, sequence, percent, message, stage }: Progress): void {
    if (this.#ended.has(jobId)) return
    const body = {
      type: 'job_progress',
      batchId: this.#batch.id,
      jobId,
      sequence,
      status: stage ?? 'processing',
      progressPercent: percent,
      progressMessage: message,
    }
    const bytes = encodeEvent({ event: 'job_progress', data: JSON.stringify(body) })
    this.#progress.set(jobId, { version: ++this.#progressVersion, bytes })
  }

  async #readSnapshot(): Promise<void> {
    for (const progress of await readRunning(this.#deps.db, this.#batch.id, SNAPSHOT_JOBS)) {
      if (!this.#progress.has(progress.jobId)) this.#putProgress(progress)
    }
  }
}

function frame(event: PublicEvent): Frame {
  return { seq: event.seq, bytes: encodeEvent({ id: event.seq, event: event.type, data: JSON.stringify(event.body) }) }
}
