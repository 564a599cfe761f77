/** Scopes, which say what a key or a JWT may do, as `--scopes` and the `scope` claim name them. */

/** Every scope that can be granted. */
export const SCOPES = [
  '*',
  'read',
  'write',
  'batch:read',
  'batch:write',
  'cards:read',
  'cards:write',
  'chunks:read',
  'chunks:write',
  'exports:read',
  'exports:write',
  'metrics:read',
  'resources:read',
  'resources:write',
  'webhooks:read',
  'webhooks:write',
] as const

/** One of them. `read` and `write` hold for every surface, `*` for the operator's metrics as well. */
export type Scope = (typeof SCOPES)[number]

/** Returns true where a word is a scope. */
export function isScope(word: unknown): word is Scope {
  return SCOPES.some((scope) => scope === word)
}

/** Returns true where the granted scopes cover the needed one. Metrics show all owners, so `read` alone does not cover them. */
export function covers(granted: readonly Scope[], needed: Scope): boolean {
  if (granted.includes('*') || granted.includes(needed)) return true
  if (needed === 'metrics:read') return false
  return granted.includes(needed.endsWith('write') ? 'write' : 'read')
}
