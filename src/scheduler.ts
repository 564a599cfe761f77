/** Puts together what runs schedules: the feature of schedules, the batches that it begins, and their owners' limits. */
import { admitBy } from './features/schedules/admit.ts'
import type { StartDeps } from './features/schedules/batch-starter.ts'
import type { RunnerDeps } from './features/schedules/run.ts'
import { DeclaredStore } from './features/workers/declared-store.ts'
import { Quotas } from './http/middleware/quotas.ts'
import type { Log } from './ports.ts'
import type { RateLimits } from './rate-classes.ts'
import { loadBatchStarter } from './surfaces.ts'

/**
 * Makes what runs of schedules take.
 * @param limits.blocks false where invocations may not share what they lease of limits
 */
export function createRunner(
  deps: Omit<StartDeps, 'declared'> & { readonly log: Log },
  limits: { readonly perHour: RateLimits; readonly blocks: boolean },
): RunnerDeps {
  return {
    ...deps,
    declared: new DeclaredStore(deps),
    loadBatches: loadBatchStarter,
    admit: admitBy(new Quotas(deps, limits)),
  }
}
