/**
 * Runs syncs that are due: lists the channel, begins a job for what is new, and deletes what is gone where that is asked for. A run is taken by
 * one process at a time, and its job is made under an idempotency key of the time that it was due at.
 */
import type { ReserveQuota } from '../../../engine/transitions/submission.ts'
import { MillraceError } from '../../../errors.ts'
import type { Operations } from '../../../operation.ts'
import type { Log } from '../../../ports.ts'
import { findStorageFault } from '../../../storage-errors.ts'
import { PROCESS } from '../names.ts'
import { deleteGone } from '../store/documents.ts'
import type { ListingDeps } from './list-channel.ts'
import { planChannel } from './plan-channel.ts'
import { submitItems } from './submit-items.ts'
import { type DueSync, findDue, findNextDue, type LastRun, noteRun, takeSync } from './syncs.ts'

/** Ports and services that runs of syncs use. */
export type SyncDeps = Parameters<typeof submitItems>[0] &
  ListingDeps & {
    readonly log: Log
    readonly operations: Operations
    /** True where this server recognises speech. */
    readonly hears: boolean
    /** Counts a job against its owner's limit; absent where nothing is limited. */
    readonly admit?: (owner: string) => ReserveQuota
  }

/** Time after which a run that failed is tried again, in milliseconds; no later than the sync is due. */
const RETRY_MS = 15 * 60_000
/** Time that a run of a process that ends is taken up by another after, in milliseconds. */
const TAKEN_MS = 10 * 60_000

/**
 * Runs what is due, one after the other.
 * @param goOn asked before each
 * @returns when the next sync is due, in milliseconds since the epoch; null where there is none
 */
export async function runDueSyncs(deps: SyncDeps, goOn: () => boolean = () => true): Promise<number | null> {
  while (goOn()) {
    const now = deps.clock.now()
    const due = await findDue(deps.db, now)
    if (due === null) return findNextDue(deps.db, now)
    if (await takeSync(deps.db, due, { now, until: now + TAKEN_MS })) await runSync(deps, due)
  }
  return deps.clock.now()
}

/** @throws storage faults, after which the sync is taken up again */
async function runSync(deps: SyncDeps, sync: DueSync): Promise<void> {
  const { id, everyMs } = sync
  const at = new Date(deps.clock.now()).toISOString()
  const none = { at, job_id: null, channel: null, deleted: 0, error: null }
  const nextAt = Math.max(sync.nextAt, deps.clock.now() - everyMs) + everyMs
  if (sync.stillRuns) {
    return noteRun(deps.db, id, { ...none, outcome: 'skipped' }, { batchId: null, nextAt })
  }
  try {
    const { run, batchId } = await process(deps, sync)
    await noteRun(deps.db, id, { ...none, ...run }, { batchId, nextAt })
  } catch (error) {
    if (findStorageFault(error) !== null) throw error
    deps.log.warn(
      { event: 'sync.failed', err: error, syncId: id },
      'a channel could not be processed by itself; it is tried again',
    )
    const message = error instanceof MillraceError ? error.message : 'It failed; the log of the server has the details.'
    const retryAt = Math.min(nextAt, deps.clock.now() + RETRY_MS)
    await noteRun(deps.db, id, { ...none, outcome: 'failed', error: message }, { batchId: null, nextAt: retryAt })
  }
}

async function process(
  deps: SyncDeps,
  sync: DueSync,
): Promise<{ run: Omit<LastRun, 'at' | 'error'>; batchId: string | null }> {
  const { id, owner, platform, channel, collection, input, nextAt } = sync
  const operation = deps.operations[PROCESS]
  if (operation === undefined) throw new Error(`The operation "${PROCESS}" is not registered.`)
  const request = { platform, url: channel, collection, selected: [], ...input, hears: deps.hears }
  const { documents, report, listed } = await planChannel(deps, owner, request)
  // A channel that suddenly lists nothing is more often a fault of its site than empty.
  const isGone = sync.onGone === 'delete' && listed !== null && listed.length > 0
  const deleted = isGone ? await deleteGone(deps.db, { owner, collection, channel }, listed) : 0
  if (documents.length === 0) {
    return { run: { outcome: 'unchanged', job_id: null, channel: report, deleted }, batchId: null }
  }
  const key = `sync:${id}:${new Date(nextAt).toISOString()}`
  const { batchId } = await submitItems(
    deps,
    {
      ...{ owner, operation },
      // Of the time alone, so that a run that is taken up again finds its job, whatever the channel lists then.
      idempotency: { key, content: { sync: id, key } },
      request: { collection, ...input, documents, channel: report },
      admit: deps.admit?.(owner),
    },
    documents.length,
  )
  return { run: { outcome: 'started', job_id: key, channel: report, deleted }, batchId }
}
