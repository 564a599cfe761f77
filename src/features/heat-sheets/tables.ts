/** Tables of the heat-sheet operation: parsed documents, and the codes under which results are shared. */
import { index, integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Cache of parsed documents, for queries of further swimmers. By owner, so that an MD5 collision cannot affect another owner. */
export const documents = sqliteTable(
  'documents',
  {
    owner: text().notNull(),
    md5: text().notNull(),
    /** Version of the parser; a newer one parses anew. */
    parser: integer().notNull(),
    /** Key of the parsed sheet's JSON in the blob store; an upload of the batch below. */
    blobKey: text('blob_key').notNull(),
    /** The batch that read it; the two are deleted together. */
    batchId: text('batch_id').notNull().default(''),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.md5, t.parser] }), index('documents_batch').on(t.batchId)],
)

/** Completed extractions. The events are in the `result` of their jobs. */
export const results = sqliteTable(
  'results',
  {
    /** Code for sharing: eight characters of a–z and 0–9. */
    code: text().primaryKey(),
    owner: text().notNull(),
    batchId: text('batch_id').notNull(),
    jobId: text('job_id').notNull(),
    md5: text().notNull(),
    parser: integer().notNull(),
    /** The swimmer's name as normalised for matching. */
    swimmer: text().notNull(),
    /** Key of its meet; empty in rows of earlier releases, which are not compared. */
    meet: text().notNull().default(''),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    index('results_cache').on(t.owner, t.md5, t.swimmer, t.parser),
    index('results_batch').on(t.batchId),
    index('results_meet').on(t.owner, t.swimmer, t.meet, t.batchId),
  ],
)
