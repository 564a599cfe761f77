/** Schedules, which begin batches by cron, and the log of their runs. */
import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { jsonColumn, jsonObjectColumn } from '../../schema/json-column.ts'

/** Times are milliseconds since the epoch. */
export const schedules = sqliteTable(
  'schedules',
  {
    /** UUIDv7. */
    id: text().primaryKey(),
    owner: text().notNull(),
    /** Name that the owner knows it by; one of each. */
    name: text().notNull(),
    /** Five fields of cron, or a nickname such as `@daily`. */
    cron: text().notNull(),
    /** IANA name of the time zone that the fields are read in. */
    timezone: text().notNull(),
    operation: text().notNull(),
    /** Input of the whole batch as it was sent; null for none. */
    input: jsonColumn(),
    items: jsonColumn().notNull(),
    itemCount: integer('item_count').notNull(),
    options: jsonObjectColumn().notNull(),
    /** Bytes of its input, items and options. */
    bytes: integer().notNull(),
    /** Policy for a run that is due while the batch of the last one still runs. */
    overlap: text({ enum: ['skip', 'allow'] }).notNull(),
    /** Next due time; null while it is paused, and where its cron has no further time. */
    nextAt: integer('next_at'),
    pausedAt: integer('paused_at'),
    /** The batch that was begun last. */
    lastBatchId: text('last_batch_id'),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (t) => [
    uniqueIndex('schedules_name').on(t.owner, t.name),
    index('schedules_owner').on(t.owner, t.id),
    index('schedules_next').on(t.nextAt).where(sql`next_at IS NOT NULL`),
  ],
)

/** Outcomes of the latest times that schedules were due at, or were run by hand at. */
export const scheduleRuns = sqliteTable(
  'schedule_runs',
  {
    scheduleId: text('schedule_id').notNull(),
    /** The time it was due at; by hand, the time it was asked for. */
    dueAt: integer('due_at').notNull(),
    outcome: text({ enum: ['started', 'skipped', 'failed'] }).notNull(),
    byHand: integer('by_hand', { mode: 'boolean' }).notNull(),
    batchId: text('batch_id'),
    errorCode: text('error_code'),
    errorMessage: text('error_message'),
    at: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.scheduleId, t.dueAt] })],
)
