/** Decodes text that others wrote, and says where it is none. */

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Bytes are not the text that they are said to be. */
export class InvalidTextError extends Error {
  /** Offset of the first invalid byte, from 0. */
  readonly offset: number

  constructor(offset: number, encoding = 'UTF-8') {
    super(`byte ${offset.toLocaleString('en')} is not ${encoding}`)
    this.name = 'InvalidTextError'
    this.offset = offset
  }
}

/**
 * Decodes UTF-8. A byte order mark is kept.
 * @throws InvalidTextError
 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new InvalidTextError(validBytes(bytes, 'utf-8'))
  }
}

/** Takes the byte order mark away that a text may begin with. */
export const withoutMark = (text: string) => (text.startsWith('\uFEFF') ? text.slice(1) : text)

/**
 * Counts the bytes that come before the first that is wrong.
 * @param encoding a label of the Encoding standard
 */
export function validBytes(bytes: Uint8Array, encoding: string): number {
  let valid = 0
  let invalid = bytes.byteLength
  // Text that is cut off in the middle of a character is taken for valid, as whatever begins with valid text.
  while (valid < invalid) {
    const middle = Math.ceil((valid + invalid) / 2)
    if (beginsText(bytes.subarray(0, middle), encoding)) valid = middle
    else invalid = middle - 1
  }
  while (valid > 0 && !isText(bytes.subarray(0, valid), encoding)) valid--
  return valid
}

function beginsText(bytes: Uint8Array, encoding: string): boolean {
  try {
    new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}

function isText(bytes: Uint8Array, encoding: string): boolean {
  try {
    new TextDecoder(encoding, { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}
