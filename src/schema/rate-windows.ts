/** How much of each limit is used. */
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
    /** What has been handed out to processes, used or not. */
    used: integer().notNull(),
    /** How much of it the last hand-out was. */
    granted: integer().notNull(),
  },
  (t) => [primaryKey({ columns: [t.startedAt, t.class, t.subject] })],
)
