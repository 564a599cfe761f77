/** State that the server keeps about itself. */
import { sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Values that the server overwrites as it goes: the clock that retention counts by, the last check of its readiness. */
export const serverState = sqliteTable('server_state', {
  name: text().primaryKey(),
  /** JSON. */
  value: text().notNull(),
})
