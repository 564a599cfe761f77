/** Tables of calls: when the next may be made, and what receivers called back with. */
import { index, integer, primaryKey, real, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Time slots of calls, by owner and host; see `call-slots.ts`. */
export const httpSlots = sqliteTable(
  'http_slots',
  {
    owner: text().notNull(),
    host: text().notNull(),
    /** Beginning of the first free slot, in milliseconds since the epoch. */
    nextAt: real('next_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.host] }), index('http_slots_next').on(t.nextAt)],
)

/** Answers that receivers called back with, until their job has them. */
export const httpCallbacks = sqliteTable(
  'http_callbacks',
  {
    jobId: text('job_id').notNull(),
    /** The call that it answers. */
    call: text().notNull(),
    batchId: text('batch_id').notNull(),
    contentType: text('content_type').notNull(),
    body: text().notNull(),
    /** Outcome of the call; of one that failed, `body` says why. */
    outcome: text({ enum: ['completed', 'failed', 'retry'] })
      .notNull()
      .default('completed'),
    /** Pause that the receiver asked for before the next attempt, in milliseconds; null for the usual one. */
    retryAfterMs: integer('retry_after_ms'),
    /** Milliseconds since the epoch. */
    receivedAt: integer('received_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.jobId, t.call] }), index('http_callbacks_batch').on(t.batchId)],
)
