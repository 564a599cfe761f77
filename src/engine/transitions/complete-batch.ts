/** Completion of a batch: with the last of its jobs, or when it is sealed after that. */
import { sql } from 'drizzle-orm'
import { insertBatchCompleted } from '../../events.ts'
import type { Database, Statement } from '../../ports.ts'
import { beginNext, nameNext, nextOf } from '../chains.ts'
import { enqueueDeliveries } from '../webhooks.ts'
import { CANCELLING_CODES } from './stop-codes.ts'

/**
 * The closing event and the final status of those batches whose every job has ended, the batches that follow them, and the deliveries to
 * webhooks of every event this commit wrote. Results of the batch before that became no jobs count as failures do.
 * @param batchIds a JSON array of ids to look at
 * @param hasFollowUp false where it is known that none of them has a webhook, and none follows
 */
export function completeBatches(db: Database, batchIds: string, now: number, hasFollowUp = true): Statement[] {
  const done = sql`id IN (SELECT value FROM json_each(${batchIds})) AND finished_at IS NULL AND open_until IS NULL AND completed + failed + cancelled = total
    AND coalesce(transition, '') NOT IN ('supersede', 'retry')`
  const status = sql`CASE WHEN stop_code IN ${CANCELLING_CODES} AND (cancelled > 0 OR cut_open) THEN 'cancelled' WHEN completed = total AND coalesce(chain ->> '$.rejected', 0) = 0 THEN 'completed'
    WHEN completed = 0 THEN 'failed' ELSE 'partial' END`
  return [
    ...(hasFollowUp ? nameNext(db, done, status, now) : []),
    db.run(insertBatchCompleted(done, now, status, nextOf(status))),
    ...(hasFollowUp ? beginNext(db, done, status, now) : []),
    db.run(sql`
      UPDATE batches SET status = ${status}, finished_at = ${now}, last_seq = last_seq + 1, paused_at = NULL, transition = NULL, transition_cursor = NULL
      WHERE ${done}`),
    ...(hasFollowUp ? enqueueDeliveries(db, batchIds, now) : []),
  ]
}
