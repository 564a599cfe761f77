/** Work that begins at its times counts against the limits of its owner, as that which is begun by request does. */
import type { ReserveQuota } from '../../engine/transitions/submission.ts'
import { MillraceError } from '../../errors.ts'
import type { RateClass } from '../../rate-classes.ts'
import type { Quotas } from './quotas.ts'

/** Makes what counts a batch of an owner just before it is made, and throws RATE_LIMIT where there is no more to be made this hour. */
export const admitBy =
  (quotas: Quotas, rate: RateClass) =>
  (owner: string): ReserveQuota =>
  async () => {
    const taken = await quotas.consume(rate, owner)
    if (taken?.allowed === false) {
      throw new MillraceError('RATE_LIMIT', `The limit of ${taken.limit} an hour for "${rate}" is used up.`)
    }
    return () => quotas.refund(rate, owner, taken)
  }
