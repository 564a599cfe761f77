/** Follows a batch: an async iterable with a cursor. */
import type { FollowEvent, Item } from './items.ts'
import { linkSignals, throwIfAborted } from './signals.ts'

/** Options for following a batch. */
export interface FollowOptions {
  /** Ends the iteration, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Number of the last event that the follower has: the events after it are sent. Default 0: all events. */
  readonly lastEventId?: number | undefined
}

/**
 * The events of a batch. Iteration ends after `batch_completed`; after an early `break`, iterating the same object continues after the
 * last event that was taken.
 */
export class BatchStream<Event = FollowEvent> implements AsyncIterable<Event> {
  #lastEventId: number
  readonly #signal: AbortSignal | undefined
  readonly #open: (cursor: number, signal: AbortSignal) => AsyncIterable<Item<Event>>

  constructor(options: FollowOptions, open: (cursor: number, signal: AbortSignal) => AsyncIterable<Item<Event>>) {
    this.#lastEventId = options.lastEventId ?? 0
    this.#signal = options.signal
    this.#open = open
  }

  /** Number of the last event taken; a later process that passes it as `lastEventId` continues from there. */
  get lastEventId(): number {
    return this.#lastEventId
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, void> {
    const stop = new AbortController()
    const either = linkSignals([this.#signal, stop.signal])
    const { signal } = either
    try {
      throwIfAborted(signal)
      for await (const { id, event } of this.#open(this.#lastEventId, signal)) {
        throwIfAborted(signal)
        this.#lastEventId = id ?? this.#lastEventId
        yield event
      }
    } finally {
      stop.abort()
      either.release()
    }
  }
}
