/** Bytes stored for each owner. */
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/**
 * A counter row for each owner that keeps anything: the sizes of its rows in `uploads` and of `batches.input_bytes`. Kept by triggers (see
 * the migration that made them), so that every commit that writes or deletes one of those counts it, and a quota never adds up a history.
 */
export const storedBytes = sqliteTable(
  'stored_bytes',
  {
    owner: text().primaryKey(),
    bytes: integer().notNull(),
  },
  (t) => [index('stored_bytes_bytes').on(t.bytes)],
)
