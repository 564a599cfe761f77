/**
 * Secrets of owners: kept encrypted (AES-256-GCM) under a key derived (HKDF, RFC 5869) from the key that the server signs with, so that a copy of
 * the database alone opens none. Owner and name are authenticated with each, so that a row moved to another owner opens nothing.
 */
import { sql } from 'drizzle-orm'
import { MillraceError } from '../errors.ts'
import type { Clock, Database } from '../ports.ts'
import { ownerSecrets } from '../schema/owner-secrets.ts'

/** Secrets that an owner may keep. */
export const MAX_SECRETS = 1_000
const IV_BYTES = 12
const PURPOSE = 'millrace owner secrets'

/** A secret without its value. Times are milliseconds since the epoch. */
export interface SecretFacts {
  readonly name: string
  readonly createdAt: number
  readonly updatedAt: number
}

/** The secrets of all owners, for a server that knows its signing key. */
export class OwnerSecrets {
  readonly #db: Database
  readonly #signingKey: string
  #key: Promise<CryptoKey> | null = null

  constructor(db: Database, signingKey: string) {
    this.#db = db
    this.#signingKey = signingKey
  }

  /**
   * Stores a secret; replaces one of the same name.
   * @returns its facts; `created` where there was none of that name
   * @throws MillraceError QUOTA_EXCEEDED beyond {@link MAX_SECRETS}
   */
  async put(owner: string, name: string, value: string, clock: Clock): Promise<SecretFacts & { created: boolean }> {
    const now = clock.now()
    const sealed = await this.#seal(owner, name, value)
    const [row] = await this.#db.all<{ created_at: number; updated_at: number }>(sql`
      INSERT INTO owner_secrets (owner, name, sealed, created_at, updated_at)
      SELECT ${owner}, ${name}, ${sealed}, ${now}, ${now}
      WHERE (SELECT count(*) FROM owner_secrets WHERE owner = ${owner} AND name <> ${name}) < ${MAX_SECRETS}
      ON CONFLICT (owner, name) DO UPDATE SET sealed = excluded.sealed, updated_at = max(excluded.updated_at, created_at + 1)
      RETURNING created_at, updated_at`)
    if (row === undefined) {
      throw new MillraceError(
        'QUOTA_EXCEEDED',
        `An owner may keep ${MAX_SECRETS} secrets. Delete one that is not used.`,
      )
    }
    return {
      name,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      created: row.created_at === row.updated_at,
    }
  }

  /** Lists an owner's secrets by name. */
  list(owner: string): Promise<SecretFacts[]> {
    const { name, createdAt, updatedAt } = ownerSecrets
    return this.#db.select({ name, createdAt, updatedAt }).from(ownerSecrets).where(sql`owner = ${owner}`).orderBy(name)
  }

  /** Deletes a secret. @returns false where there is none of that name */
  async remove(owner: string, name: string): Promise<boolean> {
    const rows = await this.#db.all(
      sql`DELETE FROM owner_secrets WHERE owner = ${owner} AND name = ${name} RETURNING 1`,
    )
    return rows.length > 0
  }

  /**
   * Opens secrets.
   * @returns values by name; names that there are none of are left out
   * @throws MillraceError OPERATION_FAILED naming one that was sealed under another signing key
   */
  async open(owner: string, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (names.length === 0) return new Map()
    const rows = await this.#db
      .select({ name: ownerSecrets.name, sealed: ownerSecrets.sealed })
      .from(ownerSecrets)
      .where(sql`owner = ${owner} AND name IN (SELECT value FROM json_each(${JSON.stringify(names)}))`)
    return new Map(
      await Promise.all(rows.map(async ({ name, sealed }) => [name, await this.#unseal(owner, name, sealed)] as const)),
    )
  }

  async #seal(owner: string, name: string, value: string): Promise<string> {
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
    const key = await this.#derivedKey()
    const algorithm = { name: 'AES-GCM', iv, additionalData: placeOf(owner, name) }
    const ciphertext = await crypto.subtle.encrypt(algorithm, key, new TextEncoder().encode(value))
    return btoa(String.fromCharCode(...iv, ...new Uint8Array(ciphertext)))
  }

  async #unseal(owner: string, name: string, sealed: string): Promise<string> {
    const bytes = Uint8Array.from(atob(sealed), (char) => char.charCodeAt(0))
    const algorithm = { name: 'AES-GCM', iv: bytes.subarray(0, IV_BYTES), additionalData: placeOf(owner, name) }
    try {
      const plain = await crypto.subtle.decrypt(algorithm, await this.#derivedKey(), bytes.subarray(IV_BYTES))
      return new TextDecoder().decode(plain)
    } catch {
      throw new MillraceError(
        'OPERATION_FAILED',
        `The secret "${name}" cannot be opened: the server signs with another key than when it was put. Put it again.`,
        { transient: false },
      )
    }
  }

  #derivedKey(): Promise<CryptoKey> {
    this.#key ??= deriveKey(this.#signingKey)
    return this.#key
  }
}

async function deriveKey(signingKey: string): Promise<CryptoKey> {
  const utf8 = new TextEncoder()
  const base = await crypto.subtle.importKey('raw', utf8.encode(signingKey), 'HKDF', false, ['deriveKey'])
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(32), info: utf8.encode(PURPOSE) }
  return crypto.subtle.deriveKey(algorithm, base, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
}

/** The place that a sealed value belongs to. A name holds no NUL, so no two places are written alike. */
const placeOf = (owner: string, name: string) => new TextEncoder().encode(`${owner}\0${name}`)
