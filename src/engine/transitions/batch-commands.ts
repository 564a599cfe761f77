/** Commands of an owner on a batch that is under way: cancel, pause, resume, retry, delete. */
import { type SQL, sql } from 'drizzle-orm'
import { MillraceError } from '../../errors.ts'
import { insertBatchRestarted } from '../../events.ts'
import type { Operations } from '../../operation.ts'
import type { Database } from '../../ports.ts'
import { batches } from '../../schema/batches.ts'
import { FEEDS_NEXT } from '../chains.ts'
import { withCooldown } from '../chunked-work.ts'
import { RESUMED_BUDGET, RETRIED_BUDGET } from './budget.ts'
import { advanceOneStep, advanceTransition, type TransitionDeps } from './bulk-transitions.ts'
import { UNBLOCKED_WHILE_PAUSED, unblockJobs } from './concurrency-limit.ts'
import { CANCELLING_CODES, type StopCode } from './stop-codes.ts'

type Deps = TransitionDeps & {
  /** True where a request may make so few queries that it leaves most of a large batch to the workers. */
  readonly workersOnDemand?: boolean
}

/** Commits that a request makes where it may make few. */
const FEW = 3

/** Counts the commits that a request may make. */
function budget({ workersOnDemand }: Deps): () => boolean {
  let left = workersOnDemand === true ? FEW : Number.POSITIVE_INFINITY
  return () => --left > 0
}

/**
 * Ends a batch early: waiting jobs end at once, running ones are stopped by their heartbeat. Does nothing to a batch that has ended.
 * Repeating it goes on where an earlier call was cut off.
 */
export async function stopBatch(deps: Deps, batchId: string, code: StopCode): Promise<void> {
  const goOn = budget(deps)
  await ask(
    deps,
    batchId,
    goOn,
    () => requestStop(deps, batchId, code),
    ({ ended, stopped }) => ended || stopped,
  )
  await advanceTransition(deps, batchId, goOn)
}

/**
 * Writes down that a batch is to be stopped; the rest is done by {@link advanceTransition}. What is being run again is counted as that first.
 * @returns whether it was written; not where the batch has ended, is stopped, or is being run again
 */
export async function requestStop(
  { db, clock }: Pick<Deps, 'db' | 'clock'>,
  batchId: string,
  code: StopCode,
): Promise<boolean> {
  const rows = await db.all(sql`
    UPDATE batches SET stop_code = ${code}, cut_open = open_until IS NOT NULL, open_until = NULL, paused_at = NULL, transition = 'stop',
      transition_cursor = 0, cancel_requested_at = CASE WHEN ${code} IN ${CANCELLING_CODES} THEN ${clock.now()} END, progress_version = progress_version + 1
    WHERE id = ${batchId} AND finished_at IS NULL AND stop_code IS NULL AND coalesce(transition, '') NOT IN ('supersede', 'retry')
    RETURNING id`)
  return rows.length > 0
}

/**
 * Starts no more jobs of a batch; what runs goes on. Does nothing to a batch that is paused.
 * @throws MillraceError CONFLICT when it has ended, or is being stopped
 */
export async function pauseBatch(deps: Deps, batchId: string): Promise<void> {
  const goOn = budget(deps)
  const write = async () => {
    const rows = await deps.db.all(sql`
      UPDATE batches SET paused_at = ${deps.clock.now()}, transition = 'pause', transition_cursor = 0, progress_version = progress_version + 1
      WHERE id = ${batchId} AND paused_at IS NULL AND ${UNDISTURBED} RETURNING id`)
    return rows.length > 0
  }
  await ask(deps, batchId, goOn, write, (batch) => {
    refuseEnded(batch, 'paused')
    return batch.paused
  })
  await advanceTransition(deps, batchId, goOn)
}

/**
 * Lets a paused batch go on. Does nothing to a batch that is not paused.
 * @throws MillraceError CONFLICT when it has ended, or is being stopped
 */
export async function resumeBatch(deps: Deps, batchId: string): Promise<void> {
  const { db } = deps
  const goOn = budget(deps)
  // A batch with a concurrency limit unblocks as many as it has slots for, at once: only running jobs have one.
  const write = async () => {
    const [rows] = await db.batch([
      db.all(sql`
        UPDATE batches SET paused_at = NULL, budget = ${RESUMED_BUDGET}, idle_ms = ${idleSince(sql`paused_at`, deps.clock.now())}, transition = CASE WHEN concurrency IS NULL THEN 'resume' END,
          transition_cursor = CASE WHEN concurrency IS NULL THEN 0 END, progress_version = progress_version + 1
        WHERE id = ${batchId} AND paused_at IS NOT NULL AND ${UNDISTURBED} RETURNING id`),
      unblockJobs(db, batchId, deps.clock.now(), sql`changes() > 0`, UNBLOCKED_WHILE_PAUSED),
    ])
    return rows.length > 0
  }
  await ask(deps, batchId, goOn, write, (batch) => {
    refuseEnded(batch, 'resumed')
    return !batch.paused
  })
  await advanceTransition(deps, batchId, goOn)
  deps.dispatcher.wake()
}

/** The milliseconds that a batch lay idle, those since `since` included; what was never begun lay not idle but waited. */
function idleSince(since: SQL, now: number): SQL {
  return sql`CASE WHEN started_at IS NULL THEN idle_ms ELSE coalesce(idle_ms, 0) + ${now} - ${since} END`
}

/** The batch goes on, and nothing that was asked of it is still being done. */
const UNDISTURBED = sql`transition IS NULL AND stop_code IS NULL AND finished_at IS NULL`

/** State of a batch, as far as commands depend on it. */
interface Standing {
  readonly status: string
  readonly ended: boolean
  readonly stopped: boolean
  readonly paused: boolean
  readonly transition: string | null
}

/**
 * Writes down what is asked of a batch, once what was asked before is done as far as it is in the way.
 * @param write returns whether it was written
 * @param done whether there is nothing to write, as the batch stands; throws where what is asked is refused
 * @throws MillraceError SERVICE_UNAVAILABLE when the request may make no more commits
 */
async function ask(
  deps: Deps,
  batchId: string,
  goOn: () => boolean,
  write: () => Promise<boolean>,
  done: (batch: Standing) => boolean,
): Promise<void> {
  while (!(await write())) {
    const batch = await standing(deps.db, batchId)
    if (batch === null || done(batch)) return
    if (batch.transition === null) continue
    await withCooldown(() => advanceOneStep(deps, batchId))
    if (!goOn()) {
      deps.dispatcher.wake()
      const message = 'What was asked of this batch before is still being done. Try again in a moment.'
      throw new MillraceError('SERVICE_UNAVAILABLE', message)
    }
  }
}

async function standing(db: Database, batchId: string): Promise<Standing | null> {
  const [row] = await db.all<
    Record<'ended' | 'stopped' | 'paused', number> & Pick<Standing, 'status' | 'transition'>
  >(sql`
    SELECT status, transition, finished_at IS NOT NULL AS ended, stop_code IS NOT NULL AS stopped, paused_at IS NOT NULL AS paused
    FROM batches WHERE id = ${batchId}`)
  if (row === undefined) return null
  return { ...row, ended: row.ended === 1, stopped: row.stopped === 1, paused: row.paused === 1 }
}

function refuseEnded({ ended, stopped, status }: Standing, asked: string): void {
  if (ended) throw new MillraceError('CONFLICT', `This batch has ended (${status}), so it cannot be ${asked}.`)
  if (stopped) throw new MillraceError('CONFLICT', `This batch is being stopped, so it cannot be ${asked}.`)
}

/**
 * Runs again what failed or was cancelled of a batch that has ended, and nothing else. The events of those failures and of the
 * end are superseded; a new `batch_started` says how many jobs run again. Its deadline is gone; the time that it may take is given again.
 * @returns how many
 * @throws MillraceError CONFLICT when the batch has not ended, or nothing of it failed
 */
export async function retryBatch(deps: Deps, batchId: string): Promise<number> {
  const { db } = deps
  const goOn = budget(deps)
  const now = deps.clock.now()
  const ended = sql`id = ${batchId} AND finished_at IS NOT NULL AND deleted_at IS NULL AND failed + cancelled > 0 AND NOT ${FEEDS_NEXT}`
  const [rows] = await db.batch([
    db.all<{ again: number; last_seq: number }>(
      sql`SELECT failed + cancelled AS again, last_seq FROM batches WHERE ${ended}`,
    ),
    // The end is the last event of a batch that has ended.
    db.run(sql`
      UPDATE events SET superseded_at = ${now} WHERE batch_id = ${batchId} AND type = 'batch_completed'
        AND seq = (SELECT last_seq FROM batches WHERE ${ended})`),
    db.run(insertBatchRestarted(ended, now)),
    db.run(sql`
      UPDATE batches SET status = 'processing', run = run + 1, finished_at = NULL, superseded_by = NULL, budget = ${RETRIED_BUDGET}, cancel_requested_at = NULL, stop_code = NULL, cut_open = false,
        deadline_at = ${now} + limit_ms, idle_ms = ${idleSince(sql`finished_at`, now)}, paused_at = NULL, last_seq = last_seq + 1, transition = 'supersede', transition_cursor = 0 WHERE ${ended}`),
  ])
  const row = rows[0]
  if (row === undefined) {
    await refuseFeeding(db, batchId, 'run again')
    throw new MillraceError('CONFLICT', 'Only a batch that has ended, and of which something failed, can be retried.')
  }
  deps.notifier.publish(batchId, { seq: row.last_seq + 1 })
  await advanceTransition(deps, batchId, goOn)
  return row.again
}

/** @throws MillraceError CONFLICT where results of the batch are becoming items of the next one */
async function refuseFeeding(db: Database, id: string, asked: string): Promise<void> {
  const rows = await db.all(sql`SELECT 1 FROM batches WHERE id = ${id} AND ${FEEDS_NEXT}`)
  if (rows.length === 0) return
  throw new MillraceError(
    'CONFLICT',
    `The results of this batch are becoming the items of the next one, so it can't be ${asked} yet. Try again once that one is sealed.`,
  )
}

/**
 * Takes a batch that has ended out of everyone's sight, with what its operation made and keeps beyond it; the sweep deletes its rows and
 * blobs.
 * @throws MillraceError CONFLICT while it runs
 */
export async function deleteBatch(deps: Deps & { readonly operations: Operations }, id: string): Promise<void> {
  const { db } = deps
  const [batch] = await db.all<{ operation: string }>(sql`SELECT operation FROM batches WHERE id = ${id}`)
  const ended = sql<boolean>`EXISTS (SELECT 1 FROM batches WHERE id = ${id} AND finished_at IS NOT NULL AND deleted_at IS NULL AND NOT ${FEEDS_NEXT})`
  const content = deps.operations[batch?.operation ?? '']?.deleteContent?.(db, id, ended) ?? []
  const hidden = db
    .update(batches)
    .set({ deletedAt: deps.clock.now(), idempotencyKey: null })
    .where(sql`id = ${id} AND finished_at IS NOT NULL AND deleted_at IS NULL AND NOT ${FEEDS_NEXT}`)
    .returning({ id: batches.id })
  const [first, ...rest] = content
  // Last, so that what is deleted with it is still guarded by its state.
  const rows = first === undefined ? await hidden : (await db.batch([first, ...rest, hidden])).at(-1)
  if (!Array.isArray(rows) || rows.length === 0) {
    await refuseFeeding(db, id, 'deleted')
    throw new MillraceError('CONFLICT', 'A batch can be deleted when it has ended. Cancel it first.')
  }
  deps.notifier.publish(id, { seq: 0 })
}
