/**
 * Tables of documents: chunks, vectors, and the pages that a search scans. The full-text index, `rag_text`, is a virtual table that a
 * migration creates.
 */
import { sql } from 'drizzle-orm'
import { blob, index, integer, primaryKey, real, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** Collections: sets of documents that are searched together. */
export const ragCollections = sqliteTable(
  'rag_collections',
  {
    /** Never reused, because words in the index begin with it. */
    id: integer().primaryKey({ autoIncrement: true }),
    /** UUID by which processes cache its pages. */
    key: text().notNull(),
    owner: text().notNull(),
    name: text().notNull(),
    model: text().notNull(),
    dimensions: integer().notNull(),
    /** Options of the model that vectors share, as JSON; empty where there are none. */
    space: text().notNull().default(''),
    chunks: integer().notNull(),
    /** Number of words of all chunks. */
    words: integer().notNull(),
    /** Number of commits that changed its content, and of those that deleted some. */
    version: integer().notNull(),
    removals: integer().notNull(),
  },
  (t) => [uniqueIndex('rag_collections_name').on(t.owner, t.name)],
)

/** Documents; they outlive the jobs that made them. Times are milliseconds since the epoch. */
export const ragDocuments = sqliteTable(
  'rag_documents',
  {
    id: text().primaryKey(),
    owner: text().notNull(),
    collectionId: integer('collection_id').notNull(),
    batchId: text('batch_id').notNull(),
    sourceKey: text('source_key').notNull(),
    contentHash: text('content_hash').notNull(),
    settingsHash: text('settings_hash').notNull(),
    title: text().notNull(),
    url: text(),
    language: text(),
    size: integer().notNull(),
    chunks: integer().notNull(),
    tokens: integer().notNull(),
    words: integer().notNull(),
    /** Address of the channel that it is an item of, and what was listed of it there when it was stored. */
    channel: text(),
    version: text(),
    createdAt: integer('created_at').notNull(),
  },
  (t) => [
    uniqueIndex('rag_documents_source').on(t.collectionId, t.sourceKey),
    index('rag_documents_owner').on(t.owner, t.collectionId, t.id),
    index('rag_documents_batch').on(t.batchId),
    index('rag_documents_channel').on(t.collectionId, t.channel).where(sql`channel IS NOT NULL`),
  ],
)

/** Chunks of documents. Their ids are row ids of the full-text index. */
export const ragChunks = sqliteTable(
  'rag_chunks',
  {
    id: integer().primaryKey({ autoIncrement: true }),
    documentId: text('document_id').notNull(),
    /** Index in the document, from 0. */
    idx: integer().notNull(),
    text: text().notNull(),
    start: integer().notNull(),
    end: integer().notNull(),
    tokens: integer().notNull(),
    /** Number of words in the index. */
    words: integer().notNull(),
    page: integer(),
    heading: text(),
    startSeconds: real('start_seconds'),
    endSeconds: real('end_seconds'),
    /** Runs as JSON. */
    runs: text().notNull(),
    /** Vectors as little-endian 32-bit floats: their normalized mean, then those of the runs where there are several. */
    vectors: blob().notNull(),
  },
  (t) => [uniqueIndex('rag_chunks_place').on(t.documentId, t.idx)],
)

/** Pages: quantized vectors of a part of a document, for scans; see store/page-format.ts. */
export const ragPages = sqliteTable(
  'rag_pages',
  {
    id: integer().primaryKey({ autoIncrement: true }),
    collectionId: integer('collection_id').notNull(),
    documentId: text('document_id').notNull(),
    count: integer().notNull(),
    data: blob().notNull(),
  },
  (t) => [index('rag_pages_collection').on(t.collectionId, t.id), index('rag_pages_document').on(t.documentId)],
)

/** Channels that are processed by themselves. Times are milliseconds since the epoch. */
export const ragSyncs = sqliteTable(
  'rag_syncs',
  {
    /** UUIDv7. */
    id: text().primaryKey(),
    owner: text().notNull(),
    collection: text().notNull(),
    platform: text().notNull(),
    channel: text().notNull(),
    everyMs: integer('every_ms').notNull(),
    onGone: text('on_gone', { enum: ['keep', 'delete'] }).notNull(),
    /** JSON: model and settings of its jobs. */
    input: text().notNull(),
    nextAt: integer('next_at').notNull(),
    /** Until when a process works on it that may have ended; null where none does. */
    takenUntil: integer('taken_until'),
    createdAt: integer('created_at').notNull(),
    /** Outcome of the last run, JSON; null before the first. */
    lastRun: text('last_run'),
    /** The batch that was begun last. */
    lastBatchId: text('last_batch_id'),
  },
  (t) => [
    uniqueIndex('rag_syncs_channel').on(t.owner, t.collection, t.channel),
    index('rag_syncs_owner').on(t.owner, t.id),
    index('rag_syncs_next').on(t.nextAt),
  ],
)

/** Segments of documents that are recordings or captions; see transcript/store.ts. */
export const ragSegments = sqliteTable(
  'rag_segments',
  {
    documentId: text('document_id').notNull(),
    /** Index among the rows of the document, from 0. */
    position: integer().notNull(),
    /** JSON: `[[start, end, text], …]`, times in seconds. */
    segments: text().notNull(),
  },
  (t) => [primaryKey({ columns: [t.documentId, t.position] })],
)
