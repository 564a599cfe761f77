/**
 * Follows one state for this process: reads it anew when it may have changed, and sends it to all followers.
 *
 * Nothing is queued: a client whose transport is full is sent the newest state once it has room. The end is taken from a read,
 * never from a notice, so no client is notified of an end that is not committed yet.
 */
import type { Database, EndReason, Log, Notifier, Sink } from '../ports.ts'

/** State as it was read. */
export interface StateMessage {
  readonly bytes: Uint8Array
  /** Reason that the stream ends with after this message; null while more may follow. */
  readonly end: EndReason | null
}

/** Reads a state, through the database of a follower. */
export type ReadState = (db: Database) => Promise<StateMessage>

/** Source that a state channel follows. */
export interface StateFeed {
  /** Names it in the server's log. */
  readonly label: Readonly<Record<string, string>>
  read(): Promise<StateMessage>
  /** Calls back when the state may be another, until the returned function is called. */
  subscribe(onChange: () => void): () => void
}

/** The state of one batch. */
export function batchStateFeed(
  deps: { db: Database; notifier: Notifier },
  batchId: string,
  read: ReadState,
): StateFeed {
  return {
    label: { batchId },
    read: () => read(deps.db),
    subscribe: (onChange) => deps.notifier.subscribe(batchId, onChange),
  }
}

interface Client {
  readonly sink: Sink
  /** Version of the state that it was sent. */
  version: number
  open: boolean
}

/** Between two reads of the state. */
const READ_EVERY_MS = 100

/** Follows one state for any number of clients. */
export class StateChannel {
  readonly #feed: StateFeed
  readonly #log: Log
  readonly #everyMs: number
  readonly #clients = new Set<Client>()
  readonly #unsubscribe: () => void
  readonly #onEmpty: () => void
  #latest: StateMessage | null = null
  #text = ''
  #version = 0
  #seen = ''
  #dirty = true
  #reading = false
  #closed = false
  #timer: ReturnType<typeof setTimeout> | undefined

  /**
   * @param onEmpty called once, when the last client is gone
   * @param everyMs least time between two reads, in milliseconds
   */
  constructor(deps: { feed: StateFeed; log: Log }, onEmpty: () => void, everyMs = READ_EVERY_MS) {
    this.#feed = deps.feed
    this.#log = deps.log
    this.#onEmpty = onEmpty
    this.#everyMs = everyMs
    this.#unsubscribe = deps.feed.subscribe(() => this.changed())
  }

  /** Adds a client. It is sent the state as it is read after this. */
  join(sink: Sink): void {
    const client: Client = { sink, version: 0, open: true }
    this.#clients.add(client)
    sink.onDrain(() => {
      client.open = true
      this.#send(client)
    })
    sink.onClose(() => {
      this.#clients.delete(client)
      if (this.#clients.size === 0) this.#close()
    })
    if (this.#closed) return
    this.#send(client)
    this.changed()
  }

  /** Rereads the state unless `mark`, a version of the state, equals that of the last call. */
  compare(mark: string): void {
    if (mark === this.#seen) return
    this.#seen = mark
    this.changed()
  }

  /** Rereads the state. */
  changed(): void {
    this.#dirty = true
    if (this.#timer === undefined && !this.#reading) void this.#read()
  }

  /** Ends every stream; the clients resume elsewhere. */
  end(): void {
    for (const { sink } of [...this.#clients]) sink.end('restart')
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    this.#unsubscribe()
    this.#onEmpty()
  }

  async #read(): Promise<void> {
    if (this.#closed) return
    this.#reading = true
    // Reset before the read, which may not include changes notified while it runs.
    this.#dirty = false
    try {
      this.#take(await this.#feed.read())
    } catch (error) {
      this.#dirty = true
      this.#log.warn(
        { err: error, ...this.#feed.label },
        'a state that is followed could not be read; tried again soon',
      )
    } finally {
      this.#reading = false
    }
    if (this.#closed) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#dirty) void this.#read()
    }, this.#everyMs)
  }

  #take(state: StateMessage): void {
    const text = new TextDecoder().decode(state.bytes)
    if (text !== this.#text || state.end !== this.#latest?.end) this.#version++
    this.#text = text
    this.#latest = state
    for (const client of [...this.#clients]) this.#send(client)
    // Later clients read anew, since a job that has ended may be rerun.
    if (state.end !== null) this.#close()
  }

  #send(client: Client): void {
    const state = this.#latest
    if (state === null || !client.open || client.version === this.#version) return
    client.version = this.#version
    client.open = client.sink.write(state.bytes)
    if (state.end !== null) client.sink.end(state.end)
  }
}
