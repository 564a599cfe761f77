/** Webhooks, and what those who make deliveries and those who send them both must know. */
import { integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/**
 * Webhooks, receivers of the events of a batch; one per batch. Its deliveries are the jobs of a batch of its own, whose id is the webhook's.
 * The sequence of a delivery in that batch is the number of the event it delivers.
 */
export const webhooks = sqliteTable(
  'webhooks',
  {
    /** UUIDv7; also the id of the batch of deliveries. */
    id: text().primaryKey(),
    /** Batch whose events it receives, which names it by `webhook_id`. */
    batchId: text('batch_id').notNull(),
    owner: text().notNull(),
    url: text().notNull(),
    /** `whsec_…`. Kept as it is, because it signs; it leaves the server in the answer to the create alone. */
    secret: text().notNull(),
    /** Types of event that it receives. */
    events: text({ mode: 'json' }).$type<readonly string[]>().notNull(),
    /** Number up to which deliveries exist of all events that it receives. */
    enqueuedSeq: integer('enqueued_seq').notNull().default(0),
    /** When the receiver said that it is gone. */
    disabledAt: integer('disabled_at'),
    createdAt: integer('created_at').notNull(),
  },
  // Unique, though the id alone is: only then SQLite knows that the jobs of one webhook after those of another need no sorting.
  (t) => [uniqueIndex('webhooks_owner').on(t.owner, t.id)],
)

/** The operation whose jobs are deliveries. */
export const WEBHOOK_OPERATION = 'webhook'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Waits after each failed attempt, in milliseconds: the schedule that Standard Webhooks 1.0 gives as its example, over three days. */
export const DELIVERY_PAUSES_MS = [
  5_000,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
] as const
export const DELIVERY_ATTEMPTS = DELIVERY_PAUSES_MS.length + 1
