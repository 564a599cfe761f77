/** Origin checks: a server that accepts calls without a key must not be reachable from arbitrary web pages in the user's browser. */
import type { MiddlewareHandler } from 'hono'
import { MillraceError } from '../../errors.ts'
import type { AuthConfig, Env } from '../context.ts'

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/i

function hostname(value: string): string {
  try {
    return new URL(value.includes('://') ? value : `http://${value}`).hostname
  } catch {
    return ''
  }
}

/** Checks if a host name or address is loopback. */
export const isLoopbackHost = (host: string) => LOOPBACK.test(host)

/**
 * Refuses, under `open`, calls for a foreign `Host` (DNS rebinding) or from a foreign `Origin` (a page elsewhere).
 */
export function refuseForeign(auth: AuthConfig): MiddlewareHandler<Env> {
  return async (c, next) => {
    if (auth.mode === 'open') {
      // A request line may name a host of its own, which then is the one that counts (RFC 9112, section 3.2.2).
      const hosts = [hostname(c.req.header('Host') ?? ''), hostname(c.req.url)]
      const host = hosts.find((name) => !LOOPBACK.test(name))
      if (host !== undefined) {
        throw new MillraceError(
          'FORBIDDEN',
          `This server answers for this machine alone, not for the host "${host}". It does with MILLRACE_AUTH=keys.`,
        )
      }
      const origin = c.req.header('Origin')
      if (origin !== undefined && !isAllowedOrigin(auth, origin)) {
        throw new MillraceError(
          'FORBIDDEN',
          `Pages from ${origin} may not call this server. Add it to CORS_ORIGINS if they should.`,
        )
      }
    }
    await next()
  }
}

/** Checks if a page from this origin may read answers. */
export function isAllowedOrigin(auth: AuthConfig, origin: string): boolean {
  if (auth.corsOrigins.includes('*') || auth.corsOrigins.includes(origin)) return true
  return auth.mode === 'open' && LOOPBACK.test(hostname(origin))
}
