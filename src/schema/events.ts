/** The log of what happened to each batch. */
import { integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { jsonObjectColumn } from './json-column.ts'

/** Facts about a batch, numbered within it. `data` holds what the type adds to the common fields. */
export const events = sqliteTable(
  'events',
  {
    /** Numbers all events in the order of their commits, so that a caller's batches can be followed as one. Never given twice. */
    id: integer().primaryKey({ autoIncrement: true }),
    batchId: text('batch_id').notNull(),
    seq: integer().notNull(),
    type: text({
      enum: ['batch_started', 'job_completed', 'job_failed', 'budget_exceeded', 'chain_fed', 'batch_completed'],
    }).notNull(),
    jobId: text('job_id'),
    /** The job's position in its batch, from 1. */
    jobSequence: integer('job_sequence'),
    /** Facts about the job when it ended; null for events about the batch. */
    itemId: text('item_id'),
    filename: text(),
    url: text(),
    attempt: integer(),
    maxAttempts: integer('max_attempts'),
    startedAt: integer('started_at'),
    at: integer().notNull(),
    data: jsonObjectColumn().notNull(),
    /** Set when a manual retry superseded the event; replay skips it. */
    supersededAt: integer('superseded_at'),
  },
  (t) => [uniqueIndex('events_batch_seq').on(t.batchId, t.seq)],
)
