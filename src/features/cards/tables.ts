/** Cards, what became of each slice of bulk work on them, and the tokens their owners earn by publishing them. */
import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** Tokens are kept to eight decimals, as whole numbers of 0.00000001. */
export const UNITS_A_TOKEN = 100_000_000

/** Cards that an owner imported. Times are milliseconds since the epoch. */
export const cards = sqliteTable(
  'cards',
  {
    owner: text().notNull(),
    /** UUIDv7, so that ids sort as cards came. */
    id: text().notNull(),
    /** The first 128 bits of a SHA-256 over title and body, in base64: cards with the same hash are duplicates. */
    hash: text().notNull(),
    title: text().notNull(),
    body: text().notNull(),
    category: text().notNull(),
    /** As it was sent; compared without case. */
    privacyLevel: text('privacy_level').notNull(),
    tags: text({ mode: 'json' }).$type<string[]>().notNull(),
    sourcePlatform: text('source_platform'),
    sourceUrl: text('source_url'),
    metadata: text({ mode: 'json' }).$type<Record<string, unknown>>().notNull(),
    /** The metadata as it was, of a card whose own `deleted` or `deleted_at` the marks of a soft delete have taken the place of. */
    markedOver: text('marked_over', { mode: 'json' }).$type<Record<string, unknown>>(),
    /** End of its public address, percent-encoded; kept for it for good once it was published. */
    slug: text(),
    /** Null for cards that are not published. */
    publishedAt: integer('published_at'),
    /** Set by a soft delete: nobody sees it, its page included, until it is restored. */
    deletedAt: integer('deleted_at'),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.owner, t.id] }),
    index('cards_hash').on(t.owner, t.hash),
    uniqueIndex('cards_slug').on(t.slug).where(sql`slug IS NOT NULL`),
  ],
)

/** Tokens earned, a row each time; written in the commit that publishes the card. Outlives the card. */
export const tokenLedger = sqliteTable(
  'token_ledger',
  {
    id: integer().primaryKey(),
    owner: text().notNull(),
    cardId: text('card_id').notNull(),
    /** The task, and the slice of it, that published the card. */
    batchId: text('batch_id').notNull(),
    sequence: integer().notNull(),
    /** In units of 0.00000001 token. */
    amount: integer().notNull(),
    reason: text({ enum: ['card_published'] }).notNull(),
    createdAt: integer('created_at').notNull(),
  },
  // A card is paid for once, however often it is published.
  (t) => [uniqueIndex('token_ledger_card').on(t.cardId), index('token_ledger_owner').on(t.owner, t.id)],
)

/** Sums over an owner's rows, kept in the commits that change them, so that no answer reads the history. */
export const cardAccounts = sqliteTable('card_accounts', {
  owner: text().primaryKey(),
  /** Cards that are not deleted. */
  cards: integer().notNull(),
  /** Sum of the owner's ledger, in units of 0.00000001 token. */
  balance: integer().notNull(),
})

/** Results of a completed slice of a task, counted by the database in the commit that wrote it, so that races between tasks are included. */
export const cardSlices = sqliteTable(
  'card_slices',
  {
    batchId: text('batch_id').notNull(),
    /** Sequence of the job. */
    sequence: integer().notNull(),
    /** `{imported, published, failed, …}`. */
    counts: text({ mode: 'json' }).$type<Record<string, number>>().notNull(),
    /** The first 100 cards that failed: `{index, title, error}` or `{card_id, error}`. */
    errors: text({ mode: 'json' }).$type<Record<string, unknown>[]>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.batchId, t.sequence] })],
)
