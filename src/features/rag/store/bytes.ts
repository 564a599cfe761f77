/** Encodes blobs as hexadecimal text, for JSON parameters of statements, and because D1 returns blobs three times as slowly as hexadecimal text. */

/** Both digits of each byte, as ASCII. */
const DIGITS = new Uint8Array(512)
/** Value of each digit by its character code. */
const VALUES = new Uint8Array(128)
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  VALUES[digit.charCodeAt(0)] = value
  VALUES[digit.toUpperCase().charCodeAt(0)] = value
  for (let other = 0; other < 16; other++) {
    DIGITS[2 * (16 * value + other)] = digit.charCodeAt(0)
    DIGITS[2 * (16 * other + value) + 1] = digit.charCodeAt(0)
  }
}

/** Encodes bytes. Digits are written as bytes and decoded at once, in a tenth of the time of joining strings. */
export function toHex(bytes: Uint8Array): string {
  const digits = new Uint8Array(2 * bytes.length)
  for (let at = 0; at < bytes.length; at++) {
    const pair = 2 * (bytes[at] as number)
    digits[2 * at] = DIGITS[pair] as number
    digits[2 * at + 1] = DIGITS[pair + 1] as number
  }
  return new TextDecoder().decode(digits)
}

/**
 * Decodes bytes.
 * @param into where they are written; default: an array of their own
 */
export function fromHex(
  hex: string,
  into: Uint8Array<ArrayBuffer> = new Uint8Array(hex.length / 2),
): Uint8Array<ArrayBuffer> {
  for (let at = 0; at < into.length; at++) {
    into[at] = ((VALUES[hex.charCodeAt(2 * at)] ?? 0) << 4) | (VALUES[hex.charCodeAt(2 * at + 1)] ?? 0)
  }
  return into
}
