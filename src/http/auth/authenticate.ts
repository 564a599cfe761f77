/** Authentication and authorization of callers: by API key, by JWT, by a token in the URL, or without credentials under `open`. */
import type { Context, MiddlewareHandler } from 'hono'
import { MillraceError } from '../../errors.ts'
import { sha256 } from '../../formats/sha256.ts'
import { SHARED } from '../../rows/owned-rows.ts'
import { covers, type Scope } from '../../scopes.ts'
import type { AppDeps, Caller, Env } from '../context.ts'
import type { Surfaces } from '../surface.ts'
import type { JwtRefusal, VerifyJwt } from './jwt.ts'
import { findKey, looksLikeKey } from './keys.ts'
import type { Credential } from './stream-auth-monitor.ts'
import { openedBy } from './tokens.ts'

/** Owner of what is done without a key on a laptop. */
const LOCAL = 'local'
/** Credential without an expiry: no key at all, or the key of the environment. */
const LASTING: Credential = { keyId: null, endsAt: null }

type Deps = Pick<AppDeps, 'db' | 'clock' | 'auth' | 'log'>

/** Authenticates a request, or refuses it: 401 without a valid key or token, 403 with one that lacks the scope. */
export function authenticate(deps: Deps, surfaces: Surfaces): MiddlewareHandler<Env> {
  const verifyJwt = lazyVerifier(deps)
  return async (c, next) => {
    if (!surfaces.isPublic(c.req.method, c.req.path)) {
      const caller = await identify(c, deps, verifyJwt)
      c.set('caller', caller)
      demandScope(c, surfaces.scopeFor(c.req.method, c.req.path))
    }
    await next()
  }
}

/** Loads the code of JWTs, a library of some size, for the first that is sent. */
const loadJwt = () => import('./jwt.ts')

function lazyVerifier(deps: Deps): VerifyJwt {
  let verifier: Promise<VerifyJwt> | undefined
  return async (token) => {
    verifier ??= loadJwt().then(({ createJwtVerifier }) =>
      createJwtVerifier({ ...deps, reserved: new Set([LOCAL, SHARED]) }),
    )
    return (await verifier)(token)
  }
}

async function identify(c: Context<Env>, deps: Deps, verifyJwt: VerifyJwt): Promise<Caller> {
  const header = c.req.header('Authorization')
  if (header !== undefined) {
    const bearer = /^Bearer(?: +(.*))?$/i.exec(header)
    if (bearer === null) throw refusal(c, INVALID)
    const key = bearer[1] ?? ''
    const found = await callerOf(deps, key, verifyJwt)
    if (found !== null && 'refused' in found) throw claimRefusal(c, found)
    if (found !== null) return { ...found, authenticated: true }
    // Accepts the placeholders of printed examples. Anything that looks like a key or a token must be valid, so that a wrong one is noticed.
    if (deps.auth.mode === 'open' && !looksLikeKey(key) && !(await loadJwt()).looksLikeJwt(key)) return UNNAMED
    throw refusal(c, INVALID)
  }
  const token = c.req.query('token')
  if (token !== undefined) {
    const opened = await openedBy(deps, token, c.req)
    if (opened !== null) {
      const { owner, endsAt, scopes } = opened
      return { owner, scopes, authenticated: true, credential: { keyId: null, endsAt } }
    }
    throw refusal(c, 'This link is not valid here, or no longer. Ask for another with an API key.')
  }
  if (deps.auth.mode === 'open') return UNNAMED
  throw refusal(c, 'An API key is needed. Send it as "Authorization: Bearer <key>".', 'Bearer')
}

const INVALID = 'This API key or token is not valid. Send "Authorization: Bearer <key>" with one that is.'

/** Caller without a key under `open`. */
const UNNAMED: Caller = { owner: LOCAL, scopes: ['*'], authenticated: false, credential: LASTING }

async function callerOf(
  deps: Deps,
  key: string,
  verifyJwt: VerifyJwt,
): Promise<Omit<Caller, 'authenticated'> | JwtRefusal | null> {
  const { apiKey } = deps.auth
  // Hashes are compared, not keys, so that the time of the comparison reveals nothing about the key.
  if (apiKey !== null && (await sha256(key)) === (await sha256(apiKey))) {
    return { owner: LOCAL, scopes: ['*'], credential: LASTING }
  }
  const found = await findKey(deps, key)
  if (found !== null) {
    const { id, owner, scopes, expiresAt } = found
    return { owner, scopes, credential: { keyId: id, endsAt: expiresAt } }
  }
  const bearer = await verifyJwt(key)
  if (bearer === null || 'refused' in bearer) return bearer
  const { owner, scopes, endsAt } = bearer
  return { owner, scopes, credential: { keyId: null, endsAt } }
}

/** Makes a 401 with the challenge that RFC 6750 requires. */
function refusal(c: Context<Env>, message: string, challenge = 'Bearer error="invalid_token"'): MillraceError {
  c.header('WWW-Authenticate', challenge)
  return new MillraceError('UNAUTHORIZED', message)
}

/** Makes a 401 with the reason in its challenge, since the bodies of some surfaces are fixed. RFC 6750 excludes quotes, backslashes and what is not ASCII. */
function claimRefusal(c: Context<Env>, { claim, refused }: JwtRefusal): MillraceError {
  const description = refused.replaceAll('"', "'").replace(/[^\x20-\x7e]|\\/g, '?')
  c.header('WWW-Authenticate', `Bearer error="invalid_token", error_description="${description}"`)
  return new MillraceError('UNAUTHORIZED', refused, { details: { claim } })
}

/** Checks if the caller has a scope, for a route that omits a part of its answer where the scope is missing. */
export function hasScope(c: Context<Env>, scope: Scope): boolean {
  return covers(c.get('caller').scopes, scope)
}

/**
 * Refuses a caller without a scope. Each route demands that of its path; one that also reads what belongs to another surface demands that
 * surface's, so that a scope means the same on every way in.
 * @throws MillraceError FORBIDDEN
 */
export function demandScope(c: Context<Env>, scope: Scope): void {
  if (hasScope(c, scope)) return
  c.header('WWW-Authenticate', `Bearer error="insufficient_scope", scope="${scope}"`)
  throw new MillraceError('FORBIDDEN', `This key or token may not do this: it lacks the scope "${scope}".`)
}
