/** Cursors of lists that go by ids: opaque to callers, and checked, so that an invalid one is not taken for a position. */
import * as z from 'zod'

const EXPECTED = 'Expected the cursor that the page before named as the next.'

/**
 * Makes the cursor of a list whose pages begin after an id.
 * @param list names it: the cursor of another list is refused
 * @returns a codec: the cursor on the wire, the id within
 * @example
 * const NoteCursor = idCursor('notes')
 * const ListNotes = z.strictObject({ cursor: NoteCursor.optional() })
 * const next = z.encode(NoteCursor, lastId)
 */
export function idCursor(list: string) {
  const prefix = `${list}:`
  return z
    .codec(z.string(EXPECTED).max(256, EXPECTED), z.string(), {
      encode: (id) => toBase64Url(prefix + id),
      decode: (cursor, ctx) => {
        const text = fromBase64Url(cursor)
        // Encoded again it must be the same, since the decoder ignores unused bits.
        if (text?.startsWith(prefix) && text.length > prefix.length && toBase64Url(text) === cursor) {
          return text.slice(prefix.length)
        }
        ctx.issues.push({ code: 'custom', input: cursor, message: EXPECTED })
        return z.NEVER
      },
    })
    .describe('What the page before named as the next.')
}

/** Ids are ASCII. */
const toBase64Url = (text: string) => btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')

function fromBase64Url(text: string): string | null {
  if (!/^[\w-]+$/.test(text)) return null
  try {
    return atob(text.replaceAll('-', '+').replaceAll('_', '/'))
  } catch {
    return null
  }
}
