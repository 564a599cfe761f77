/** Chunks of text that are fetched by reference. */
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** A chunk as it was loaded; the prefix of its id names its source. Times are milliseconds since the epoch. */
export const chunks = sqliteTable(
  'chunks',
  {
    owner: text().notNull(),
    id: text().notNull(),
    /** `{id, text, …}`, whatever else its owner keeps with it. */
    document: text({ mode: 'json' }).$type<Record<string, unknown>>().notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.id] })],
)
