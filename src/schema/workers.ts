/** The processes that run jobs. */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Processes that claim jobs, so that a successor on the same machine knows whose leases are void. */
export const workers = sqliteTable('workers', {
  /** Begins every lease token the worker hands out. */
  id: text().primaryKey(),
  host: text().notNull(),
  pid: integer().notNull(),
  startedAt: integer('started_at').notNull(),
  seenAt: integer('seen_at').notNull(),
})
