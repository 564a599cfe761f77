/** When a batch begins, what follows it and what it follows, as its state shows it. */
import type * as z from 'zod'
import type { BatchState } from '../../../live/state.ts'
import type { BatchFacts } from '../follow-schemas.ts'

type Facts = Pick<z.infer<typeof BatchFacts>, 'startsAt' | 'then' | 'chain' | 'supersededBy'>

/** Presents these; no field for what a batch does not have. */
export function presentChain({
  runAt,
  next,
  chain,
  supersededBy,
}: Pick<BatchState, 'runAt' | 'next' | 'chain' | 'supersededBy'>): Facts {
  return {
    ...(runAt === null ? {} : { startsAt: new Date(runAt).toISOString() }),
    ...(next === null
      ? {}
      : {
          // biome-ignore lint/suspicious/noThenProperty: the name of the option; only what can be called is taken for a promise.
          then: { operation: next.operation, batchIds: [...next.batchIds] },
        }),
    ...(chain === null ? {} : { chain: presentSource(chain) }),
    ...(supersededBy === null ? {} : { supersededBy }),
  }
}

const presentSource = ({ from, expected, rejected, errors }: NonNullable<BatchState['chain']>) => ({
  from,
  expectedItems: expected,
  rejectedResults: rejected,
  errors: errors.map((error) => ({ ...error })),
})
