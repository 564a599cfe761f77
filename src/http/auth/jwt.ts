/** Verifies JWTs (RFC 7519) of foreign issuers: signed with a shared secret, or with a key of a JWKS (RFC 7517) that is fetched. */
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

/** Owner and rights that a valid JWT carries. */
export interface Bearer {
  readonly owner: string
  readonly scopes: readonly Scope[]
  /** Expiry, leeway included, in milliseconds since the epoch. */
  readonly endsAt: number
}

/** Reason for refusing a token whose signature is right: the claim that is wrong, and a sentence for its sender. */
export interface JwtRefusal {
  readonly claim: string
  readonly refused: string
}

/**
 * Looks at a token.
 * @returns null for what is no token, or not signed by a trusted issuer; a refusal for a signed one with wrong claims
 * @throws MillraceError SERVICE_UNAVAILABLE when the keys it may be signed with can't be fetched
 */
export type VerifyJwt = (token: string) => Promise<Bearer | JwtRefusal | null>

/** Dependencies and options of a verifier. Times are milliseconds. */
export interface JwtOptions {
  readonly auth: Pick<
    AuthConfig,
    'jwtSecret' | 'jwksUrl' | 'jwksCache' | 'jwtIssuer' | 'jwtAudience' | 'jwtLeewaySeconds'
  >
  readonly clock: Clock
  readonly log: Log
  /** Reserved owner names, which a JWT cannot claim. */
  readonly reserved: ReadonlySet<string>
  /** Minimum time between fetches of the keys that an unknown key id causes. Default 30 s. */
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
/** Default leeway between the clocks of the issuer and of this server. */
const LEEWAY_SECONDS = 60
/** The last second that a date can name. */
const MAX_DATE_SECONDS = 8.64e12
const FETCH_MS = 5_000
const COOLDOWN_MS = 30_000
const FAILURE_MS = 5_000
/** A `sub` that is taken as an owner: two that differ must differ as they are stored, too. */
const OWNER = /^[^\p{Cc}]{1,256}$/u

/** Makes a verifier, which accepts no token where neither a secret nor a JWKS is configured. */
export function createJwtVerifier(options: JwtOptions): VerifyJwt {
  const { auth, clock, reserved } = options
  const secret = auth.jwtSecret === null ? null : new TextEncoder().encode(auth.jwtSecret)
  const keyOf = typeof auth.jwksUrl === 'string' ? remoteKeys(auth.jwksUrl, options) : null
  const leeway = auth.jwtLeewaySeconds ?? LEEWAY_SECONDS
  const claimsOf = async (token: string): Promise<JWTPayload | null> => {
    const checks = {
      currentDate: new Date(clock.now()),
      clockTolerance: leeway,
      requiredClaims: ['exp'],
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
    try {
      const claims = await claimsOf(token)
      // A token in a URL permits one resource alone, also where both are signed with the same secret.
      if (claims === null || opensOf(claims) !== null) return null
      return bearerOf(claims, reserved, leeway)
    } catch (error) {
      if (error instanceof MillraceError) throw error
      return refusalOf(error, auth)
    }
  }
}

/** Reads the claims of a token whose signature, issuer, audience and times are right. */
function bearerOf(claims: JWTPayload, reserved: ReadonlySet<string>, leeway: number): Bearer | JwtRefusal {
  const { sub, exp } = claims
  if (typeof exp !== 'number' || !(exp <= MAX_DATE_SECONDS)) {
    return refused('exp', 'it must be a time in seconds since 1970')
  }
  if (typeof sub !== 'string' || !OWNER.test(sub) || !sub.isWellFormed()) {
    return refused('sub', 'it must be a text of 1 to 256 characters, none of them a control character')
  }
  if (reserved.has(sub)) return refused('sub', `"${sub}" is a name that no token may have`)
  const wrong = SCOPE_CLAIMS.find((name) => claims[name] !== undefined && wordsOf(claims[name]) === null)
  if (wrong !== undefined) return refused(wrong, 'it must be words with spaces between them, or a list of words')
  return { owner: sub, scopes: scopesOf(claims), endsAt: (exp + leeway) * 1_000 }
}

const refused = (claim: string, rule: string): JwtRefusal => ({
  claim,
  refused: `The claim "${claim}" of this token is wrong: ${rule}.`,
})

/**
 * Makes the reason why claims are refused; null for any other error. The signature is checked before them, so that only the holder of a real
 * token learns the reason.
 */
function refusalOf(error: unknown, { jwtIssuer, jwtAudience }: JwtOptions['auth']): JwtRefusal | null {
  if (error instanceof errors.JWTExpired) {
    return { claim: 'exp', refused: `This token has expired${dateOf(error.payload.exp)}. Get another one.` }
  }
  if (!(error instanceof errors.JWTClaimValidationFailed)) return null
  const { claim, reason, payload } = error
  if (claim === 'iss') {
    return { claim, refused: `This token has the wrong issuer: its claim "iss" must be "${jwtIssuer}".` }
  }
  if (claim === 'aud') {
    return { claim, refused: `This token has the wrong audience: its claim "aud" must be or hold "${jwtAudience}".` }
  }
  if (claim === 'exp' && reason === 'missing') {
    return { claim, refused: 'This token has no end: it needs the claim "exp", a time in seconds since 1970.' }
  }
  if (claim === 'nbf' && reason === 'check_failed') {
    return { claim, refused: `This token is not valid yet${dateOf(payload.nbf)}. Check the clock of its issuer.` }
  }
  return refused(claim, 'it must be a time in seconds since 1970')
}

/** A time in brackets; nothing for one that no date can name. */
function dateOf(seconds: number | undefined): string {
  if (seconds === undefined || !(Math.abs(seconds) <= MAX_DATE_SECONDS)) return ''
  return ` (${new Date(seconds * 1_000).toISOString()})`
}

/** Checks if a text has the form of a JWT, valid or not: it has a header in JSON, or begins as one does. */
export function looksLikeJwt(text: string): boolean {
  return text.startsWith('eyJ') || algorithmOf(text) !== null
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

/** Verifies a token by a JWKS. Where the token names no key, each that may have signed it is tried. */
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

/** Finds the key that a token names among those of a JWKS. After a failure it is not fetched for a while, however many tokens arrive. */
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

/** Claims that say what a token allows; the first that is there counts. */
const SCOPE_CLAIMS = ['scope', 'scopes', 'scp'] as const

/**
 * Reads the scopes of a token: its `scope` (RFC 8693: words and spaces), `scopes` or `scp`, each as words or as a list. Words that are no
 * scope of Millrace are ignored; a token that has no such claim may do all that its owner's rows allow.
 */
function scopesOf(claims: JWTPayload): readonly Scope[] {
  const name = SCOPE_CLAIMS.find((one) => claims[one] !== undefined)
  return name === undefined ? ['read', 'write'] : (wordsOf(claims[name]) ?? []).filter(isScope)
}

/** The words of such a claim; null where it is neither text nor a list of texts. */
function wordsOf(claim: unknown): readonly string[] | null {
  if (typeof claim === 'string') return claim.split(/\s+/)
  if (!Array.isArray(claim)) return null
  const words = claim.filter((word) => typeof word === 'string')
  return words.length === claim.length ? words : null
}
