/** Addresses of this server, as they are written into what leaves it. */
import { basePathOf } from '../../config.ts'
import type { AppDeps } from '../context.ts'
import { isLoopbackHost } from '../middleware/origin.ts'

/**
 * The address of a path of this server: below `PUBLIC_URL` where that is set. The `Host` of a request is whatever its sender wrote, so it is
 * taken only on a server that none but this machine reaches, and only where it is loopback; elsewhere the address is the path alone.
 * @param url of the request
 * @param path begins with a slash
 */
export function publicAddress(deps: Pick<AppDeps, 'publicUrl' | 'isLocal'>, url: string, path: string): string {
  if (deps.publicUrl !== undefined) return `${new URL(deps.publicUrl).origin}${publicPath(deps, path)}`
  const { origin, hostname } = new URL(url)
  return deps.isLocal === true && isLoopbackHost(hostname) ? `${origin}${path}` : path
}

/**
 * The path of an address of this server as its callers see it, below the path of `PUBLIC_URL`. Every address that an answer gives without a host
 * is made by this.
 * @param path begins with a slash
 */
export function publicPath({ publicUrl }: Pick<AppDeps, 'publicUrl'>, path: string): string {
  return `${basePathOf(publicUrl)}${path}`
}
