/** Use of each rate limit, hour by hour. */
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** One row for each hour, class of requests, and owner or address. The hour comes first, so that old rows are swept as one range. */
export const rateWindows = sqliteTable(
  'rate_windows',
  {
    /** When it began, in milliseconds since the epoch. */
    startedAt: integer('started_at').notNull(),
    class: text().notNull(),
    /** The owner, or for what is public the address. */
    subject: text().notNull(),
    /** Number of requests that have been handed out to processes, used or not. */
    used: integer().notNull(),
    /** Number of requests in the last hand-out. */
    granted: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.startedAt, t.class, t.subject] })],
)
