/** Commands of an owner on schedules: make, change, pause, resume, delete. */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { invalidRequest, MillraceError } from '../../errors.ts'
import type { Database } from '../../ports.ts'
import { checkCron, nextTime } from './cron.ts'
import { readNamed, readSchedule, readUsage, type ScheduleRow } from './queries.ts'
import { batchOf, type RunnerDeps } from './run.ts'
import type { ChangeSchedule, CreateSchedule } from './schemas.ts'
import { scheduleRuns, schedules } from './tables.ts'

/** Schedules of an owner. */
const MAX_SCHEDULES = 1_000
/** Bytes of JSON that a schedule keeps: what it takes of a row. */
const MAX_SCHEDULE_BYTES = 1_000_000
/** Bytes that all schedules of an owner keep. */
const MAX_OWNER_BYTES = 20_000_000

type Deps = Pick<
  RunnerDeps,
  'db' | 'clock' | 'dispatcher' | 'notifier' | 'operations' | 'declared' | 'quota' | 'loadBatches'
>

/** @throws MillraceError NOT_FOUND where there is none; another owner's is none */
export async function findSchedule({ db }: Pick<Deps, 'db'>, owner: string, id: string): Promise<ScheduleRow> {
  const row = await readSchedule(db, owner, id)
  if (row !== undefined) return row
  throw new MillraceError(
    'NOT_FOUND',
    'There is no schedule with this id. It may have been deleted, or belong to someone else.',
  )
}

/**
 * Makes a schedule.
 * @throws MillraceError UNPROCESSABLE for its times, INVALID_REQUEST for its batch, CONFLICT for a name that is taken, QUOTA_EXCEEDED for too many
 */
export async function createSchedule(deps: Deps, owner: string, asked: CreateSchedule): Promise<ScheduleRow> {
  const { paused = false, timezone = 'UTC', overlap = 'skip', input = null, options = {}, ...rest } = asked
  const now = deps.clock.now()
  const row = await checked(deps, {
    ...{ id: uuidv7(), owner, timezone, overlap, input, options },
    ...rest,
    pausedAt: paused ? now : null,
    lastBatchId: null,
    createdAt: now,
    updatedAt: now,
  })
  const { count, bytes } = await readUsage(deps.db, owner)
  if (count >= MAX_SCHEDULES) {
    throw new MillraceError(
      'QUOTA_EXCEEDED',
      `You have ${MAX_SCHEDULES.toLocaleString('en')} schedules, and may have no more. Delete some.`,
    )
  }
  demandRoom(bytes + row.bytes)
  await demandFreeName(deps.db, row)
  await deps.db.insert(schedules).values(row)
  return row
}

/**
 * Changes a schedule; its next time is found anew where it is another's now.
 * @throws MillraceError as {@link createSchedule} does
 */
export async function changeSchedule(deps: Deps, before: ScheduleRow, asked: ChangeSchedule): Promise<ScheduleRow> {
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
  const row = await checked(deps, { ...before, ...given, updatedAt: deps.clock.now() })
  const { bytes } = await readUsage(deps.db, row.owner)
  if (row.bytes > before.bytes) demandRoom(bytes + row.bytes - before.bytes)
  await demandFreeName(deps.db, row)
  const isSameTime = row.cron === before.cron && row.timezone === before.timezone
  const { id, owner, createdAt, lastBatchId, pausedAt, nextAt, ...fields } = row
  // A run that is due meanwhile, or a pause, moves its next time.
  await deps.db
    .update(schedules)
    .set(isSameTime ? fields : { ...fields, nextAt: sql`CASE WHEN paused_at IS NULL THEN ${nextAt} END` })
    .where(sql`id = ${id}`)
  return findSchedule(deps, owner, id)
}

/** Has a schedule be due no more. Does nothing to one that is paused. */
export async function pauseSchedule(deps: Deps, { id, owner }: ScheduleRow): Promise<ScheduleRow> {
  const pausedAt = deps.clock.now()
  await deps.db.update(schedules).set({ pausedAt, nextAt: null }).where(sql`id = ${id} AND paused_at IS NULL`)
  return findSchedule(deps, owner, id)
}

/** Resumes a schedule from now on; missed times are not made up for. Does nothing to one that is not paused. */
export async function resumeSchedule(deps: Deps, schedule: ScheduleRow): Promise<ScheduleRow> {
  const { id, owner } = schedule
  const nextAt = nextTime(schedule, deps.clock.now())
  await deps.db
    .update(schedules)
    .set({ pausedAt: null, nextAt })
    .where(sql`id = ${id} AND paused_at IS NOT NULL AND cron = ${schedule.cron} AND timezone = ${schedule.timezone}`)
  return findSchedule(deps, owner, id)
}

/** Deletes a schedule and the log of its runs. */
export async function deleteSchedule(db: Database, id: string): Promise<void> {
  await db.batch([db.delete(schedules).where(sql`id = ${id}`), db.delete(scheduleRuns).where(sql`schedule_id = ${id}`)])
}

type Unchecked = Omit<ScheduleRow, 'itemCount' | 'bytes' | 'nextAt'>

/** Checks the times and the batch of a schedule, and completes its row. */
async function checked(deps: Deps, row: Unchecked): Promise<ScheduleRow> {
  const now = deps.clock.now()
  checkCron(row, now)
  const bytes = new TextEncoder().encode(JSON.stringify([row.input, row.items, row.options])).byteLength
  if (bytes > MAX_SCHEDULE_BYTES) {
    const counted = (n: number) => n.toLocaleString('en')
    throw invalidRequest(
      'items',
      `items: expected at most ${counted(MAX_SCHEDULE_BYTES)} bytes of JSON with input and options, and these are ${counted(bytes)}.`,
    )
  }
  const batch = batchOf(row)
  if (batch.options?.webhook !== undefined && batch.options.webhook.secret === undefined) {
    throw invalidRequest(
      'options.webhook.secret',
      'options.webhook.secret: expected a secret of your own, such as one that "openssl rand -base64 32" makes, after "whsec_". Nobody would be told one that is made for each batch.',
    )
  }
  const { checkBatch } = await deps.loadBatches()
  await checkBatch(deps, row.owner, batch)
  return { ...row, bytes, itemCount: batch.items.length, nextAt: row.pausedAt === null ? nextTime(row, now) : null }
}

function demandRoom(bytes: number): void {
  if (bytes <= MAX_OWNER_BYTES) return
  throw new MillraceError(
    'QUOTA_EXCEEDED',
    `Your schedules may keep ${MAX_OWNER_BYTES / 1_000_000} MB together. Delete some.`,
  )
}

async function demandFreeName(
  db: Database,
  { id, owner, name }: Pick<ScheduleRow, 'id' | 'owner' | 'name'>,
): Promise<void> {
  const other = await readNamed(db, owner, name)
  if (other === undefined || other === id) return
  throw new MillraceError(
    'CONFLICT',
    `name: you have a schedule "${name}" (${other}). Change that one, or name this one otherwise.`,
    {
      details: { field: 'name' },
    },
  )
}
