/** Batches, and the owners whose turns order their jobs. */
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** One request's worth of work for one owner. Times are milliseconds since the epoch. */
export const batches = sqliteTable(
  'batches',
  {
    /** UUIDv7, so that ids sort by time of creation. */
    id: text().primaryKey(),
    owner: text().notNull(),
    operation: text().notNull(),
    status: text({ enum: ['pending', 'processing', 'completed', 'partial', 'failed', 'cancelled'] }).notNull(),
    /** What the operation needs to know of the whole batch; its own shape. */
    input: text({ mode: 'json' }).$type<unknown>().notNull(),
    total: integer().notNull(),
    completed: integer().notNull().default(0),
    failed: integer().notNull().default(0),
    cancelled: integer().notNull().default(0),
    /** What `batch_started` and status answers say beside the common fields. */
    facts: text({ mode: 'json' }).$type<Record<string, unknown>>().notNull(),
    /** Sums an operation names, `{name: number}`, over completed jobs. */
    tallies: text({ mode: 'json' }).$type<Record<string, number>>().notNull(),
    /** Number of the latest event; event numbers are 1, 2, 3 … without gaps. */
    lastSeq: integer('last_seq').notNull().default(0),
    /** Grows whenever something that is not an event changed: progress, a claim. */
    progressVersion: integer('progress_version').notNull().default(0),
    /** How many of its jobs may be ready or running at once; null for no bound. */
    concurrency: integer(),
    createdAt: integer('created_at').notNull(),
    startedAt: integer('started_at'),
    finishedAt: integer('finished_at'),
    cancelRequestedAt: integer('cancel_requested_at'),
  },
  (t) => [index('batches_owner').on(t.owner, t.id), index('batches_finished').on(t.finishedAt)],
)

/** Where each owner stands in the order of turns. */
export const owners = sqliteTable(
  'owners',
  {
    owner: text().primaryKey(),
    lastTurn: integer('last_turn').notNull(),
  },
  (t) => [index('owners_last_turn').on(t.lastTurn)],
)
