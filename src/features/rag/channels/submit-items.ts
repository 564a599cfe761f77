/** Submits documents as a job; without any, as one that has ended. */
import { OPEN_MS, sealBatch } from '../../../engine/transitions/open-batches.ts'
import type { Accepted, Submission } from '../../../engine/transitions/submission.ts'
import { submit } from '../../../engine/transitions/submit.ts'

/**
 * Submits a request with its documents. One of a channel without anything new is a job of no items, which has completed when this returns.
 * @throws MillraceError as `submit` does
 */
export async function submitItems(
  deps: Parameters<typeof submit>[0],
  submission: Submission,
  count: number,
): Promise<Accepted> {
  if (count > 0) return submit(deps, submission)
  // Should this process end in between, the batch is sealed when its time is over.
  const accepted = await submit(deps, { ...submission, options: { openUntil: deps.clock.now() + OPEN_MS } })
  await sealBatch(deps, accepted.batchId, {})
  return accepted
}
