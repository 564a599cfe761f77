/**
 * Runs of schedules. The batch of a time that a schedule is due at is made under an idempotency key of that time, so that there is one however
 * many processes find it due, and whatever dies when; only then the schedule moves on to the next time to come. So a schedule whose time passed
 * while no server ran is run once, for the first time that was missed.
 */
import { sql } from 'drizzle-orm'
import type { Accepted, ReserveQuota } from '../../engine/transitions/submission.ts'
import { MillraceError } from '../../errors.ts'
import type { Log } from '../../ports.ts'
import { findStorageFault } from '../../storage-errors.ts'
import type { BatchStarter, ScheduledBatch, StartDeps } from './batch-starter.ts'
import { nextTime } from './cron.ts'
import { type DueSchedule, noteRun, readDue, readNextDue, type ScheduleRow } from './queries.ts'
import { ScheduleOptions } from './schemas.ts'
import { schedules } from './tables.ts'

/** Ports and services that runs of schedules use. */
export interface RunnerDeps extends StartDeps {
  readonly log: Log
  /** Loads what makes batches, once something is due. */
  readonly loadBatches: () => Promise<BatchStarter>
  /** Counts a batch of an owner against the owner's limit; absent where nothing is limited. */
  readonly admit?: (owner: string) => ReserveQuota
}

/** Schedules read at once: each may keep 1 MB. */
const AT_ONCE = 4

/**
 * Begins what is due, one after the other. What fails for a reason that may pass stays due.
 * @param goOn asked before each
 * @returns when the next schedule is due, in milliseconds since the epoch; null where none is
 */
export async function runDueSchedules(deps: RunnerDeps, goOn: () => boolean = () => true): Promise<number | null> {
  for (;;) {
    const due = await readDue(deps.db, deps.clock.now(), AT_ONCE)
    if (due.length === 0) return readNextDue(deps.db)
    for (const schedule of due) {
      if (!goOn()) return schedule.nextAt
      await runDue(deps, schedule)
    }
  }
}

/** @throws what may pass by itself: a storage fault */
async function runDue(deps: RunnerDeps, schedule: DueSchedule): Promise<void> {
  const { id, nextAt: dueAt } = schedule
  if (dueAt === null) return
  const { db, clock } = deps
  const run = { scheduleId: id, dueAt, byHand: false, at: clock.now() }
  const moved = db.run(
    sql`UPDATE ${schedules} SET next_at = ${nextTime(schedule, Math.max(dueAt, clock.now()))} WHERE id = ${id} AND next_at = ${dueAt}`,
  )
  if (schedule.lastRuns && schedule.overlap === 'skip') {
    await db.batch([...noteRun(db, { ...run, outcome: 'skipped' }), moved])
    return
  }
  try {
    const { batchId } = await begin(deps, schedule, dueAt, keyOf(id, new Date(dueAt).toISOString()))
    await db.batch([...noteRun(db, { ...run, outcome: 'started', batchId }), moved])
  } catch (error) {
    if (findStorageFault(error) !== null) throw error
    const { code, message } = asRefusal(error)
    deps.log.warn(
      { event: 'schedule.failed', err: error, scheduleId: id },
      'a schedule could not begin its batch; it goes on at its next time',
    )
    await db.batch([...noteRun(db, { ...run, outcome: 'failed', errorCode: code, errorMessage: message }), moved])
  }
}

function asRefusal(error: unknown): { code: string; message: string } {
  if (error instanceof MillraceError) return { code: error.code, message: error.message }
  return { code: 'UNKNOWN', message: 'The batch could not be made. The server log has the details.' }
}

/** Idempotency key of a run. */
const keyOf = (id: string, run: string) => `schedule:${id}:${run}`

/** Begins a batch by hand, whatever else runs, and leaves the times at which the schedule is due as they are. */
export async function runNow(deps: RunnerDeps, schedule: ScheduleRow): Promise<Accepted> {
  const now = deps.clock.now()
  const accepted = await begin(deps, schedule, now, keyOf(schedule.id, crypto.randomUUID()))
  const { batchId } = accepted
  await deps.db.batch(
    noteRun(deps.db, { scheduleId: schedule.id, dueAt: now, byHand: true, at: now, outcome: 'started', batchId }),
  )
  return accepted
}

async function begin(deps: RunnerDeps, schedule: ScheduleRow, dueAt: number, key: string): Promise<Accepted> {
  const { id, owner } = schedule
  const { submitBatch } = await deps.loadBatches()
  return submitBatch(deps, batchOf(schedule), {
    owner,
    largest: schedule.bytes,
    // Of the time alone: where the schedule was changed after its batch was made, that batch counts.
    idempotency: { key, content: { schedule: id, key } },
    facts: { scheduleId: id, scheduledFor: new Date(dueAt).toISOString() },
    ...(deps.admit === undefined ? {} : { admit: deps.admit(owner) }),
  })
}

/** Makes the batch that a schedule describes. */
export function batchOf({
  operation,
  input,
  items,
  options,
}: Pick<ScheduleRow, 'operation' | 'input' | 'items' | 'options'>): ScheduledBatch {
  return {
    operation,
    ...(input === null ? {} : { input }),
    items: Array.isArray(items) ? items : [],
    options: ScheduleOptions.parse(options),
  }
}
