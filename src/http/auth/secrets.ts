/** Random secrets, and the key that the server signs its own tokens with. */
import { sql } from 'drizzle-orm'
import type { Database } from '../../ports.ts'
import { secrets } from '../../schema/keys.ts'

/** The key that signs tokens: made once, then read back. */
export async function loadSigningKey(db: Database): Promise<string> {
  await db.insert(secrets).values({ name: 'signing-key', value: randomSecret() }).onConflictDoNothing()
  const row = await db.select({ value: secrets.value }).from(secrets).where(sql`name = 'signing-key'`).get()
  if (row === undefined) throw new Error('The signing key could not be read back from the database.')
  return row.value
}

/** 256 random bits as base64url. */
export function randomSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32))
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '')
}
