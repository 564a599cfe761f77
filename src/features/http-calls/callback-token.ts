/** Tokens in the addresses that receivers call back at: each names a job and one call of it, and is signed by the server's own key. */
import { jwtVerify, SignJWT } from 'jose'
import type { Clock } from '../../ports.ts'

const ALGORITHM = 'HS256'
const AUDIENCE = 'millrace:callback'

/** A call that may be answered later. */
export interface NamedCall {
  readonly jobId: string
  /** Names one call of the job. */
  readonly call: string
}

const bytes = (text: string) => new TextEncoder().encode(text)

/** Signs the token of a call. @param until when it ends, in milliseconds since the epoch */
export function signCallback(signingKey: string, { jobId, call }: NamedCall, until: number): Promise<string> {
  return new SignJWT({ call })
    .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
    .setSubject(jobId)
    .setAudience(AUDIENCE)
    .setExpirationTime(Math.ceil(until / 1_000))
    .sign(bytes(signingKey))
}

/** Reads the call that a token names; null for one that is forged, of something else, or over. */
export async function readCallback(signingKey: string, token: string, clock: Clock): Promise<NamedCall | null> {
  const options = {
    algorithms: [ALGORITHM],
    audience: AUDIENCE,
    currentDate: new Date(clock.now()),
    requiredClaims: ['exp'],
  }
  const claims = await jwtVerify(token, bytes(signingKey), options).then(
    ({ payload }) => payload,
    () => null,
  )
  if (claims?.sub === undefined || typeof claims.call !== 'string') return null
  return { jobId: claims.sub, call: claims.call }
}
