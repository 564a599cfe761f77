/**
 * JSON whose numbers come out as they went in. JavaScript reads every number as a double, which has 15 digits for sure: 1234567890123456789
 * becomes 1234567890123456800, and 1e400 becomes null. Here such a number is kept as it was written, as an object of `JSON.rawJSON`, which
 * JSON.stringify writes as it is (https://tc39.es/proposal-json-parse-with-source/).
 */

declare global {
  interface JSON {
    /** A value that is written as `text` says, which is the JSON of a number, a string or a literal. */
    rawJSON(text: string): object
    isRawJSON(value: unknown): boolean
    parse(
      text: string,
      reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
    ): unknown
  }
}

/** A number of 16 digits and more, or one with an exponent; perhaps within a string. */
const LONG_NUMBER = /[[:,\s]-?(?:[\d.]{16}|[\d.]+[eE])/

/**
 * Parses JSON; numbers that a double does not hold become objects, for which `JSON.isRawJSON` is true.
 * @throws SyntaxError
 */
export function parseLossless(text: string): unknown {
  const value: unknown = JSON.parse(text)
  // Looking at the values costs a tenth of looking at the text, and that a sixth of reading it with a reviver.
  if (!isDoubtful(value) || !LONG_NUMBER.test(` ${text}`)) return value
  return JSON.parse(text, (_, inner, { source }) =>
    typeof inner !== 'number' || source === undefined || isSame(source, String(inner)) ? inner : JSON.rawJSON(source),
  )
}

/** Whether there is a number in it that may not be the one that was written: no whole number up to 2⁵³, or what a tiny one became. */
function isDoubtful(value: unknown): boolean {
  if (typeof value === 'number') return value === 0 || !Number.isSafeInteger(value)
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(isDoubtful)
  for (const inner of Object.values(value)) if (typeof inner !== 'string' && isDoubtful(inner)) return true
  return false
}

/** Whether two texts mean one number. */
function isSame(a: string, b: string): boolean {
  return a === b || decimal(a) === decimal(b)
}

const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([-+]?\d+))?$/

/** A number as its digits, without zeros around them, and the power of ten they are multiplied by; null for what is no decimal number. */
function decimal(text: string): string | null {
  const parts = NUMBER.exec(text)
  if (parts === null) return null
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = parts
  const digits = whole + fraction
  let from = 0
  let to = digits.length
  while (digits[from] === '0') from++
  while (to > from && digits[to - 1] === '0') to--
  if (from === to) return '0'
  return `${sign}${digits.slice(from, to)}e${Number(exponent) - fraction.length + digits.length - to}`
}
