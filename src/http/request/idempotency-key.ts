/** The `Idempotency-Key` header (IETF draft-ietf-httpapi-idempotency-key-header): a create sent twice is done once. */
import type { Context } from 'hono'
import { MillraceError } from '../../errors.ts'
import type { Env } from '../context.ts'

/** Ids that callers bring are free strings of these. */
const CALLERS_ID = /^[A-Za-z0-9._:-]{1,128}$/

/** Segments that no client sends as they are (RFC 3986, section 5.2.4). */
const DOT_SEGMENTS: ReadonlySet<string> = new Set(['.', '..'])

/**
 * Reads the key of a create.
 * @param content what was asked, to tell a repetition from another request under the same key
 * @throws MillraceError INVALID_REQUEST when the key has other characters than ids may have, or is a word of our paths
 */
export function idempotencyKey(c: Context<Env>, content: unknown): { key: string; content: unknown } | undefined {
  const header = c.req.header('Idempotency-Key')
  if (header === undefined) return undefined
  // The draft's own syntax is a quoted string; most clients send it bare.
  const key = header.replace(/^"(.*)"$/, '$1')
  if (!CALLERS_ID.test(key)) {
    throw new MillraceError('INVALID_REQUEST', 'Idempotency-Key may have 1 to 128 letters, digits, and . _ : -', {
      details: { field: 'Idempotency-Key' },
    })
  }
  if (DOT_SEGMENTS.has(key) || c.get('reservedIds').has(key)) {
    throw new MillraceError(
      'INVALID_REQUEST',
      `Idempotency-Key: "${key}" can't be one, because a key may stand in a path where an id does, and this word is a path of its own. Use another, such as a UUID.`,
      { details: { field: 'Idempotency-Key' } },
    )
  }
  return { key, content }
}
