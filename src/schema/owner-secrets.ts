/** Secrets of owners, which their calls of other services need. */
import { integer, primaryKey, sqliteTable, text } from 'drizzle-orm/sqlite-core'

/** Values under names of the owner's choosing, sealed; see `engine/owner-secrets.ts`. Times are milliseconds since the epoch. */
export const ownerSecrets = sqliteTable(
  'owner_secrets',
  {
    owner: text().notNull(),
    name: text().notNull(),
    /** Base64 of the initialization vector and the ciphertext. */
    sealed: text().notNull(),
    createdAt: integer('created_at').notNull(),
    updatedAt: integer('updated_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.owner, t.name] })],
)
