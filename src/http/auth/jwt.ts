/** JWTs (RFC 7519) that somebody else issued: signed with a shared secret, or with a key of a JWKS (RFC 7517) that is fetched. */
import {
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwksCache,
  jwtVerify,
} from 'jose'
import { MillraceError } from '../../errors.ts'
import type { Clock, Log } from '../../ports.ts'
import { isScope, type Scope } from '../../scopes.ts'
import type { AuthConfig } from '../context.ts'
import { opensOf } from './tokens.ts'

/** Whose JWT it is, and what it allows. */
export interface Bearer {
  readonly owner: string
  readonly scopes: readonly Scope[]
  /** When it runs out, in milliseconds since the epoch; null for never. */
  readonly endsAt: number | null
}

/**
 * Looks at a token.
 * @returns null for what is no valid token
 * @throws MillraceError SERVICE_UNAVAILABLE when the keys it may be signed with can't be fetched
 */
export type VerifyJwt = (token: string) => Promise<Bearer | null>

/** What a verifier needs. Times are milliseconds. */
export interface JwtOptions {
  readonly auth: Pick<AuthConfig, 'jwtSecret' | 'jwksUrl' | 'jwksCache' | 'jwtIssuer' | 'jwtAudience'>
  readonly clock: Clock
  readonly log: Log
  /** Owners that nobody may become by the name they chose elsewhere. */
  readonly reserved: ReadonlySet<string>
  /** After the keys were fetched, until an unknown one lets them be fetched again. Default 30 s. */
  readonly cooldownMs?: number
  /** After a fetch failed, until the next. Default 5 s. */
  readonly failureMs?: number
}

const SHARED_SECRET = 'HS256'
/** Never a symmetric algorithm: a public key must not serve as a secret. */
const PUBLIC_KEYS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
]
const FETCH_MS = 5_000
const COOLDOWN_MS = 30_000
const FAILURE_MS = 5_000
/** A `sub` that is taken as an owner: two that differ must differ as they are stored, too. */
const OWNER = /^[^\p{Cc}]{1,256}$/u

/** Makes a verifier; it takes nothing where neither a secret nor a JWKS is configured. */
export function createJwtVerifier(options: JwtOptions): VerifyJwt {
  const { auth, clock, reserved } = options
  const secret = auth.jwtSecret === null ? null : new TextEncoder().encode(auth.jwtSecret)
  const keyOf = typeof auth.jwksUrl === 'string' ? remoteKeys(auth.jwksUrl, options) : null
  const claimsOf = async (token: string): Promise<JWTPayload | null> => {
    const checks = {
      currentDate: new Date(clock.now()),
      ...(typeof auth.jwtIssuer === 'string' ? { issuer: auth.jwtIssuer } : {}),
      ...(typeof auth.jwtAudience === 'string' ? { audience: auth.jwtAudience } : {}),
    }
    const alg = algorithmOf(token)
    if (secret !== null && alg === SHARED_SECRET) {
      const { payload } = await jwtVerify(token, secret, { ...checks, algorithms: [SHARED_SECRET] })
      return payload
    }
    if (keyOf === null || alg === null) return null
    return verifyByJwks(token, keyOf, { ...checks, algorithms: PUBLIC_KEYS })
  }
  return async (token) => {
    const claims = await claimsOf(token).catch((error: unknown) => {
      if (error instanceof MillraceError) throw error
      return null
    })
    // A token in a URL opens one thing and no more, also where both are signed with the same secret.
    if (claims === null || opensOf(claims) !== null) return null
    const { sub } = claims
    if (typeof sub !== 'string' || !OWNER.test(sub) || !sub.isWellFormed() || reserved.has(sub)) return null
    return { owner: sub, scopes: scopesOf(claims), endsAt: claims.exp === undefined ? null : claims.exp * 1_000 }
  }
}

/** The algorithm a token names; null for what is no JWS. */
function algorithmOf(token: string): string | null {
  try {
    return decodeProtectedHeader(token).alg ?? null
  } catch {
    return null
  }
}

type KeyOf = ReturnType<typeof createRemoteJWKSet> extends (...of: infer Of) => infer Key ? (...of: Of) => Key : never

/** Where a token names no key, each that may have signed it is tried. */
async function verifyByJwks(
  token: string,
  keyOf: KeyOf,
  checks: Parameters<typeof jwtVerify>[2],
): Promise<JWTPayload | null> {
  try {
    return (await jwtVerify(token, keyOf, checks)).payload
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    for await (const key of error) {
      const verified = await jwtVerify(token, key, checks).catch((failed: unknown) => {
        if (failed instanceof errors.JWSSignatureVerificationFailed) return null
        throw failed
      })
      if (verified !== null) return verified.payload
    }
    return null
  }
}

/** Finds the key that a token names among those of a JWKS. After a failure it is left alone for a while, however many tokens come. */
function remoteKeys(url: string, options: JwtOptions): KeyOf {
  const { auth, clock, log, cooldownMs = COOLDOWN_MS, failureMs = FAILURE_MS } = options
  const cache = auth.jwksCache ?? { fetched: {}, failedAt: Number.NEGATIVE_INFINITY }
  const keys = createRemoteJWKSet(new URL(url), {
    timeoutDuration: FETCH_MS,
    cooldownDuration: cooldownMs,
    [jwksCache]: cache.fetched,
    [customFetch]: (address, init) => {
      if (clock.now() - cache.failedAt < failureMs) throw unavailable()
      return fetch(address, init)
    },
  })
  return async (header, token) => {
    try {
      return await keys(header, token)
    } catch (error) {
      if (error instanceof MillraceError || isAboutTheToken(error)) throw error
      cache.failedAt = clock.now()
      log.warn({ err: error, jwksUrl: url }, 'the keys that verify JWTs could not be fetched')
      throw unavailable()
    }
  }
}

function unavailable(): MillraceError {
  const message =
    'The keys that tell whether this token is valid cannot be fetched just now. Try again in a few seconds.'
  return new MillraceError('SERVICE_UNAVAILABLE', message, { details: { retryAfter: Math.ceil(FAILURE_MS / 1_000) } })
}

/** The set is there, and has no key for this token. */
function isAboutTheToken(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  )
}

/**
 * What a token allows: its `scope` (RFC 8693: words and spaces), or `scopes` or `scp` as a list. Words that are no scope of Millrace mean
 * nothing here; a token that has no such claim may do all that its owner's rows allow.
 */
function scopesOf({ scope, scopes, scp }: JWTPayload): readonly Scope[] {
  const claim = scope ?? scopes ?? scp
  if (claim === undefined) return ['read', 'write']
  const words: readonly unknown[] = typeof claim === 'string' ? claim.split(/\s+/) : Array.isArray(claim) ? claim : []
  return words.filter(isScope)
}
