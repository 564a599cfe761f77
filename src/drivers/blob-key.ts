/** Rules that every BlobStore applies to keys and ranges. Both come from Millrace, never from a caller: a bad one is our fault, no MillraceError. */

const SEGMENT = /^[A-Za-z0-9._-]+$/

/** Checks if a text may be a segment of a key. */
export function isSegment(segment: string): boolean {
  return SEGMENT.test(segment) && segment !== '.' && segment !== '..'
}

/**
 * @returns the segments of a key
 * @throws TypeError when it is none
 */
export function segmentsOf(key: string): string[] {
  const segments = key.split('/')
  if (!segments.every(isSegment)) throw new TypeError(`Not a blob key: ${JSON.stringify(key)}`)
  return segments
}

/**
 * @returns a prefix of keys as its whole segments and the beginning of the next, which may be empty
 * @throws TypeError when no key can start with it
 */
export function prefixOf(prefix: string): { segments: string[]; partial: string } {
  const segments = prefix.split('/')
  const partial = segments.pop() ?? ''
  if (!segments.every(isSegment) || (partial !== '' && !SEGMENT.test(partial))) {
    throw new TypeError(`Not a prefix of blob keys: ${JSON.stringify(prefix)}`)
  }
  return { segments, partial }
}

/** @throws RangeError unless offset and length are whole numbers from 0 */
export function checkRange({ offset, length = 0 }: { offset: number; length?: number }): void {
  if (!isCount(offset) || !isCount(length)) throw new RangeError('offset and length are whole numbers from 0')
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}
