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
  // Looking at the values costs a tenth of looking at the text.
  if (!isDoubtful(value) || !LONG_NUMBER.test(` ${text}`)) return value
  // Not by a reviver, which takes two microseconds for each value there is.
  const mark = crypto.randomUUID()
  const marked = markInexact(text, mark)
  return marked === null ? value : withRawNumbers(JSON.parse(marked), mark)
}

/**
 * Puts a string of `mark` and its source in the place of each number that a double does not hold.
 * @param text valid JSON
 * @returns null where there is none
 */
function markInexact(text: string, mark: string): string | null {
  let marked = ''
  let from = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++
      continue
    }
    if (!isInNumber(code)) continue
    const start = at
    let isLong = false
    for (let next = code; isInNumber(next) || isExponent(next); next = text.charCodeAt(++at)) {
      isLong ||= at - start === 15 || isExponent(next)
    }
    const source = isLong ? text.slice(start, at) : ''
    // The character after the number is looked at next.
    at--
    if (!isLong || isSame(source, String(Number(source)))) continue
    marked += `${text.slice(from, start)}"${mark}${source}"`
    from = at + 1
  }
  return from === 0 ? null : marked + text.slice(from)
}

const QUOTE = 34
const BACKSLASH = 92
const isExponent = (code: number) => code === 101 || code === 69
/** Digits, and `-`, `+` and `.`; an exponent only after those, because it is also a letter of `true` and `false`. */
const isInNumber = (code: number) => (code >= 48 && code <= 57) || code === 45 || code === 46 || code === 43

/** Replaces strings that begin with `mark`, in place. */
function withRawNumbers(value: unknown, mark: string): unknown {
  if (typeof value === 'string') return value.startsWith(mark) ? JSON.rawJSON(value.slice(mark.length)) : value
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) value[at] = withRawNumbers(value[at], mark)
    return value
  }
  for (const [name, inner] of Object.entries(value)) {
    const raw = withRawNumbers(inner, mark)
    // An assignment to a member named __proto__ would be none.
    if (raw !== inner)
      Object.defineProperty(value, name, { value: raw, writable: true, enumerable: true, configurable: true })
  }
  return value
}

/** Tells whether a value holds a number that may differ from the one written: no integer up to 2⁵³, or the 0 that a tiny one became. */
function isDoubtful(value: unknown): boolean {
  if (typeof value === 'number') return value === 0 || !Number.isSafeInteger(value)
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(isDoubtful)
  for (const inner of Object.values(value)) if (typeof inner !== 'string' && isDoubtful(inner)) return true
  return false
}

/** Tells whether two texts denote the same number. */
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
