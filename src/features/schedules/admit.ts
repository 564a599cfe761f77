/** Batches of schedules count against the limit of batches that their owner makes an hour, as those made by request do. */
import type { ReserveQuota } from '../../engine/transitions/submission.ts'
import { MillraceError } from '../../errors.ts'
import type { Quotas } from '../../http/middleware/quotas.ts'

/** Makes what counts a batch of an owner just before it is made, and throws RATE_LIMIT where there is no more to be made this hour. */
export const admitBy =
  (quotas: Quotas) =>
  (owner: string): ReserveQuota =>
  async () => {
    const taken = await quotas.consume('batch.create', owner)
    if (taken?.allowed === false) {
      throw new MillraceError('RATE_LIMIT', `The limit of ${taken.limit} an hour for "batch.create" is used up.`)
    }
    return () => quotas.refund('batch.create', owner, taken)
  }
