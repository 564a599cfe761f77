/** A batch as it is followed: an async iterable that knows how far it is. */
import type { FollowEvent, Item } from './items.ts'

/** Options for following a batch. */
export interface FollowOptions {
  /** Ends the iteration, which then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Number of the last event that the follower has: the events after it are sent. Default 0: everything. */
  readonly lastEventId?: number | undefined
}

/**
 * The events of a batch. Iteration ends after `batch_completed`; broken off early, it can be taken up again on the same object, and
 * goes on behind the last event that was taken.
 */
export class BatchStream implements AsyncIterable<FollowEvent> {
  #lastEventId: number
  readonly #signal: AbortSignal | undefined
  readonly #open: (cursor: number, signal: AbortSignal) => AsyncIterable<Item>

  constructor(options: FollowOptions, open: (cursor: number, signal: AbortSignal) => AsyncIterable<Item>) {
    this.#lastEventId = options.lastEventId ?? 0
    this.#signal = options.signal
    this.#open = open
  }

  /** Number of the last event taken; kept, it lets a later process go on from there. */
  get lastEventId(): number {
    return this.#lastEventId
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FollowEvent, void, void> {
    const stop = new AbortController()
    const signal = this.#signal === undefined ? stop.signal : AbortSignal.any([this.#signal, stop.signal])
    signal.throwIfAborted()
    try {
      for await (const { id, event } of this.#open(this.#lastEventId, signal)) {
        signal.throwIfAborted()
        this.#lastEventId = id ?? this.#lastEventId
        yield event
      }
    } finally {
      stop.abort()
    }
  }
}
