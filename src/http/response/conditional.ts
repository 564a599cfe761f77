/** Conditional requests (RFC 9110, section 13): answers that the client has already are not sent again. */
import type { Context } from 'hono'
import type { Env } from '../context.ts'

/** Checks if the caller's `If-None-Match` names this tag, by weak comparison: `W/` makes no difference. */
export function matchesIfNoneMatch(c: Context<Env>, etag: string): boolean {
  const header = c.req.header('If-None-Match')
  if (header === undefined) return false
  const tags: readonly string[] = header.match(/"[^"]*"/g) ?? []
  return header.trim() === '*' || tags.includes(etag.replace(/^W\//, ''))
}
