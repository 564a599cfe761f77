/** Addresses of this server, as they are written into what leaves it. */
import type { AppDeps } from '../context.ts'
import { isLoopbackHost } from '../middleware/origin.ts'

/**
 * The address of a path of this server: below `PUBLIC_URL` where that is set. The `Host` of a request is whatever its sender wrote, so it is
 * taken only on a server that none but this machine reaches, and only where it is loopback; elsewhere the address is the path alone.
 * @param url of the request
 * @param path begins with a slash
 */
export function publicAddress(deps: Pick<AppDeps, 'publicUrl' | 'isLocal'>, url: string, path: string): string {
  if (deps.publicUrl !== undefined) {
    const { origin, pathname } = new URL(deps.publicUrl)
    return `${origin}${pathname.replace(/\/+$/, '')}${path}`
  }
  const { origin, hostname } = new URL(url)
  return deps.isLocal === true && isLoopbackHost(hostname) ? `${origin}${path}` : path
}
