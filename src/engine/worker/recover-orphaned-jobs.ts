/** Recovery after a crash: a new worker takes back the jobs of a killed process before their leases run out. */
import { sleep } from '../../backoff.ts'
import type { Clock, Database, Log, Notifier, ProcessVerdict } from '../../ports.ts'
import { knownWorkers, signOut, sweepLeases } from '../transitions/sweep.ts'
import { WORKER_TIMES } from './worker-options.ts'

/** Milliseconds without a heartbeat after which a worker is gone whose process may be. A living one is seen every `sweepMs`. */
export const SILENT_MS = 5 * WORKER_TIMES.sweepMs

/** Ports that recovery needs. */
export interface RecoveryDeps {
  readonly db: Database
  readonly clock: Clock
  readonly notifier: Notifier
  readonly log: Log
}

/** Names the new worker, and describes the processes whose end it can see. */
export interface RecoveryOptions {
  /** Id of the new worker, which is spared. */
  readonly id: string
  /** Workers of other hosts are left to their leases, because a process id means nothing there. */
  readonly host: string
  readonly judge: (worker: { pid: number; startedAt: number }) => ProcessVerdict
  /** Milliseconds without a heartbeat after which a worker is gone that is judged `unsure`. @default SILENT_MS */
  readonly silentMs?: number
  /** Ends the wait; what is not taken back by then is left to its leases. */
  readonly signal: AbortSignal
}

/**
 * Takes back the jobs of workers of this host whose process is gone: at once where that is certain. Where it is not, a second sign is waited
 * for, that no heartbeat comes; a process id alone proves nothing then.
 * @returns how many jobs were taken back
 */
export async function recoverOrphanedJobs(deps: RecoveryDeps, options: RecoveryOptions): Promise<number> {
  const { id, host, judge, silentMs = SILENT_MS, signal } = options
  const others = (await knownWorkers(deps.db)).filter((worker) => worker.id !== id && worker.host === host)
  const judged = Map.groupBy(others, judge)
  const gone = (judged.get('gone') ?? []).map((worker) => worker.id)
  const recovered = await takeBack(deps, gone, signal)
  const suspects = judged.get('unsure') ?? []
  if (suspects.length === 0) return recovered
  const seenAt = new Map(suspects.map((worker) => [worker.id, worker.seenAt]))
  // Processes of one host have one clock. What it says of a heartbeat to come, after it was set back, is not believed.
  const silentAt = Math.max(...seenAt.values()) + silentMs
  const waitMs = Math.min(silentMs, silentAt - deps.clock.now())
  if (waitMs > 0) await sleep(waitMs, signal).catch(() => {})
  if (signal.aborted) return recovered
  const silent = (await knownWorkers(deps.db)).filter((worker) => seenAt.get(worker.id) === worker.seenAt)
  const ids = silent.map((worker) => worker.id)
  return recovered + (await takeBack(deps, ids, signal))
}

/** Takes back what workers hold, and strikes them off. */
async function takeBack(deps: RecoveryDeps, ids: readonly string[], signal: AbortSignal): Promise<number> {
  if (ids.length === 0) return 0
  let recovered = 0
  for (let taken = 1; taken > 0; recovered += taken) {
    if (signal.aborted) return recovered
    taken = await sweepLeases(deps, ids)
    if (taken > 0) deps.log.info({ jobs: taken }, 'took back jobs of a process that is gone')
  }
  await signOut(deps.db, ids)
  return recovered
}
