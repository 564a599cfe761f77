/** Rows of schedules and of their runs. */
import { sql } from 'drizzle-orm'
import type { Database, Statement } from '../../ports.ts'
import { scheduleRuns, schedules } from './tables.ts'

export type ScheduleRow = typeof schedules.$inferSelect

/** Runs of a schedule that are kept. */
export const MAX_RUNS = 100

const { input, items, options, ...SUMMARY } = {
  id: schedules.id,
  owner: schedules.owner,
  name: schedules.name,
  cron: schedules.cron,
  timezone: schedules.timezone,
  operation: schedules.operation,
  input: schedules.input,
  items: schedules.items,
  itemCount: schedules.itemCount,
  options: schedules.options,
  bytes: schedules.bytes,
  overlap: schedules.overlap,
  nextAt: schedules.nextAt,
  pausedAt: schedules.pausedAt,
  lastBatchId: schedules.lastBatchId,
  createdAt: schedules.createdAt,
  updatedAt: schedules.updatedAt,
}

/** Reads a schedule of an owner; undefined where there is none, or it is another's. */
export function readSchedule(db: Database, owner: string, id: string): Promise<ScheduleRow | undefined> {
  return db.select().from(schedules).where(sql`owner = ${owner} AND id = ${id}`).get()
}

/** Reads the id of an owner's schedule of a name. */
export async function readNamed(db: Database, owner: string, name: string): Promise<string | undefined> {
  const row = await db
    .select({ id: schedules.id })
    .from(schedules)
    .where(sql`owner = ${owner} AND name = ${name}`)
    .get()
  return row?.id
}

/** Lists an owner's schedules, newest first, without their items. */
export function listSchedules(
  db: Database,
  owner: string,
  { before, limit }: { before: string | undefined; limit: number },
) {
  return db
    .select(SUMMARY)
    .from(schedules)
    .where(sql`owner = ${owner} AND ${before === undefined ? sql`true` : sql`id < ${before}`}`)
    .orderBy(sql`id DESC`)
    .limit(limit)
}

/** Reads how many schedules an owner has, and the bytes of what these keep. */
export async function readUsage(db: Database, owner: string): Promise<{ count: number; bytes: number }> {
  const rows = await db.all<{ count: number; bytes: number }>(
    sql`SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM ${schedules} WHERE owner = ${owner}`,
  )
  return rows[0] ?? { count: 0, bytes: 0 }
}

/** Lists the latest runs of a schedule, the latest first. */
export function listRuns(db: Database, scheduleId: string, limit: number) {
  return db.select().from(scheduleRuns).where(sql`schedule_id = ${scheduleId}`).orderBy(sql`due_at DESC`).limit(limit)
}

/** A schedule that is due, and whether the batch of its last run still runs. */
export type DueSchedule = ScheduleRow & { readonly lastRuns: boolean }

/** Reads schedules that are due, those first that have been for longest. */
export async function readDue(db: Database, now: number, limit: number): Promise<DueSchedule[]> {
  const rows = await db
    .select({ ...SUMMARY, input, items, options, lastRuns: lastStillRuns })
    .from(schedules)
    .where(sql`next_at IS NOT NULL AND next_at <= ${now}`)
    .orderBy(sql`next_at`)
    .limit(limit)
  return rows.map(({ lastRuns, ...row }) => ({ ...row, lastRuns: lastRuns === 1 }))
}

const lastStillRuns = sql<number>`EXISTS (
  SELECT 1 FROM batches b WHERE b.id = ${schedules.lastBatchId} AND b.finished_at IS NULL AND b.deleted_at IS NULL)`

/** Reads when the next schedule is due; null where none is. */
export async function readNextDue(db: Database): Promise<number | null> {
  const row = await db
    .select({ nextAt: schedules.nextAt })
    .from(schedules)
    .where(sql`next_at IS NOT NULL`)
    .orderBy(sql`next_at`)
    .limit(1)
    .get()
  return row?.nextAt ?? null
}

/**
 * Makes the statements that note a run, and drop the runs before the latest ones. A batch that was begun outweighs what another process noted
 * of the same time. Nothing is noted of a schedule that was deleted meanwhile.
 */
export function noteRun(db: Database, run: typeof scheduleRuns.$inferInsert): [Statement, ...Statement[]] {
  const { scheduleId, dueAt, outcome, byHand, batchId = null, errorCode = null, errorMessage = null, at } = run
  return [
    db.run(sql`
      INSERT INTO ${scheduleRuns} (schedule_id, due_at, outcome, by_hand, batch_id, error_code, error_message, at)
      SELECT id, ${dueAt}, ${outcome}, ${byHand ? 1 : 0}, ${batchId}, ${errorCode}, ${errorMessage}, ${at} FROM ${schedules} WHERE id = ${scheduleId}
      ON CONFLICT (schedule_id, due_at) DO UPDATE SET outcome = excluded.outcome, batch_id = excluded.batch_id, error_code = NULL, error_message = NULL
      WHERE excluded.outcome = 'started'`),
    db.run(sql`
      DELETE FROM ${scheduleRuns} WHERE schedule_id = ${scheduleId} AND due_at <= (
        SELECT due_at FROM ${scheduleRuns} WHERE schedule_id = ${scheduleId} ORDER BY due_at DESC LIMIT 1 OFFSET ${MAX_RUNS})`),
    ...(batchId === null
      ? []
      : [
          db.run(
            sql`UPDATE ${schedules} SET last_batch_id = ${batchId} WHERE id = ${scheduleId} AND coalesce(last_batch_id, '') < ${batchId}`,
          ),
        ]),
  ]
}
