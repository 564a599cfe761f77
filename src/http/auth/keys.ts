/** API keys: random, shown once, stored as their SHA-256. */
import { sql } from 'drizzle-orm'
import { uuidv7 } from 'uuidv7'
import { sha256 } from '../../formats/sha256.ts'
import type { Clock, Database } from '../../ports.ts'
import { keys } from '../../schema/keys.ts'
import { isScope, type Scope } from '../../scopes.ts'
import { randomSecret } from './secrets.ts'

type Deps = { readonly db: Database; readonly clock: Clock }

/** Prefix of every key, so that secret scanners recognize one and nothing else is looked up. */
const PREFIX = 'mr_'

/** Checks if a text has the form of an API key of Millrace, valid or not. */
export function looksLikeKey(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** A key as listed; the secret itself is not stored. Times are milliseconds since the epoch. */
export interface KeyFacts {
  readonly id: string
  readonly owner: string
  readonly name: string
  readonly scopes: readonly Scope[]
  readonly createdAt: number
  /** Null for never. */
  readonly expiresAt: number | null
  readonly revokedAt: number | null
  /** Key that replaced it. */
  readonly replacedBy: string | null
}

/** A key that was just made. */
export interface NewKey {
  readonly id: string
  readonly owner: string
  /** Shown this once. */
  readonly secret: string
}

/** Finds the owner, scopes and expiry of a key that is in force; null for one that is not. */
export async function findKey(
  deps: Deps,
  secret: string,
): Promise<Pick<KeyFacts, 'id' | 'owner' | 'scopes' | 'expiresAt'> | null> {
  if (!looksLikeKey(secret)) return null
  const row = await deps.db
    .select({ id: keys.id, owner: keys.owner, scopes: keys.scopes, expiresAt: keys.expiresAt })
    .from(keys)
    .where(sql`hash = ${await sha256(secret)} AND ${inForce(deps.clock)}`)
    .get()
  return row === undefined ? null : { ...row, scopes: row.scopes.filter(isScope) }
}

/** Those of some keys, by their ids, that are in force. */
export async function keysInForce(deps: Deps, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await deps.db
    .select({ id: keys.id })
    .from(keys)
    .where(sql`id IN (SELECT value FROM json_each(${JSON.stringify(ids)})) AND ${inForce(deps.clock)}`)
  return new Set(rows.map(({ id }) => id))
}

/** Checks if any key is in force. */
export async function hasKeyInForce(deps: Deps): Promise<boolean> {
  const row = await deps.db.select({ id: keys.id }).from(keys).where(inForce(deps.clock)).limit(1).get()
  return row !== undefined
}

const inForce = (clock: Clock) => sql`revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${clock.now()})`

/**
 * Makes an API key.
 * @param key `expiresAt`: milliseconds since the epoch; null for never
 */
export async function createKey(
  deps: Deps,
  key: { owner: string; name: string; scopes: readonly Scope[]; expiresAt: number | null },
): Promise<NewKey> {
  const id = uuidv7()
  const secret = `${PREFIX}${randomSecret()}`
  const row = { ...key, scopes: [...key.scopes], id, hash: await sha256(secret), createdAt: deps.clock.now() }
  await deps.db.insert(keys).values(row)
  return { id, owner: key.owner, secret }
}

/**
 * Replaces a key by a new one with the same owner, name, scopes and lifetime, counted from now.
 * @param graceMs how long the other still works; 0 revokes it at once
 * @returns null when no key in force has the id, or it was replaced already
 */
export async function rotateKey(deps: Deps, id: string, graceMs: number): Promise<NewKey | null> {
  const { db, clock } = deps
  const now = clock.now()
  const next = uuidv7()
  const secret = `${PREFIX}${randomSecret()}`
  const [made] = await db.batch([
    db.all<{ owner: string }>(sql`
      INSERT INTO keys (id, hash, owner, name, scopes, created_at, expires_at)
      SELECT ${next}, ${await sha256(secret)}, owner, name, scopes, ${now}, ${now} + expires_at - created_at
      FROM keys WHERE id = ${id} AND replaced_by IS NULL AND ${inForce(clock)} RETURNING owner`),
    db.run(sql`
      UPDATE keys SET replaced_by = ${next}, expires_at = min(coalesce(expires_at, ${now + graceMs}), ${now + graceMs}),
        revoked_at = ${graceMs > 0 ? null : now}
      WHERE id = ${id} AND EXISTS (SELECT 1 FROM keys WHERE id = ${next})`),
  ])
  const owner = made[0]?.owner
  return owner === undefined ? null : { id: next, owner, secret }
}

/** All keys, newest first. */
export async function listKeys(db: Database): Promise<KeyFacts[]> {
  const rows = await db.select().from(keys).orderBy(sql`id DESC`)
  return rows.map(({ hash: _, scopes, ...row }) => ({ ...row, scopes: scopes.filter(isScope) }))
}

/** Revokes a key from now on. False when no such key is in force. */
export async function revokeKey(deps: Deps, id: string): Promise<boolean> {
  const rows = await deps.db
    .update(keys)
    .set({ revokedAt: deps.clock.now() })
    .where(sql`id = ${id} AND revoked_at IS NULL`)
    .returning({ id: keys.id })
  return rows.length > 0
}
