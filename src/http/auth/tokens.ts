/**
 * Tokens in URLs, for clients that cannot send headers: `EventSource`, downloads. Each is a JWT (RFC 7519) signed with HS256 by the server's own key;
 * it permits reads of one resource for a day. API keys never go into URLs.
 */
import { jwtVerify, SignJWT } from 'jose'
import type { Clock } from '../../ports.ts'
import { isScope, type Scope } from '../../scopes.ts'
import type { AuthConfig } from '../context.ts'
import { publicPath } from '../response/public-address.ts'

const TOKEN_SECONDS = 24 * 60 * 60
const ALGORITHM = 'HS256'

/** Target of a token: a batch, the artifact that a batch made, the path of a WebSocket, or all of its owner's batches on one stream. */
export type Opens =
  | { readonly batch: string }
  | { readonly artifact: string }
  | { readonly socket: string }
  | { readonly feed: 'batches' }

type Deps = { readonly auth: Pick<AuthConfig, 'signingKey'>; readonly clock: Clock; readonly publicUrl?: string }

/** An address with its token. */
export interface SignedUrl {
  /** Without a host, below the path of `PUBLIC_URL`. */
  readonly url: string
  /** Expiry, in milliseconds since the epoch. */
  readonly expiresAt: number
}

const bytes = (text: string) => new TextEncoder().encode(text)

/** Scopes of a token that names none: it may read its one resource. */
const READ: readonly Scope[] = ['read']

async function signToken(
  { auth, clock }: Deps,
  owner: string,
  opens: Opens,
  scopes?: readonly Scope[],
): Promise<[token: string, exp: number]> {
  const exp = Math.floor(clock.now() / 1_000) + TOKEN_SECONDS
  const token = await new SignJWT({
    ...opens,
    sub: owner,
    exp,
    ...(scopes === undefined ? {} : { scope: scopes.join(' ') }),
  })
    .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
    .sign(bytes(auth.signingKey))
  return [token, exp * 1_000]
}

/** Makes a token for following one batch, issued to its creator: it permits all reads of that batch, whatever the creator's scopes. */
export async function streamToken(auth: AuthConfig, clock: Clock, owner: string, batchId: string): Promise<string> {
  const [token] = await signToken({ auth, clock }, owner, { batch: batchId })
  return token
}

/**
 * Makes the address of one batch's stream, or of the stream of all of an owner's batches.
 * @param scopes of the caller: a link permits no more than the key that it was made with
 */
export async function streamUrl(
  deps: Deps,
  owner: string,
  batchId: string | null,
  scopes: readonly Scope[] = READ,
): Promise<SignedUrl> {
  const opens = batchId === null ? { feed: 'batches' as const } : { batch: batchId }
  const [token, expiresAt] = await signToken(deps, owner, opens, scopes)
  return { url: publicPath(deps, `${pathOf(opens)}${batchId === null ? '' : '/stream'}?token=${token}`), expiresAt }
}

/** Makes a signed address of a batch's artifact, which needs no further credential. */
export async function artifactUrl(deps: Deps, owner: string, batchId: string): Promise<SignedUrl> {
  const opens = { artifact: batchId }
  const [token, expiresAt] = await signToken(deps, owner, opens)
  return { url: publicPath(deps, `${pathOf(opens)}?token=${token}`), expiresAt }
}

/** Makes a signed address of a WebSocket, which needs no further credential. */
export async function socketUrl(deps: Deps, owner: string, path: string): Promise<SignedUrl> {
  const [token, expiresAt] = await signToken(deps, owner, { socket: path })
  return { url: publicPath(deps, `${path}?token=${token}`), expiresAt }
}

function pathOf(opens: Opens): string {
  if ('feed' in opens) return '/api/batch/stream'
  if ('socket' in opens) return opens.socket
  return 'batch' in opens ? `/api/batch/${opens.batch}` : `/exports/${opens.artifact}`
}

/**
 * Verifies a token for a request, and reads the owner whose rows it opens, its scopes, and its expiry (milliseconds since the epoch).
 * @returns null for a token that is forged, has expired, or opens something else
 */
export async function openedBy(
  { auth, clock }: Deps,
  token: string,
  request: { readonly method: string; readonly path: string },
): Promise<{ owner: string; endsAt: number; scopes: readonly Scope[] } | null> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return null
  const options = { algorithms: [ALGORITHM], currentDate: new Date(clock.now()), requiredClaims: ['sub', 'exp'] }
  const claims = await jwtVerify(token, bytes(auth.signingKey), options).then(
    ({ payload }) => payload,
    () => null,
  )
  if (claims?.sub === undefined || claims.exp === undefined) return null
  const opens = opensOf(claims)
  if (opens === null) return null
  const path = pathOf(opens)
  const below = 'batch' in opens && request.path.startsWith(`${path}/`)
  if (request.path !== path && !below) return null
  const scopes = typeof claims.scope === 'string' ? claims.scope.split(' ').filter(isScope) : READ
  return { owner: claims.sub, endsAt: claims.exp * 1_000, scopes }
}

/** Reads the target of a token from its claims; null where they name none. */
export function opensOf({ batch, artifact, socket, feed }: Readonly<Record<string, unknown>>): Opens | null {
  if (typeof batch === 'string') return { batch }
  if (typeof artifact === 'string') return { artifact }
  if (typeof socket === 'string') return { socket }
  return feed === 'batches' ? { feed } : null
}
