/** Charsets that text may be sent in: their names, their byte order marks, and decoders of them. */
import { MillraceError } from '../errors.ts'
import { decodeUtf8, InvalidTextError, validBytes } from './text-decoder.ts'

/** An encoding of the Encoding standard. */
export type Charset = 'utf-8' | 'windows-1252' | 'utf-16le' | 'utf-16be'

/** Names of charsets as people write them. That standard reads Latin-1 as windows-1252, which has more characters. */
const CHARSETS: Readonly<Record<string, Charset | 'utf-16'>> = {
  'utf-8': 'utf-8',
  utf8: 'utf-8',
  'us-ascii': 'utf-8',
  ascii: 'utf-8',
  'iso-8859-1': 'windows-1252',
  'iso8859-1': 'windows-1252',
  latin1: 'windows-1252',
  'latin-1': 'windows-1252',
  'windows-1252': 'windows-1252',
  cp1252: 'windows-1252',
  'utf-16': 'utf-16',
  utf16: 'utf-16',
  'utf-16le': 'utf-16le',
  'utf-16be': 'utf-16be',
}

/** Charsets as a sentence names them. */
const TAKEN = 'utf-8, iso-8859-1 (latin1), windows-1252, utf-16, utf-16le and utf-16be'

/** The parameter `charset` of a Content-Type, lower case; null where there is none. */
export function parseCharset(contentType: string): string | null {
  const found = /;\s*charset\s*=\s*(?:"([^"]*)"|([^\s;"]+))/i.exec(contentType)
  return (found?.[1] ?? found?.[2])?.toLowerCase() ?? null
}

/**
 * Finds the encoding that a charset names.
 * @param start first bytes of the text, which say the byte order of `utf-16`
 * @returns null for one that is not taken
 */
export function findCharset(name: string, start: Uint8Array = new Uint8Array()): Charset | null {
  const charset = Object.hasOwn(CHARSETS, name) ? CHARSETS[name] : undefined
  if (charset !== 'utf-16') return charset ?? null
  if (start[0] === 0xfe && start[1] === 0xff) return 'utf-16be'
  // Text begins with a character of ASCII, where it has no mark.
  return start[0] === 0 && start[1] !== 0 ? 'utf-16be' : 'utf-16le'
}

/** The encoding that a byte order mark says; null where there is none. */
export function charsetOfMark([first, second, third]: Uint8Array): Charset | null {
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'utf-8'
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : null
}

/** The refusal of a charset that is not taken. */
export function unknownCharset(what: string, charset: string): MillraceError {
  return new MillraceError(
    'UNSUPPORTED_MEDIA_TYPE',
    `The charset of ${what} is "${charset.slice(0, 100)}". Taken are ${TAKEN}.`,
  )
}

/**
 * Decodes a text.
 * @throws InvalidTextError
 */
export function decodeText(bytes: Uint8Array, charset: Charset): string {
  if (charset === 'utf-8') return decodeUtf8(bytes)
  try {
    return new TextDecoder(charset, { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new InvalidTextError(validBytes(bytes, charset), charset.toUpperCase())
  }
}

/**
 * Transcodes a stream of text to UTF-8. A byte order mark is left out.
 * @throws InvalidTextError
 */
export async function* toUtf8(chunks: AsyncIterable<Uint8Array>, charset: Charset): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(charset, { fatal: true })
  const utf8 = new TextEncoder()
  let base = 0
  for await (const chunk of chunks) {
    let text: string
    try {
      text = decoder.decode(chunk, { stream: true })
    } catch {
      throw new InvalidTextError(base + validBytes(chunk, charset), charset.toUpperCase())
    }
    base += chunk.byteLength
    if (text !== '') yield utf8.encode(text)
  }
  try {
    decoder.decode()
  } catch {
    throw new InvalidTextError(base, charset.toUpperCase())
  }
}
