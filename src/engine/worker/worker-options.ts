/** Dependencies and times of a worker. */

import type { LanguageModel } from '../../language-model.ts'
import type { MediaLister } from '../../media-ports.ts'
import type { Operations } from '../../operation.ts'
import type {
  BlobStore,
  Clock,
  Compute,
  Database,
  Dispatcher,
  EndedAttempt,
  Fetcher,
  Log,
  Notifier,
  VectorServices,
} from '../../ports.ts'
import type { Speech } from '../../speech-ports.ts'
import type { Meter } from '../meter.ts'
import type { StorageQuota } from '../storage-quota.ts'

/** Ports and services that a worker uses. */
export interface WorkerDeps {
  readonly db: Database
  readonly clock: Clock
  readonly dispatcher: Dispatcher
  readonly notifier: Notifier
  readonly blobs: BlobStore
  readonly fetcher: Fetcher
  readonly compute: Compute
  /** Absent: no speech is recognised. */
  readonly speech?: Speech
  /** Absent or null: there is no language model. */
  readonly languageModel?: LanguageModel | null
  /** Absent or null: documents are embedded and stored by this server alone. */
  readonly vectors?: VectorServices | null
  /** Absent or null: no channels are listed. */
  readonly media?: MediaLister | null
  readonly log: Log
  readonly operations: Operations
  readonly meter: Meter
  /** Bounds what jobs write for their owners; absent: nothing does. */
  readonly quota?: StorageQuota
  /** Called for each attempt that ended and counts; absent where not measured. */
  readonly onAttempt?: (attempt: EndedAttempt) => void
}

/** Times are milliseconds. */
export interface WorkerOptions {
  /** A UUID, new for every worker. */
  readonly id: string
  readonly host: string
  readonly pid: number
  /** Jobs run at once. */
  readonly concurrency: number
  /**
   * Jobs run beyond that for owners who run little, while others' long jobs occupy all slots; see `reserve.ts`.
   * @default as many as `concurrency`; 0 where that is 1
   */
  readonly reserve?: number
  /** Duration of a lease without a heartbeat, in milliseconds. */
  readonly leaseMs: number
  /** Between heartbeats; progress is stored as often. */
  readonly beatMs: number
  /** Between sweeps for lost leases and due jobs that no wake-up announced. */
  readonly sweepMs: number
  /** Time that ended batches are kept, in milliseconds. */
  readonly keepMs: number
  /** Between sweeps for what is kept no longer. */
  readonly retentionMs: number
  /**
   * See `RunContext.budgetExhausted`; absent where runs may take as long as they like. Once it is true nothing more is claimed, and no query is made
   * but those that keep and write what runs.
   */
  readonly budgetExhausted?: () => boolean
  /** Mean duration of recent jobs, in milliseconds, as an earlier worker measured it; absent where there was none. */
  readonly meanMs?: number
}

/** Times that a server uses; tests set others. */
export const WORKER_TIMES = { leaseMs: 15_000, beatMs: 1_000, sweepMs: 1_000, retentionMs: 60_000 }
