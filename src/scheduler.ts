/** Puts together what begins work at its times: schedules with the batches that they begin, and syncs of channels, under their owners' limits. */
import type { SyncDeps } from './features/rag/channels/sync-run.ts'
import type { StartDeps } from './features/schedules/batch-starter.ts'
import type { RunnerDeps } from './features/schedules/run.ts'
import { DeclaredStore } from './features/workers/declared-store.ts'
import { admitBy } from './http/middleware/admit.ts'
import { Quotas } from './http/middleware/quotas.ts'
import type { Log } from './ports.ts'
import type { RateLimits } from './rate-classes.ts'
import type { Speech } from './speech-ports.ts'
import { loadBatchStarter } from './surfaces.ts'

/** Makes what runs of channels take that are processed by themselves. */
export function createSyncRunner(
  deps: Omit<SyncDeps, 'admit' | 'hears'> & { readonly speech?: Speech },
  limits: { readonly perHour: RateLimits; readonly blocks: boolean },
): SyncDeps {
  const hears = (deps.speech?.transcriber ?? null) !== null
  return { ...deps, hears, admit: admitBy(new Quotas(deps, limits), 'rag.process') }
}

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
    admit: admitBy(new Quotas(deps, limits), 'batch.create'),
  }
}
