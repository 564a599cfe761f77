/** Jobs: the units that are run, retried and counted alone. This table is the queue. */
import { sql } from 'drizzle-orm'
import { index, integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { jsonColumn, jsonObjectColumn } from './json-column.ts'

/** Times are milliseconds since the epoch. */
export const jobs = sqliteTable(
  'jobs',
  {
    /** UUIDv7. */
    id: text().primaryKey(),
    batchId: text('batch_id').notNull(),
    owner: text().notNull(),
    operation: text().notNull(),
    /** Queue that workers over HTTP claim it from, named as its operation; null where the server runs it. */
    queue: text(),
    /** Position in its batch, from 1. */
    sequence: integer().notNull(),
    status: text({
      enum: ['ready', 'offered', 'scheduled', 'blocked', 'running', 'completed', 'failed', 'cancelled'],
    }).notNull(),
    /** The caller's own id for its item, unique in its batch; null for none. */
    itemId: text('item_id'),
    /** Name that people know it by, such as that of its file. */
    label: text(),
    /** Link that its document is behind; null for none. */
    url: text(),
    /** Input that the operation needs to run it; its own shape. */
    input: jsonColumn().notNull(),
    /** Virtual time: ready jobs are claimed lowest first. */
    virtualTime: integer('virtual_time').notNull(),
    /** Priority key among its owner's ready jobs; null where it equals the virtual time. See `engine/transitions/fair-queue.ts`. */
    priorityKey: integer('priority_key'),
    /** When a scheduled job is due. */
    runAt: integer('run_at'),
    /** Number of attempts, the running one included. */
    attempt: integer().notNull().default(0),
    /** Number of times its worker vanished. Kept apart from attempts: a restart of the server is not the job's fault. */
    losses: integer().notNull().default(0),
    maxAttempts: integer('max_attempts').notNull(),
    /** Token under which a worker holds it while running; every write to a running job names it. */
    lease: text(),
    leaseUntil: integer('lease_until'),
    /** 0–100. */
    progressPercent: integer('progress_percent').notNull().default(0),
    progressMessage: text('progress_message'),
    /** The operation's own word for what a running job is doing: `downloading`. */
    stage: text(),
    checkpoint: jsonColumn(),
    result: jsonColumn(),
    /** The few fields of the result that its `job_completed` event and lists carry. */
    summary: jsonObjectColumn(),
    errorCode: text('error_code'),
    errorMessage: text('error_message'),
    createdAt: integer('created_at').notNull(),
    startedAt: integer('started_at'),
    finishedAt: integer('finished_at'),
  },
  (t) => [
    uniqueIndex('jobs_batch_sequence').on(t.batchId, t.sequence),
    uniqueIndex('jobs_item').on(t.batchId, t.itemId).where(sql`item_id IS NOT NULL`),
    // One partial index per waiting status: a claim reads the lowest virtual times and nothing else, however many jobs wait or are done.
    index('jobs_ready').on(t.virtualTime).where(sql`status = 'ready'`),
    // Only of owners who use priorities.
    index('jobs_priority').on(t.owner, t.priorityKey).where(sql`status = 'ready' AND priority_key IS NOT NULL`),
    // Of a queue, and of one owner's jobs in it, for workers over HTTP; the third only of owners who use priorities.
    index('jobs_offered').on(t.queue, t.virtualTime).where(sql`status = 'offered'`),
    index('jobs_offered_owner').on(t.queue, t.owner, t.virtualTime).where(sql`status = 'offered'`),
    index('jobs_offered_priority')
      .on(t.queue, t.owner, t.priorityKey)
      .where(sql`status = 'offered' AND priority_key IS NOT NULL`),
    index('jobs_scheduled').on(t.runAt).where(sql`status = 'scheduled'`),
    index('jobs_blocked').on(t.batchId, t.sequence).where(sql`status = 'blocked'`),
    index('jobs_running').on(t.leaseUntil).where(sql`status = 'running'`),
  ],
)
