/** The batches that schedules begin, as the feature of batches makes them; handed over where the features are put together. */

import type * as z from 'zod'
import type { Accepted, Submission } from '../../engine/transitions/submission.ts'
import type { AppDeps } from '../../http/context.ts'
import type { ScheduleOptions } from './schemas.ts'

/** Ports that making a batch takes. */
export type StartDeps = Pick<AppDeps, 'db' | 'clock' | 'dispatcher' | 'notifier' | 'operations' | 'declared' | 'quota'>

/** A batch as a schedule describes it. */
export interface ScheduledBatch {
  readonly operation: string
  readonly input?: unknown
  readonly items: unknown[]
  readonly options?: z.infer<typeof ScheduleOptions> | undefined
}

/** Maker of batches. */
export interface BatchStarter {
  /** @throws MillraceError naming the field that is wrong, as a create does */
  checkBatch(deps: StartDeps, owner: string, batch: ScheduledBatch): Promise<void>
  /** Makes the batch, once under its key. */
  submitBatch(
    deps: StartDeps,
    batch: ScheduledBatch,
    creation: Pick<Submission, 'owner' | 'idempotency' | 'admit'> & {
      readonly largest: number
      readonly facts: Readonly<Record<string, unknown>>
    },
  ): Promise<Accepted>
}
