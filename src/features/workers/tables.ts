/** Operations that owners declared for workers over HTTP, and the presence of workers by queue. */
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Declarations of owners. Times are milliseconds since the epoch. */
export const declaredOperations = sqliteTable(
  'declared_operations',
  {
    owner: text().notNull(),
    name: text().notNull(),
    /** The declaration as JSON: schemas and limits. */
    definition: text().notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.name] })],
)

/** When a worker last asked for jobs of a queue, to some seconds; see `presence.ts`. */
export const queueWorkers = sqliteTable(
  'queue_workers',
  {
    queue: text().notNull(),
    /** Whose jobs it may see; empty for those of all owners. */
    owner: text().notNull(),
    seenAt: integer('seen_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.queue, t.owner] })],
)
