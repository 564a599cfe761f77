/** Tables of the heat-sheet operation: parsed documents, and the codes under which results are shared. */
import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** A document parsed once, so that another swimmer's question needs no second parse. Owned: an MD5 collision can't reach another owner. */
export const documents = sqliteTable(
  'documents',
  {
    owner: text().notNull(),
    md5: text().notNull(),
    /** Which parser read it; a newer one reads again. */
    parser: integer().notNull(),
    /** Key of the parsed sheet's JSON in the blob store; an upload of the batch below. */
    blobKey: text('blob_key').notNull(),
    /** The batch that read it; the two are deleted together. */
    batchId: text('batch_id').notNull().default(''),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.md5, t.parser] }), index('documents_batch').on(t.batchId)],
)

/** A completed extraction. What was found is the `result` of its job. */
export const results = sqliteTable(
  'results',
  {
    /** Eight characters of a–z and 0–9, to be passed from hand to hand. */
    code: text().primaryKey(),
    owner: text().notNull(),
    batchId: text('batch_id').notNull(),
    jobId: text('job_id').notNull(),
    md5: text().notNull(),
    parser: integer().notNull(),
    /** The swimmer's name as normalised for matching. */
    swimmer: text().notNull(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [index('results_cache').on(t.owner, t.md5, t.swimmer, t.parser), index('results_batch').on(t.batchId)],
)
