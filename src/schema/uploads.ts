/** Files that callers sent. */
import { index, integer, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/**
 * Files that came with a create. A row exists from the commit that made its batch; a blob without a row is swept. Files that were sent ahead
 * of a create have an empty `batch_id`, and are swept after a day.
 */
export const uploads = sqliteTable(
  'uploads',
  {
    /** Key in the blob store. */
    key: text().primaryKey(),
    owner: text().notNull(),
    batchId: text('batch_id').notNull(),
    filename: text().notNull(),
    /** As declared by its sender; null where not recorded. */
    contentType: text('content_type'),
    size: integer().notNull(),
    md5: text().notNull(),
    sha256: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('uploads_batch').on(t.batchId)],
)
