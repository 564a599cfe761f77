/** Finding the batch that a path names. */
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import { type BatchState, readBatch, readRun } from '../../live/state.ts'
import type { Database } from '../../ports.ts'
import type { AppDeps } from '../context.ts'

/** The path of a batch. */
export const BATCH_ID = z.strictObject({
  id: z.string().describe('Id of a batch, or the `Idempotency-Key` it was made under.'),
})

/**
 * Finds an owner's batch by its id, or by the owner's own name for it.
 * @throws MillraceError NOT_FOUND when there is none; another owner's is none
 */
export async function findBatch(deps: Pick<AppDeps, 'db'>, owner: string, id: string): Promise<BatchState> {
  const batch = await readBatch(deps.db, id, owner)
  if (batch === null) throw notFound()
  return batch
}

const notFound = () =>
  new MillraceError('NOT_FOUND', 'There is no batch with this id. It may have been deleted, or belong to someone else.')

/**
 * Refuses what was just read of a batch where it may be a part: the rows of a deleted batch go some at a time, and a retry replaces them.
 * Called after each read whose end is taken for the end of the batch.
 * @throws MillraceError NOT_FOUND when the batch was deleted, CONFLICT when it was rerun
 */
export async function demandSameRun(db: Database, { id, run }: Pick<BatchState, 'id' | 'run'>): Promise<void> {
  if (await isSameRun(db, { id, run })) return
  throw new MillraceError('CONFLICT', 'This batch was run again while it was read. Read it anew.')
}

/**
 * Returns false where the batch was rerun since it was read.
 * @throws MillraceError NOT_FOUND when it was deleted
 */
export async function isSameRun(db: Database, { id, run }: Pick<BatchState, 'id' | 'run'>): Promise<boolean> {
  const now = await readRun(db, id)
  if (now === null) throw notFound()
  return now === run
}
