/** Cards, the outcomes of the slices of bulk tasks on them, and the tokens that owners earn by publishing them. */
import { sql } from 'drizzle-orm'
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** Fixed-point scale of token amounts: integers of 0.00000001. */
export const UNITS_A_TOKEN = 100_000_000

/** Cards that an owner imported. Times are milliseconds since the epoch. */
export const cards = sqliteTable(
  'cards',
  {
    owner: text().notNull(),
    /** UUIDv7, so that ids sort in the order of import. */
    id: text().notNull(),
    /** The first 128 bits of a SHA-256 over title and body, in base64: cards with the same hash are duplicates. */
    hash: text().notNull(),
    title: text().notNull(),
    body: text().notNull(),
    category: text().notNull(),
    /** As sent; comparisons ignore case. */
    privacyLevel: text('privacy_level').notNull(),
    tags: text({ mode: 'json' }).$type<string[]>().notNull(),
    sourcePlatform: text('source_platform'),
    sourceUrl: text('source_url'),
    metadata: text({ mode: 'json' }).$type<Record<string, unknown>>().notNull(),
    /** Original metadata of a card whose own `deleted` or `deleted_at` a soft delete has overwritten; a restore puts it back. */
    markedOver: text('marked_over', { mode: 'json' }).$type<Record<string, unknown>>(),
    /** Slug of its public URL, percent-encoded; reserved for the card once it was published. */
    slug: text(),
    /** Null for cards that are not published. */
    publishedAt: integer('published_at'),
    /** Set by a soft delete: hides the card and its page until it is restored. */
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

/** Ledger of earned tokens; a row is written in the commit that publishes the card. Outlives the card. */
export const tokenLedger = sqliteTable(
  'token_ledger',
  {
    id: integer().primaryKey(),
    owner: text().notNull(),
    cardId: text('card_id').notNull(),
    /** The task that published the card; `sequence` is its slice. */
    batchId: text('batch_id').notNull(),
    sequence: integer().notNull(),
    /** In units of 0.00000001 token. */
    amount: integer().notNull(),
    reason: text({ enum: ['card_published'] }).notNull(),
    createdAt: integer('created_at').notNull(),
  },
  // A card is credited once, however often it is published.
  (t) => [uniqueIndex('token_ledger_card').on(t.cardId), index('token_ledger_owner').on(t.owner, t.id)],
)

/** Sums over an owner's rows, updated in the commits that change them, so that no answer reads the history. */
export const cardAccounts = sqliteTable('card_accounts', {
  owner: text().primaryKey(),
  /** Cards that are not deleted. */
  cards: integer().notNull(),
  /** Sum of the owner's ledger, in units of 0.00000001 token. */
  balance: integer().notNull(),
})

/** Outcome of a completed slice of a task, counted by the database in the commit that wrote it, so that the counts hold under races of tasks. */
export const cardSlices = sqliteTable(
  'card_slices',
  {
    batchId: text('batch_id').notNull(),
    /** Sequence of the slice's job. */
    sequence: integer().notNull(),
    /** `{imported, published, failed, …}`. */
    counts: text({ mode: 'json' }).$type<Record<string, number>>().notNull(),
    /** The first 100 cards that failed: `{index, title, error}` or `{card_id, error}`. */
    errors: text({ mode: 'json' }).$type<Record<string, unknown>[]>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.batchId, t.sequence] })],
)
