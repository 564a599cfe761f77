/** Recovery after a crash: a new worker takes back the jobs of a killed process before their leases run out. */
import type { Clock, Database, Log, Notifier } from '../../ports.ts'
import { knownWorkers, signOut, sweepLeases } from '../transitions/sweep.ts'
import { WORKER_TIMES } from './worker-options.ts'

/** Milliseconds without a heartbeat after which a worker whose process is not there is gone. A living one is seen every `sweepMs`. */
export const SILENT_MS = 5 * WORKER_TIMES.sweepMs

/** Ports that recovery needs. */
export interface RecoveryDeps {
  readonly db: Database
  readonly clock: Clock
  readonly notifier: Notifier
  readonly log: Log
}

/** Names the new worker, and tells which processes it can judge. */
export interface RecoveryOptions {
  /** Id of the new worker, which is spared. */
  readonly id: string
  /** Workers of other hosts are left to their leases, because a process id means nothing there. */
  readonly host: string
  readonly isAlive: (pid: number) => boolean
  /** Milliseconds without a heartbeat after which a worker is gone. @default SILENT_MS */
  readonly silentMs?: number
  /** Ends the wait; what is not taken back by then is left to its leases. */
  readonly signal: AbortSignal
}

/**
 * Takes back the jobs of workers of this host whose process is gone. Two signs are needed: there is no such process, and no heartbeat
 * comes. A process id alone proves nothing where two servers see different processes under one host name.
 * @returns how many jobs were taken back
 */
export async function recoverOrphanedJobs(
  deps: RecoveryDeps,
  { id, host, isAlive, silentMs = SILENT_MS, signal }: RecoveryOptions,
): Promise<number> {
  const suspects = (await knownWorkers(deps.db)).filter((w) => w.id !== id && w.host === host && !isAlive(w.pid))
  if (suspects.length === 0) return 0
  const seenAt = new Map(suspects.map((worker) => [worker.id, worker.seenAt]))
  // Processes of one host have one clock. What it says of a heartbeat to come, after it was set back, is not believed.
  const silentAt = Math.max(...seenAt.values()) + silentMs
  const waitMs = Math.min(silentMs, silentAt - deps.clock.now())
  if (waitMs > 0) await pause(waitMs, signal)
  if (signal.aborted) return 0
  const silent = (await knownWorkers(deps.db)).filter((worker) => seenAt.get(worker.id) === worker.seenAt)
  const ids = silent.map((worker) => worker.id)
  let recovered = 0
  for (let taken = 1; ids.length > 0 && taken > 0; recovered += taken) {
    if (signal.aborted) return recovered
    taken = await sweepLeases(deps, ids)
    if (taken > 0) deps.log.info({ jobs: taken }, 'took back jobs of a process that is gone')
  }
  await signOut(deps.db, ids)
  return recovered
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
