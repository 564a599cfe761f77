/** API keys of callers, and the secrets the server itself keeps. */
import { integer, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'

/** API keys, as SHA-256 of the secret; the secret itself is shown once and not stored. */
export const keys = sqliteTable(
  'keys',
  {
    id: text().primaryKey(),
    hash: text().notNull(),
    owner: text().notNull(),
    name: text().notNull(),
    scopes: text({ mode: 'json' }).$type<string[]>().notNull(),
    createdAt: integer('created_at').notNull(),
    expiresAt: integer('expires_at'),
    revokedAt: integer('revoked_at'),
    /** Key that replaced it. */
    replacedBy: text('replaced_by'),
  },
  (t) => [uniqueIndex('keys_hash').on(t.hash)],
)

/** Values generated once and stored, such as the key that signs stream tokens. */
export const secrets = sqliteTable('secrets', {
  name: text().primaryKey(),
  value: text().notNull(),
})
