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
  'operations:read',
  'operations:write',
  'rag:read',
  'rag:write',
  'resources:read',
  'resources:write',
  'secrets:read',
  'secrets:write',
  'webhooks:read',
  'webhooks:write',
] as const

/** Scopes of workers, which name an operation: `work:images.resize` for the owner's own jobs, `work-all:*` for everyone's of any operation. */
export const WORK_SCOPES = ['work:OPERATION', 'work-all:OPERATION'] as const

/** Scopes that calls of workers need; `work` alone is that of any operation. */
type Work = 'work' | `work:${string}` | `work-all:${string}`

/** One of them. `read` and `write` hold for every surface, `*` for the operator's metrics as well. */
export type Scope = (typeof SCOPES)[number] | Work

/** Returns true where a word is a scope that can be granted. */
export function isScope(word: unknown): word is Scope {
  return SCOPES.some((scope) => scope === word) || (typeof word === 'string' && isWork(word))
}

const isWork = (word: string): word is Work => /^work(-all)?:(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63})$/.test(word)

/** Returns true where the granted scopes cover the needed one. Metrics show all owners, so `read` alone does not cover them. */
export function covers(granted: readonly Scope[], needed: Scope): boolean {
  if (needed.startsWith('work')) return coversWork(granted, needed)
  if (granted.includes('*') || granted.includes(needed)) return true
  if (needed === 'metrics:read') return false
  return granted.includes(needed.endsWith('write') ? 'write' : 'read')
}

/** Everyone's jobs are covered by a scope that says so alone: keys of owners commonly have `*`. */
function coversWork(granted: readonly Scope[], needed: Scope): boolean {
  const [kind, operation] = needed.split(':')
  const named = (one: string) => granted.some((scope) => scope === `${one}:*` || scope === `${one}:${operation}`)
  if (kind === 'work-all') return named('work-all')
  if (granted.includes('*') || granted.includes('write')) return true
  return operation === undefined ? granted.some(isWork) : named('work') || named('work-all')
}
