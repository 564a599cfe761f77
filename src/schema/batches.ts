/** Batches, and the owners whose virtual times order their jobs. */
import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import type { BudgetState } from './budget.ts'
import type { ChainState } from './chain.ts'
import { jsonColumn, jsonObjectColumn } from './json-column.ts'

/** One request's worth of work for one owner. Times are milliseconds since the epoch. */
export const batches = sqliteTable(
  'batches',
  {
    /** UUIDv7, so that ids sort by time of creation. */
    id: text().primaryKey(),
    owner: text().notNull(),
    operation: text().notNull(),
    /** Queue that its jobs are offered in to workers over HTTP; null where the server runs them. */
    queue: text(),
    status: text({ enum: ['pending', 'processing', 'completed', 'partial', 'failed', 'cancelled'] }).notNull(),
    /** Input of the whole batch that the operation needs; its own shape. */
    input: jsonColumn().notNull(),
    total: integer().notNull(),
    completed: integer().notNull().default(0),
    failed: integer().notNull().default(0),
    cancelled: integer().notNull().default(0),
    /** Fields that `batch_started` and status answers carry beside the common ones. */
    facts: jsonObjectColumn().notNull(),
    /** Sums an operation names, `{name: number}`, over completed jobs. */
    tallies: text({ mode: 'json' }).$type<Record<string, number>>().notNull(),
    /** Number of the latest event; event numbers are 1, 2, 3 … without gaps. */
    lastSeq: integer('last_seq').notNull().default(0),
    /** Grows whenever something that is not an event changed: progress, a claim. */
    progressVersion: integer('progress_version').notNull().default(0),
    /** Concurrency limit: number of its jobs that may be ready or running at once; null for no limit. */
    concurrency: integer(),
    /** 1, incremented by each manual retry: results read from an earlier run are no longer valid. */
    run: integer().notNull().default(1),
    createdAt: integer('created_at').notNull(),
    startedAt: integer('started_at'),
    finishedAt: integer('finished_at'),
    cancelRequestedAt: integer('cancel_requested_at'),
    /** Why what is left of it is not to run: `CANCELLED` or `DEADLINE_EXCEEDED`; null while it may. */
    stopCode: text('stop_code'),
    /** True where it was stopped before all of its items were there. */
    cutOpen: integer('cut_open', { mode: 'boolean' }).notNull().default(false),
    pausedAt: integer('paused_at'),
    /** Transition requested for the whole batch and not yet applied to all of its jobs; null for none. See `engine/transitions/bulk-transitions.ts`. */
    transition: text({ enum: ['begin', 'stop', 'pause', 'resume', 'supersede', 'retry'] }),
    /** The last sequence that it is done up to; of a `supersede`, the last event. */
    transitionCursor: integer('transition_cursor'),
    /** When what is left of it is failed. */
    deadlineAt: integer('deadline_at'),
    /** Time limit from its start time, and anew from each retry, in milliseconds; null for none. */
    limitMs: integer('limit_ms'),
    /** Time that it was idle, between its ends and the retries after them, or paused, in milliseconds; null where it never was. */
    idleMs: integer('idle_ms'),
    /** Until when an open batch takes items; null once it is sealed, and for batches that came whole. */
    openUntil: integer('open_until'),
    /** Head start of its jobs over the owner's others, in units of virtual time. */
    priority: integer().notNull().default(0),
    maxAttempts: integer('max_attempts'),
    /** Bytes of JSON that its jobs were given, counted against its owner's quota. */
    inputBytes: integer('input_bytes').notNull().default(0),
    /** When its jobs may begin. */
    runAt: integer('run_at'),
    /** Idempotency key: a repeated create answers this batch, and the key is accepted wherever an id is. */
    idempotencyKey: text('idempotency_key'),
    /** SHA-256 of the request under that key. */
    fingerprint: text(),
    /** The caller's own data, JSON as it was sent; null for none. Text, so that nothing reads it but who shows it. */
    metadata: text(),
    /** Its budget: limits, what it counts from, what was exceeded; null for none. See `engine/transitions/budget.ts`. */
    budget: text({ mode: 'json' }).$type<BudgetState>(),
    /** Webhook that receives its events; null for none. */
    webhookId: text('webhook_id'),
    /** The batch that follows it, JSON of a `NextState`; null for none. Text, so that its input is read only when that is made. */
    next: text(),
    /** Source of its items, where it follows another batch; null for others. */
    chain: text({ mode: 'json' }).$type<ChainState>(),
    /** Key under which a later create takes its place until `runAt`; null for none. */
    debounceKey: text('debounce_key'),
    /** When the first of the creates was accepted that it took the place of; its own time where it is the first. */
    debounceFrom: integer('debounce_from'),
    /** Batch that took its place; null where none did. */
    supersededBy: text('superseded_by'),
    /** Key under which no more than so many batches begin within a period; null for none. */
    throttleKey: text('throttle_key'),
    /** Invisible where set; its rows are swept from this time on. A future time hides a batch whose jobs are still being written. */
    deletedAt: integer('deleted_at'),
  },
  (t) => [
    index('batches_owner').on(t.owner, t.id),
    index('batches_owner_status').on(t.owner, t.status, t.id),
    index('batches_owner_operation').on(t.owner, t.operation, t.id),
    index('batches_operation_finished').on(t.operation, t.finishedAt).where(sql`finished_at IS NOT NULL`),
    uniqueIndex('batches_key').on(t.owner, t.idempotencyKey).where(sql`idempotency_key IS NOT NULL`),
    index('batches_finished').on(t.finishedAt).where(sql`finished_at IS NOT NULL`),
    index('batches_deadline').on(t.deadlineAt).where(sql`deadline_at IS NOT NULL AND finished_at IS NULL`),
    index('batches_open').on(t.openUntil).where(sql`open_until IS NOT NULL`),
    index('batches_stopped').on(t.id).where(sql`stop_code IS NOT NULL AND finished_at IS NULL`),
    index('batches_transition').on(t.id).where(sql`transition IS NOT NULL`),
    index('batches_debounce')
      .on(t.owner, t.operation, t.debounceKey, t.runAt)
      .where(sql`debounce_key IS NOT NULL AND finished_at IS NULL`),
    index('batches_throttle').on(t.owner, t.operation, t.throttleKey, t.runAt).where(sql`throttle_key IS NOT NULL`),
    index('batches_deleted').on(t.id).where(sql`deleted_at IS NOT NULL`),
  ],
)

/** Labels by which an owner filters batches. */
export const batchLabels = sqliteTable(
  'batch_labels',
  {
    owner: text().notNull(),
    label: text().notNull(),
    batchId: text('batch_id').notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.label, t.batchId] }), index('batch_labels_batch').on(t.batchId)],
)

/** Owners, with the last virtual time that was assigned to each; see `engine/transitions/fair-queue.ts`. */
export const owners = sqliteTable(
  'owners',
  {
    owner: text().primaryKey(),
    lastVirtualTime: integer('last_virtual_time').notNull(),
  },
  (t) => [index('owners_last_virtual_time').on(t.lastVirtualTime)],
)
