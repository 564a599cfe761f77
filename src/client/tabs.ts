/**
 * Tabs that follow the same batch share one connection, because a browser opens few to a server. The tab that holds a Web Lock leads:
 * it follows the batch and publishes events to the others by BroadcastChannel. Every tab has a cursor of its own, and every message says after which
 * event it comes, so a tab that finds a gap requests the missing events, and gets it from the leader's memory or by a short connection of its
 * own. When the leader is closed, the next tab gets the lock and continues from its own cursor.
 */

import { sleep } from '../backoff.ts'
import type { Item } from './items.ts'
import { Queue } from './queue.ts'
import { throwIfAborted } from './signals.ts'

/** Events that a tab buffers for tabs that join later. */
const REMEMBERED = 1_000
/** Heartbeats without a message of the leader after which it counts as frozen: a frozen page keeps its lock. */
const MISSED_BEATS = 3
/** Wait for the last messages of a leader, which may arrive after its lock was released. */
const LAST_WORDS_MS = 100

/** Events after a number, as long as the signal lets them come. */
export type Source = (cursor: number, signal: AbortSignal) => AsyncIterable<Item>

/** Message between tabs. */
type Word =
  /** Request of a tab for the events after its cursor. */
  | { readonly has: number }
  /** Events that follow `after`; `answer` when they were requested, so that a repeated request is of no use. */
  | { readonly after: number; readonly items: readonly Item[]; readonly answer: boolean }

/** Checks if this page can share a connection; on Node, Workers and insecure pages each follower has its own. */
export function canShare(): boolean {
  return typeof document === 'object' && typeof BroadcastChannel === 'function' && navigator.locks !== undefined
}

/**
 * Follows a batch together with all others on this origin that use the same name.
 * @param name of the batch; secret where following needs a secret
 */
export async function* shareItems(
  name: string,
  cursor: number,
  source: Source,
  signal: AbortSignal,
  beatMs: number,
): AsyncGenerator<Item, void, void> {
  const tab = new Tab(name, cursor, source, beatMs)
  const onAbort = () => tab.items.fail(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    throwIfAborted(signal)
    yield* tab.items
  } finally {
    signal.removeEventListener('abort', onAbort)
    tab.close()
  }
}

class Tab {
  readonly items = new Queue<Item>()
  readonly #name: string
  readonly #source: Source
  readonly #channel: BroadcastChannel
  readonly #beat: ReturnType<typeof setInterval>
  readonly #closed = new AbortController()
  /** Number of the last event it has, or skipped. */
  #reached: number
  /** The last events, in order; all after `#rememberedFrom`. */
  #remembered: Item[] = []
  #rememberedFrom: number
  /** Number of the last event that the others are known to have. */
  #target = 0
  /** Its own connection: always when it leads, otherwise to fill a gap. */
  #connection: AbortController | null = null
  #leading = false
  /** Incremented with each gain and each loss of leadership. */
  #term = 0
  /** Aborts its request for the lock. */
  #candidacy = new AbortController()
  /** True where another tab has led, whose last messages may still arrive. */
  #hasFollowed = false
  /** Its own heartbeats since the leader's last message. Not a time, since a page that was frozen itself has missed none. */
  #unheard = 0

  constructor(name: string, cursor: number, source: Source, beatMs: number) {
    this.#name = name
    this.#source = source
    this.#reached = cursor
    this.#rememberedFrom = cursor
    this.#channel = new BroadcastChannel(name)
    this.#channel.onmessage = ({ data }: MessageEvent<Word>) => this.#hear(data)
    this.#beat = setInterval(() => this.#onBeat(), beatMs)
    this.#say({ has: cursor })
    void this.#stand()
  }

  close(): void {
    this.#closed.abort()
    this.#candidacy.abort()
    this.#connection?.abort()
    clearInterval(this.#beat)
    this.#channel.close()
  }

  #say(word: Word): void {
    if (!this.#closed.signal.aborted) this.#channel.postMessage(word)
  }

  /** Requests the lock, or steals it from a leader that has fallen silent. Resolves when the batch needs no leader any more. */
  async #stand(steal = false): Promise<void> {
    this.#candidacy.abort()
    this.#candidacy = new AbortController()
    const { signal } = this.#candidacy
    try {
      await navigator.locks.request(this.#name, steal ? { steal } : { signal }, () => this.#lead())
    } catch (error) {
      if (this.#closed.signal.aborted || signal.aborted) return
      const stolen = error instanceof DOMException && error.name === 'AbortError'
      this.#connection?.abort()
      this.#leading = false
      this.#term++
      // Pages of opaque origin have no locks: each has its own connection.
      await (stolen ? this.#stand() : this.#lead())
    }
  }

  async #lead(): Promise<void> {
    const term = ++this.#term
    if (this.#hasFollowed) await sleep(LAST_WORDS_MS)
    if (this.#closed.signal.aborted || this.items.ended || term !== this.#term) return
    this.#leading = true
    // Announces the new leader and its cursor to the others.
    this.#say({ after: this.#reached, items: [], answer: false })
    await this.#connect(() => false)
  }

  /** Follows the batch by a connection of its own until it is over, or `enough`. */
  async #connect(enough: () => boolean): Promise<void> {
    this.#connection?.abort()
    const connection = new AbortController()
    this.#connection = connection
    try {
      for await (const item of this.#source(this.#reached, connection.signal)) {
        const after = this.#reached
        const isNews = this.#take(item)
        // An unusable cursor of this tab does not concern the others.
        if (isNews && this.#leading && item.event.type !== 'resync') this.#say({ after, items: [item], answer: false })
        if (enough()) return
      }
      if (!connection.signal.aborted) this.items.end()
    } catch (error) {
      if (!connection.signal.aborted) this.items.fail(error)
    } finally {
      connection.abort()
      if (this.#connection === connection) this.#connection = null
    }
  }

  #hear(word: Word): void {
    if ('has' in word) {
      if (this.#leading) this.#answer(word.has)
      return
    }
    this.#unheard = 0
    if (this.#leading) return
    this.#hasFollowed = true
    this.#target = Math.max(this.#target, word.items.at(-1)?.id ?? word.after)
    if (word.after <= this.#reached) {
      for (const item of word.items) this.#take(item)
    } else if (this.#connection === null) {
      if (word.answer) void this.#connect(() => this.#reached >= this.#target)
      else this.#say({ has: this.#reached })
    }
  }

  #answer(has: number): void {
    const known = has >= this.#rememberedFrom
    const items = known ? this.#remembered.filter(({ id = 0 }) => id > has) : []
    this.#say({ after: known ? Math.min(has, this.#reached) : this.#reached, items, answer: true })
  }

  /** Takes in an item; false when it is known. */
  #take(item: Item): boolean {
    const { id, event } = item
    if (event.type === 'resync') {
      this.#remembered = []
      this.#reached = this.#rememberedFrom = id ?? 0
    } else if (id !== undefined) {
      if (id <= this.#reached) return false
      this.#reached = id
      this.#remembered.push(item)
      if (this.#remembered.length > REMEMBERED)
        this.#rememberedFrom = this.#remembered.shift()?.id ?? this.#rememberedFrom
    }
    this.items.push(item)
    if (event.type === 'batch_completed') this.items.end()
    return true
  }

  #onBeat(): void {
    if (this.#leading) {
      this.#say({ after: this.#reached, items: [], answer: false })
    } else if (++this.#unheard > MISSED_BEATS) {
      this.#unheard = 0
      void this.#stand(true)
    }
  }
}
