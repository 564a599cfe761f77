/** Sweeping: work that lost its worker is found again. */
import { sql } from 'drizzle-orm'
import type { Clock, Database, Dispatcher, Notifier } from '../../ports.ts'
import { batches } from '../../schema/batches.ts'
import type { ChainError } from '../../schema/chain.ts'
import { jobs } from '../../schema/jobs.ts'
import { workers } from '../../schema/workers.ts'
import { readAbandoned } from '../chains.ts'
import { requestStop } from './batch-commands.ts'
import { completeJobs, type Outcome } from './complete-jobs.ts'
import { sealChained, sealLeft } from './open-batches.ts'
import type { StopCode } from './stop-codes.ts'

/** A job whose workers vanished this often is failed: it may be what kills them. */
export const MAX_LOSSES = 10

const who = (queue: string | null) => (queue === null ? 'The server' : 'The worker')
const LOST = 'stopped while working on this. It is tried again.'
const LOST_FOR_GOOD = `stopped ${MAX_LOSSES} times while working on this, so it was given up. Retry it by hand if the cause is mended.`

/** Leases looked at in one go. */
const AT_ONCE = 200

/**
 * Takes back the jobs whose lease ran out, and those of workers named in `dead`.
 * @returns how many were taken back
 */
export async function sweepLeases(
  deps: { db: Database; clock: Clock; notifier: Notifier },
  dead: readonly string[] = [],
): Promise<number> {
  const now = deps.clock.now()
  const lost = await deps.db
    .select({
      jobId: jobs.id,
      batchId: jobs.batchId,
      sequence: jobs.sequence,
      lease: jobs.lease,
      losses: jobs.losses,
      queue: jobs.queue,
    })
    .from(jobs)
    .where(
      sql`status = 'running' AND (lease_until < ${now} OR substr(lease, 1, 36) IN (SELECT value FROM json_each(${JSON.stringify(dead)})))`,
    )
    .limit(AT_ONCE)
  if (lost.length === 0) return 0
  const outcomes = lost.map(({ jobId, batchId, sequence, lease, losses, queue }): Outcome => {
    const held = {
      jobId,
      batchId,
      sequence,
      lease: lease ?? '',
      hasConcurrencyLimit: true,
      hasFollowUp: true,
      hasBudget: true,
    }
    return losses + 1 < MAX_LOSSES
      ? {
          ...held,
          kind: 'retry',
          runAt: now,
          refund: true,
          loss: true,
          code: 'WORKER_LOST',
          message: `${who(queue)} ${LOST}`,
        }
      : { ...held, kind: 'failed', code: 'WORKER_LOST', message: `${who(queue)} ${LOST_FOR_GOOD}` }
  })
  return (await completeJobs(deps, outcomes)).written.length
}

/** Said of a batch that follows another where the job that fed it failed for good. */
const ABANDONED: ChainError = {
  index: null,
  field: null,
  message: 'The results of the batch before could not all be read. The server log has the details.',
}

/** Batches looked at in one go. */
const BATCHES_AT_ONCE = 20
const STOPPED_AT_ONCE = 1_000

/**
 * Writes down that batches are to be stopped whose deadline has passed, seals open batches that were not sealed in time,
 * or that nothing feeds any more.
 * @returns the batches that are stopped and not ended yet, so that a worker stops what it runs of them
 */
export async function sweepBatches(deps: {
  db: Database
  clock: Clock
  notifier: Notifier
  dispatcher: Dispatcher
}): Promise<ReadonlyMap<string, StopCode>> {
  const { db } = deps
  const now = deps.clock.now()
  const [late, open] = await db.batch([
    db
      .select({ id: batches.id })
      .from(batches)
      .where(sql`deadline_at IS NOT NULL AND finished_at IS NULL AND deadline_at <= ${now} AND stop_code IS NULL`)
      .limit(BATCHES_AT_ONCE),
    db
      .select({ id: batches.id })
      .from(batches)
      .where(sql`open_until IS NOT NULL AND open_until <= ${now}`)
      .limit(BATCHES_AT_ONCE),
  ])
  for (const { id } of late) await requestStop(deps, id, 'DEADLINE_EXCEEDED')
  for (const { id } of open) await sealLeft(deps, id)
  for (const batch of await readAbandoned(db, BATCHES_AT_ONCE)) await sealChained(deps, batch, [ABANDONED])
  const stopped = await db.all<{ id: string; stop_code: StopCode }>(
    sql`SELECT id, stop_code FROM batches WHERE stop_code IS NOT NULL AND finished_at IS NULL LIMIT ${STOPPED_AT_ONCE}`,
  )
  return new Map(stopped.map(({ id, stop_code }) => [id, stop_code]))
}

/** Notes that a worker lives. */
export async function signIn(
  deps: { db: Database; clock: Clock },
  worker: { id: string; host: string; pid: number },
): Promise<void> {
  const now = deps.clock.now()
  await deps.db
    .insert(workers)
    .values({ ...worker, startedAt: now, seenAt: now })
    .onConflictDoUpdate({ target: workers.id, set: { seenAt: now } })
}

/** The workers that are noted, as many as live or vanished without a word. */
export async function knownWorkers(
  db: Database,
): Promise<{ id: string; host: string; pid: number; startedAt: number; seenAt: number }[]> {
  const { id, host, pid, startedAt, seenAt } = workers
  return db.select({ id, host, pid, startedAt, seenAt }).from(workers)
}

/** Strikes workers off. */
export async function signOut(db: Database, ids: readonly string[]): Promise<void> {
  await db.delete(workers).where(sql`id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`)
}

/** Milliseconds after which a worker without a heartbeat is forgotten, much longer than any lease. One that comes back signs in anew. */
const FORGET_AFTER_MS = 24 * 60 * 60 * 1_000

/** Deletes workers that vanished unseen, such as with their container. */
export async function forgetVanishedWorkers({ db, clock }: { db: Database; clock: Clock }): Promise<void> {
  await db.delete(workers).where(sql`seen_at < ${clock.now() - FORGET_AFTER_MS}`)
}
