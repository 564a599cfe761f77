/** Who calls: API keys, tokens for one batch's streams, and open calls on a laptop. */
import { sql } from 'drizzle-orm'
import type { Context, MiddlewareHandler } from 'hono'
import { sign, verify } from 'hono/jwt'
import { uuidv7 } from 'uuidv7'
import { MillraceError } from '../errors.ts'
import type { Clock, Database } from '../ports.ts'
import { keys, secrets } from '../schema/keys.ts'
import { SHARED } from '../schema/resources.ts'
import type { AppDeps, AuthConfig, Caller, Env } from './context.ts'

/** Owner of what is done without a key on a laptop. */
const LOCAL = 'local'
/** Paths that need no key. */
const PUBLIC_PATHS = new Set(['/healthz', '/readyz', '/bulk/health'])
/** Pages for everybody: published cards. */
const PUBLIC_PAGES = '/cards/'
const STREAM_TOKEN_SECONDS = 24 * 60 * 60
const ARTIFACT_TOKEN_SECONDS = 24 * 60 * 60

/** Lets a request in as its caller, or refuses it with 401. */
export function authenticate(deps: Pick<AppDeps, 'db' | 'clock' | 'auth'>): MiddlewareHandler<Env> {
  return async (c, next) => {
    const isPublic = PUBLIC_PATHS.has(c.req.path) || c.req.path.startsWith(PUBLIC_PAGES)
    if (!isPublic) c.set('caller', await identify(c, deps))
    await next()
  }
}

async function identify(c: Context<Env>, deps: Pick<AppDeps, 'db' | 'clock' | 'auth'>): Promise<Caller> {
  const header = c.req.header('Authorization')
  if (header !== undefined) {
    const key = /^Bearer +(\S+)$/i.exec(header)?.[1]
    const owner = key === undefined ? null : ((await ownerOfKey(deps, key)) ?? (await ownerOfJwt(deps.auth, key)))
    if (owner !== null) return { owner, authenticated: true }
    throw new MillraceError(
      'UNAUTHORIZED',
      'This API key or token is not valid. Send "Authorization: Bearer <key>" with one that is.',
    )
  }
  const token = c.req.query('token')
  if (token !== undefined) return callerOfToken(c, deps.auth, token)
  if (deps.auth.mode === 'open') return { owner: LOCAL, authenticated: false }
  throw new MillraceError('UNAUTHORIZED', 'An API key is needed. Send it as "Authorization: Bearer <key>".')
}

async function ownerOfKey(deps: Pick<AppDeps, 'db' | 'clock' | 'auth'>, key: string): Promise<string | null> {
  const hash = await sha256(key)
  // Hashes are compared, not keys: how long that takes tells nothing of the key.
  if (deps.auth.apiKey !== null && hash === (await sha256(deps.auth.apiKey))) return LOCAL
  const row = await deps.db
    .select({ owner: keys.owner })
    .from(keys)
    .where(sql`hash = ${hash} AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ${deps.clock.now()})`)
    .get()
  return row?.owner ?? null
}

/** The longest `sub` that is taken as an owner. */
const LONGEST_OWNER = 256
/** Owners that nobody may become by the name they chose elsewhere. */
const RESERVED_OWNERS: ReadonlySet<string> = new Set([LOCAL, SHARED])

/**
 * The owner that a JWT (RFC 7519) speaks for: its `sub`. Only HS256 is taken, whatever the token says of itself; `exp`, `nbf` and `iat`
 * are honoured where they are there.
 * @returns null for what is no valid token
 */
async function ownerOfJwt(auth: AuthConfig, token: string): Promise<string | null> {
  if (auth.jwtSecret === null || !token.includes('.')) return null
  const claims = await verify(token, auth.jwtSecret, 'HS256').catch(() => null)
  // A stream's token opens one batch and no more, also where both are signed with the same secret.
  if (claims === null || claims.batch !== undefined || claims.artifact !== undefined) return null
  const { sub } = claims
  if (typeof sub !== 'string' || sub === '' || sub.length > LONGEST_OWNER) return null
  return RESERVED_OWNERS.has(sub) ? null : sub
}

/** A token opens the reads of one batch, or one artifact, and nothing else. */
async function callerOfToken(c: Context<Env>, auth: AuthConfig, token: string): Promise<Caller> {
  const claims = await verify(token, auth.signingKey, 'HS256').catch(() => null)
  const path =
    claims?.artifact === undefined ? `/api/batch/${String(claims?.batch)}` : artifactPath(String(claims.artifact))
  const reads = c.req.method === 'GET' || c.req.method === 'HEAD'
  if (claims === null || !reads || (c.req.path !== path && !c.req.path.startsWith(`${path}/`))) {
    throw new MillraceError(
      'UNAUTHORIZED',
      'This link is not valid here, or no longer. Ask for the batch again with an API key.',
    )
  }
  return { owner: String(claims.sub), authenticated: true }
}

/**
 * A token for following one batch where headers can't be sent (`EventSource`): read-only, good for a day.
 * A JWT (RFC 7519) signed with HS256.
 */
export function streamToken(auth: AuthConfig, clock: Clock, owner: string, batchId: string): Promise<string> {
  const exp = Math.floor(clock.now() / 1000) + STREAM_TOKEN_SECONDS
  return sign({ sub: owner, batch: batchId, exp }, auth.signingKey, 'HS256')
}

const artifactPath = (batchId: string) => `/exports/${batchId}`

/**
 * The address of what a batch made, for whoever holds it: read-only, good for a day.
 * @returns the address, from the root of this server, and when it ends to be good, in milliseconds since the epoch
 */
export async function artifactUrl(
  deps: { auth: AuthConfig; clock: Clock },
  owner: string,
  batchId: string,
): Promise<{ url: string; expiresAt: number }> {
  const exp = Math.floor(deps.clock.now() / 1000) + ARTIFACT_TOKEN_SECONDS
  const token = await sign({ sub: owner, artifact: batchId, exp }, deps.auth.signingKey, 'HS256')
  return { url: `${artifactPath(batchId)}?token=${token}`, expiresAt: exp * 1000 }
}

/** The key that signs tokens: made once, then read back. */
export async function loadSigningKey(db: Database): Promise<string> {
  await db.insert(secrets).values({ name: 'signing-key', value: randomToken() }).onConflictDoNothing()
  const row = await db.select({ value: secrets.value }).from(secrets).where(sql`name = 'signing-key'`).get()
  if (row === undefined) throw new Error('The signing key could not be read back from the database.')
  return row.value
}

/** A key as listed; the secret itself is not kept. */
export interface KeyFacts {
  readonly id: string
  readonly owner: string
  readonly name: string
  readonly createdAt: number
  readonly expiresAt: number | null
  readonly revokedAt: number | null
}

/**
 * Makes an API key.
 * @param expiresAt milliseconds since the epoch; null for never
 * @returns its id, and the secret that is shown this once
 */
export async function createKey(
  deps: { db: Database; clock: Clock },
  options: { owner: string; name: string; expiresAt: number | null },
): Promise<{ id: string; secret: string }> {
  const id = uuidv7()
  const secret = `mr_${randomToken()}`
  await deps.db
    .insert(keys)
    .values({ ...options, id, hash: await sha256(secret), scopes: ['*'], createdAt: deps.clock.now() })
  return { id, secret }
}

/** All keys, newest first. */
export function listKeys(db: Database): Promise<KeyFacts[]> {
  return db
    .select({
      id: keys.id,
      owner: keys.owner,
      name: keys.name,
      createdAt: keys.createdAt,
      expiresAt: keys.expiresAt,
      revokedAt: keys.revokedAt,
    })
    .from(keys)
    .orderBy(sql`id DESC`)
}

/** Revokes a key from now on. False when no such key is in force. */
export async function revokeKey(deps: { db: Database; clock: Clock }, id: string): Promise<boolean> {
  const rows = await deps.db
    .update(keys)
    .set({ revokedAt: deps.clock.now() })
    .where(sql`id = ${id} AND revoked_at IS NULL`)
    .returning({ id: keys.id })
  return rows.length > 0
}

/** 256 random bits as base64url. */
function randomToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32))
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '')
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
