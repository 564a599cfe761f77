/** The log of what happened to each batch. */
import { integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** Facts about a batch, numbered within it. `data` holds what the type adds to the common fields. */
export const events = sqliteTable(
  'events',
  {
    /** Numbers all events in the order of their commits, so that a caller's batches can be followed as one. Never given twice. */
    id: integer().primaryKey({ autoIncrement: true }),
    batchId: text('batch_id').notNull(),
    seq: integer().notNull(),
    type: text({ enum: ['batch_started', 'job_completed', 'job_failed', 'batch_completed'] }).notNull(),
    jobId: text('job_id'),
    /** The job's place in its batch, from 1. */
    jobSequence: integer('job_sequence'),
    at: integer().notNull(),
    data: text({ mode: 'json' }).$type<Record<string, unknown>>().notNull(),
    /** Set when a retry by hand replaced what it tells of; replay skips it. */
    supersededAt: integer('superseded_at'),
  },
  (t) => [uniqueIndex('events_batch_seq').on(t.batchId, t.seq)],
)
