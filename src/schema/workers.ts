/** The processes that run jobs. */
import { integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Processes that claim jobs, so that a successor that sees the same processes knows whose leases are void. */
export const workers = sqliteTable('workers', {
  /** Prefix of every lease token of the worker. */
  id: text().primaryKey(),
  /** Processes of one host see each other under their process ids; on Node see `processHost`. */
  host: text().notNull(),
  pid: integer().notNull(),
  startedAt: integer('started_at').notNull(),
  seenAt: integer('seen_at').notNull(),
})
