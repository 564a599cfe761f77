/** The `Idempotency-Key` header (IETF draft-ietf-httpapi-idempotency-key-header): a create sent twice is done once. */
import type { Context } from 'hono'
import { invalidRequest, MillraceError } from '../../errors.ts'
import type { Env } from '../context.ts'
import { callersId } from './fields.ts'
import { safeParse } from './safe-parse.ts'

/**
 * Reads the key of a create.
 * @param content content of the request, to distinguish a repetition from another request under the same key
 * @throws MillraceError INVALID_REQUEST when the key has other characters than ids may have, or is a word of our paths
 */
export function idempotencyKey(c: Context<Env>, content: unknown): { key: string; content: unknown } | undefined {
  const header = c.req.header('Idempotency-Key')
  if (header === undefined) return undefined
  // The draft's own syntax is a quoted string; most clients send it bare.
  const key = header.replace(/^"(.*)"$/, '$1')
  return callersKey(c, 'Idempotency-Key', key, content)
}

/**
 * Checks a key of a create that stands elsewhere than in the header.
 * @param field where it stands, for errors
 * @throws MillraceError as {@link idempotencyKey} does
 */
export function callersKey(
  c: Context<Env>,
  field: string,
  key: string,
  content: unknown,
): { key: string; content: unknown; field: string } {
  checkCallersKey(c.get('reservedIds'), field, key)
  return { key, content, field }
}

/**
 * Checks the characters of a key that a caller brings, and that it is no word of our paths.
 * @throws MillraceError INVALID_REQUEST naming `field`
 */
export function checkCallersKey(reservedIds: ReadonlySet<string>, field: string, key: string): void {
  const checked = safeParse(
    callersId((wanted) => `${field}: expected ${wanted}.`),
    key,
  )
  if (!checked.success) throw invalidRequest(field, checked.error.issues[0]?.message ?? '')
  if (reservedIds.has(key)) {
    throw new MillraceError(
      'INVALID_REQUEST',
      `${field}: "${key}" can't be one, because a key may stand in a path where an id does, and this word is a path of its own. Use another, such as a UUID.`,
      { details: { field } },
    )
  }
}
