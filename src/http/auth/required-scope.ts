/** Which scope a request needs, by its path and method. */
import type { Scope } from '../../scopes.ts'

/** Paths under a prefix belong to a surface; an earlier entry wins. */
const SURFACES: readonly (readonly [prefix: string, read: Scope, write: Scope])[] = [
  ['/api/batch', 'batch:read', 'batch:write'],
  ['/api/chunks', 'chunks:read', 'chunks:write'],
  ['/api/v1', 'resources:read', 'resources:write'],
  ['/api/webhooks', 'webhooks:read', 'webhooks:write'],
  ['/bulk/export', 'cards:read', 'exports:write'],
  ['/bulk', 'cards:read', 'cards:write'],
  ['/exports', 'exports:read', 'exports:write'],
  ['/metrics', 'metrics:read', 'metrics:read'],
]

/** Sent by POST because they carry a body, or make a link; nothing is changed by them. */
const READS =
  /^\/api\/(chunks\/bulk|v1\/batch\/get|v1\/batch\/activities\/recommendations|batch\/(?:[^/]+\/)?stream-token)$/

/** Whether a request changes nothing. */
export function readsOnly(method: string, path: string): boolean {
  return method === 'GET' || method === 'HEAD' || (method === 'POST' && READS.test(path))
}

/** Whether a path is a prefix, or below it. */
export const isUnder = (path: string, prefix: string) => path === prefix || path.startsWith(`${prefix}/`)

/** The scope that a request needs. What belongs to no surface takes a broad one, so that a new route is not open to narrow keys. */
export function scopeOf(method: string, path: string): Scope {
  const surface = SURFACES.find(([prefix]) => isUnder(path, prefix))
  const [, read, write] = surface ?? ['', 'read', 'write']
  return readsOnly(method, path) ? read : write
}
