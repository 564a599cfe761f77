/** Interface by which routes follow batches. Each runtime has its own implementation: see `hub.ts` and `per-request-hub.ts`. */
import type { Sink } from '../ports.ts'
import type { KnownState } from './long-poll.ts'
import type { BatchHead } from './state.ts'
import type { ReadState } from './state-channel.ts'

/** A batch to be followed, as just read. */
export type FollowedBatch = Pick<BatchHead, 'id' | 'operation' | 'lastSeq'>

/** Follows batches for clients. */
export interface StreamHub {
  /** Streams open now, as far as this process or isolate knows. */
  readonly streams: number
  /** Requests that wait now. */
  readonly waiting: number
  /** Batches followed now, and owners of whom all are. */
  readonly watched: number
  /** Streams and waiting requests that one owner may hold, as far as this process or isolate knows of them. */
  readonly maxPerOwner: number
  /** Names the bound that another stream or waiting request of an owner would exceed; null for none. Call right before `hold`. */
  fullFor(owner: string): 'server' | 'owner' | null
  /** Counts a stream as its reader's until it is closed. The reader is the caller, who may not own the batch. */
  hold(owner: string, sink: Sink): void
  /**
   * Counts a waiting request of an owner.
   * @returns a function that ends the count; null where the server or the owner's share is full, or the server stops
   */
  holdWait(owner: string): (() => void) | null
  /**
   * Sends a batch's events after `cursor` to a sink, then what follows, until the batch is over or the client is gone.
   * @param batch as just read
   * @param cursor number of the last event the client has; at most `batch.lastSeq`
   */
  follow(batch: FollowedBatch, sink: Sink, cursor: number): void
  /**
   * Sends a client whose cursor is of no use the state as it is now, then what follows from there.
   * @param state the polling answer, not older than `batch`
   */
  resync(batch: FollowedBatch, sink: Sink, state: unknown): void
  /**
   * Sends the events of all batches of an owner, numbered as events of all batches are, until the client is gone.
   * @param end how far the log of all batches reaches, as just read
   * @param from number of the last event the client has, at most `end`; or the state that it begins with, not older than `end`
   */
  followOwner(owner: string, end: number, sink: Sink, from: { cursor: number } | { state: unknown }): void
  /**
   * Sends a sink the state of a batch, now and whenever it changed, the newest alone where there is no room for all, until `read` says that
   * it is over or the client is gone.
   * @param read makes the message; the same for everyone who follows this batch's state
   */
  followState(batchId: string, sink: Sink, read: ReadState): void
  /**
   * Waits until a batch is no longer as `known`.
   * @param owner who asks
   * @param ms at most this long; a server that is full, or where the owner holds as many as one may, does not wait
   * @param signal aborts when the caller went away
   * @returns whether to look again
   */
  changed(known: KnownState, owner: string, ms: number, signal: AbortSignal): Promise<boolean>
}
