/** Items on their way from the server's log to a follower, and the position of a follower. */
import type { BatchEvent, BatchStatus } from '../features/batches/follow-schemas.ts'

/** The state of a batch, sent instead of events to a follower whose cursor the server cannot resume from. */
export type Resync = BatchStatus & { type: 'resync' }

/** Event that a follower receives. */
export type FollowEvent = BatchEvent | Resync

type JobCompleted = Extract<BatchEvent, { type: 'job_completed' }>
type BatchCompleted = Extract<BatchEvent, { type: 'batch_completed' }>

/** Event of a batch whose operation adds facts to `job_completed` and to `batch_completed`. */
export type EventWith<JobFacts, BatchFacts> =
  | Exclude<BatchEvent, JobCompleted | BatchCompleted>
  | (JobCompleted & JobFacts)
  | (BatchCompleted & BatchFacts)
  | Resync

/** An event on its way to a follower. */
export interface Item<Event = FollowEvent> {
  /** Its number; absent for progress, which is state and not history. */
  readonly id?: number
  readonly event: Event
}

/** A batch as followers name it. */
export interface Target {
  readonly batchId: string
  /** Token that permits reads of this batch where the client has no key. */
  readonly token: string | undefined
}

/** Position of a follower in the log. */
export interface Position {
  /** Number of the last event it has. */
  cursor: number
  /** Ways tried in a row that brought nothing. */
  failures: number
  /** Pause before the next attempt, as the server asks. */
  retryMs: number
}

/** The next event of the log. Moves the position on; null for one that the follower has. */
export function logged(at: Position, id: number, event: FollowEvent): Item | null {
  at.failures = 0
  if (id <= at.cursor) return null
  at.cursor = id
  return { id, event }
}

/** A state to start from anew. Moves the position there, backwards too. */
export function resynced(at: Position, state: BatchStatus, lastEventId: number): Item {
  at.failures = 0
  // The last event of a batch that has ended is the closing one, which the follower is to get.
  at.cursor = isEnded(state) ? lastEventId - 1 : lastEventId
  return { id: at.cursor, event: { ...state, type: 'resync' } }
}

/** Checks if a batch has ended, so that no event follows unless it is rerun. */
export function isEnded({ batch }: BatchStatus): boolean {
  return batch.status !== 'pending' && batch.status !== 'processing'
}
