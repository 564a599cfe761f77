/** Decodes the bytes of a text by its byte order mark, its declared encoding, else the encoding detected from the bytes. */
import { detect } from 'chardet'

/** A text and the label of the encoding it was read in (https://encoding.spec.whatwg.org/#names-and-labels). */
export interface DecodedText {
  readonly text: string
  readonly encoding: string
  /** True where the encoding was detected, not declared, so that characters may be wrong. */
  readonly isGuess?: true
}

/** Leading bytes that are searched for a declared encoding of HTML or XML, as browsers do. */
const DECLARED_WITHIN = 1024
/** Bytes from which the encoding is detected by the frequency of letters. */
const SAMPLE_BYTES = 64 * 1024

/**
 * Decodes a text. Valid UTF-8 with more than ASCII takes precedence over a declaration: declarations are often left over from a template,
 * and text in other encodings is practically never valid UTF-8.
 * @param declared charset of the `Content-Type`, if there is one
 */
export function decodeText(bytes: Uint8Array, declared?: string): DecodedText {
  const mark = byteOrderMark(bytes)
  if (mark !== null) return decode(bytes, mark)
  const utf8 = tryDecode(bytes, 'utf-8')
  if (utf8 !== null) return { text: utf8, encoding: 'utf-8' }
  for (const label of [declared, declaredInside(bytes), wideEncoding(bytes)]) {
    const text = label === undefined ? null : tryDecode(bytes, label)
    if (text !== null && label !== undefined) return { text, encoding: label.toLowerCase() }
  }
  const guess = detect(bytes.subarray(0, SAMPLE_BYTES)) ?? 'windows-1252'
  const text = tryDecode(bytes, guess)
  return text === null
    ? { ...decode(bytes, 'windows-1252'), isGuess: true }
    : { text, encoding: guess.toLowerCase(), isGuess: true }
}

function byteOrderMark([first, second, third]: Uint8Array): string | null {
  if (first === 0xef && second === 0xbb && third === 0xbf) return 'utf-8'
  if (first === 0xff && second === 0xfe) return 'utf-16le'
  return first === 0xfe && second === 0xff ? 'utf-16be' : null
}

/** Detects UTF-16 without a byte order mark: in most scripts every other byte is zero, at least in line ends and spaces. */
function wideEncoding(bytes: Uint8Array): string | undefined {
  const sample = bytes.subarray(0, SAMPLE_BYTES)
  let even = 0
  let odd = 0
  for (let at = 0; at < sample.length; at++) {
    if (sample[at] !== 0) continue
    if (at % 2 === 0) even++
    else odd++
  }
  if (Math.max(even, odd) < sample.length / 20) return undefined
  return odd > even ? 'utf-16le' : 'utf-16be'
}

/** Reads the encoding that a text declares: `<meta charset>`, its older form, or an XML declaration. */
function declaredInside(bytes: Uint8Array): string | undefined {
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, DECLARED_WITHIN))
  return /(?:charset|encoding)\s*=\s*["']?([\w.:-]+)/i.exec(head)?.[1]
}

/** Decodes bytes; null where they are not valid in this encoding or the runtime does not support it. */
function tryDecode(bytes: Uint8Array, label: string): string | null {
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

function decode(bytes: Uint8Array, encoding: string): DecodedText {
  return { text: new TextDecoder(encoding).decode(bytes), encoding }
}
