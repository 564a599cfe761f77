/** Finding the batch that a path names. */
import type { Context } from 'hono'
import { MillraceError } from '../../errors.ts'
import type { AppDeps, Env } from '../../http/context.ts'
import { type BatchState, readBatch } from '../../live/state.ts'

/**
 * The caller's batch with the id, or the caller's own name for it, in the path.
 * @throws MillraceError NOT_FOUND when there is none; another owner's is none
 */
export async function findBatch(c: Context<Env, '/:id'>, deps: AppDeps): Promise<BatchState> {
  const batch = await readBatch(deps.db, c.req.param('id'), c.get('caller').owner)
  if (batch === null) {
    throw new MillraceError(
      'NOT_FOUND',
      'There is no batch with this id. It may have been deleted, or belong to someone else.',
    )
  }
  return batch
}
