/** The budget of a batch, as its state shows it. */

import type * as z from 'zod'
import type { BudgetState } from '../../schema/budget.ts'
import type { BatchFacts } from './follow-schemas.ts'

/** Presents the budget; no field where the batch has none. */
export function presentBudget(state: BudgetState | null): Pick<z.infer<typeof BatchFacts>, 'budget'> {
  if (state === null) return {}
  const { from, exceeded, ...limits } = state
  const excess = exceeded === undefined ? null : { ...exceeded, at: new Date(exceeded.at).toISOString() }
  return { budget: { ...limits, exceeded: excess } }
}
