/** Schedules and their runs, as answers show them. */
import { nextTimes } from './cron.ts'
import type { ScheduleRow } from './queries.ts'
import type { Schedule, ScheduleRun, ScheduleSummary } from './schemas.ts'
import type { scheduleRuns } from './tables.ts'

/** Next due times that an answer lists. */
const NEXT_RUNS = 5

/** Presents a schedule with all that it keeps. */
export function presentSchedule(row: ScheduleRow, now: number): Schedule {
  const { input, items, options } = row
  return { ...presentSummary(row, now), input, items: Array.isArray(items) ? items : [], options: { ...options } }
}

/** Presents a schedule of a list. */
export function presentSummary(row: Omit<ScheduleRow, 'input' | 'items' | 'options'>, now: number): ScheduleSummary {
  const { id, name, cron, timezone, operation, itemCount, overlap, lastBatchId } = row
  return {
    ...{ id, name, cron, timezone, operation, itemCount, overlap },
    paused: row.pausedAt !== null,
    nextRuns:
      row.nextAt === null ? [] : [row.nextAt, ...nextTimes(row, Math.max(row.nextAt, now), NEXT_RUNS - 1)].map(iso),
    lastBatchId,
    createdAt: iso(row.createdAt),
    updatedAt: iso(row.updatedAt),
  }
}

/** Presents a run. */
export function presentRun(row: typeof scheduleRuns.$inferSelect): ScheduleRun {
  const { scheduleId, dueAt, at, ...run } = row
  return { ...run, dueAt: iso(dueAt), at: iso(at) }
}

const iso = (ms: number) => new Date(ms).toISOString()
