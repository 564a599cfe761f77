/** Files that callers sent. */
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Files that came with a create. A row exists from the commit that made its batch; a blob without a row is swept. */
export const uploads = sqliteTable(
  'uploads',
  {
    /** Key in the blob store. */
    key: text().primaryKey(),
    owner: text().notNull(),
    batchId: text('batch_id').notNull(),
    filename: text().notNull(),
    size: integer().notNull(),
    md5: text().notNull(),
    sha256: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('uploads_batch').on(t.batchId)],
)
