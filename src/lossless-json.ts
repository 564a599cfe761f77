/**
 * JSON whose numbers come out as they went in. JavaScript reads every number as a double, which has 15 digits for sure: 1234567890123456789
 * becomes 1234567890123456800, 1e400 becomes null, and -0 becomes 0. Here such a number is kept as it was written, and JSON.stringify writes
 * it so again (https://tc39.es/proposal-json-parse-with-source/). A number that a double does hold is a number, however it was written: of
 * 1.0, 1e0 and 1 comes 1.
 *
 * No scanner of structure, as `JsonBodyScanner` and `JsonArrayScanner` are: it looks for doubtful numbers in a text that `JSON.parse` reads, and
 * costs a fraction of that. To be deleted where `JSON.parse` gives the source of numbers to a reviver at the speed of a parse without one.
 */

declare global {
  interface JSON {
    /** A value that is written as `text` says, which is the JSON of a number, a string or a literal. */
    rawJSON(text: string): object
    isRawJSON(value: unknown): boolean
  }
}

/**
 * A number that a double does not hold, as it was written.
 *
 * @example
 * const amount = new LosslessNumber('9007199254740993')
 * JSON.stringify({ amount }) // '{"amount":9007199254740993}'
 * `${amount}` // '9007199254740993'
 * amount > 5 // true, as for the nearest double; so are Number(amount) and amount - 1
 */
export class LosslessNumber {
  readonly source: string

  /** @param source the JSON of a number */
  constructor(source: string) {
    this.source = source
  }

  /** The nearest double; infinite where it is beyond ±1.8e308. */
  valueOf(): number {
    return Number(this.source)
  }

  toString(): string {
    return this.source
  }

  /** Writes the number as it was read. */
  toJSON(): object {
    return JSON.rawJSON(this.source)
  }
}

/** Arrays and objects that hold a `LosslessNumber`, at any depth. */
const holders = new WeakSet<object>()

/** Checks if a value that was parsed here is or contains a `LosslessNumber`, at any depth. */
export function holdsLossless(value: unknown): boolean {
  return typeof value === 'object' && value !== null && (value instanceof LosslessNumber || holders.has(value))
}

/** Says of a container that was put together from parsed values that one of them is or holds a `LosslessNumber`. */
export function markLossless(container: object): void {
  holders.add(container)
}

/** A number of 16 digits and more, one with an exponent, or a negative zero; perhaps within a string. */
const LONG_NUMBER = /[[:,\s](?:-?(?:[\d.]{16}|[\d.]+[eE])|-[0.]+(?![\d.]))/

/**
 * Parses JSON; numbers that a double does not hold become `LosslessNumber`s.
 * @throws SyntaxError
 */
export function parseLossless(text: string): unknown {
  const value: unknown = JSON.parse(text)
  // Looking for numbers in the text costs ten times as much as looking at values and at runs of digits.
  return holdsLongRun(text) || isDoubtful(value) ? withLosslessNumbers(text, value) : value
}

/**
 * Gives a parsed value with its numbers as they were written.
 * @param text JSON
 * @param value what `JSON.parse` made of it
 */
export function withLosslessNumbers(text: string, value: unknown): unknown {
  if (!LONG_NUMBER.test(` ${text}`) || !holdsInexact(text)) return value
  return new LosslessReader(text).read()
}

const QUOTE = 34
const COMMA = 44
const MINUS = 45
const DOT = 46
const ZERO = 48
const OPEN = 91
const BACKSLASH = 92
const CLOSE = 93
const LITERAL_FALSE = 102
const LITERAL_NULL = 110
const LITERAL_TRUE = 116
const OPEN_OBJECT = 123
const CLOSE_OBJECT = 125
const isDigit = (code: number) => code >= 48 && code <= 57
const isExponent = (code: number) => code === 101 || code === 69
const beginsNumber = (code: number) => isDigit(code) || code === MINUS
const isInNumber = (code: number) => beginsNumber(code) || code === DOT || code === 43 || isExponent(code)

/** Characters of a string that are looked at one by one; the engine finds the end of a longer one many times faster, but takes time to begin. */
const SHORT_LENGTH = 64

/** Returns the offset of the quote that ends the string that begins at `from`, or the end of the text. */
export function endOfString(text: string, from: number): number {
  let at = from + 1
  for (const until = Math.min(text.length, at + SHORT_LENGTH); at < until; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at
    if (code === BACKSLASH) at++
  }
  for (let quote = text.indexOf('"', at); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let before = quote
    while (before > at && text.charCodeAt(before - 1) === BACKSLASH) before--
    if ((quote - before) % 2 === 0) return quote
  }
  return text.length
}

/** Returns the offset after a number. */
function endOfNumber(text: string, from: number): number {
  let at = from + 1
  while (isInNumber(text.charCodeAt(at))) at++
  return at
}

/** @param text valid JSON */
function holdsInexact(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (beginsNumber(code)) {
      const end = endOfNumber(text, at)
      if (!isHeld(text, at, end)) return true
      at = end - 1
    }
  }
  return false
}

/** An array or object that is being read. */
interface Frame {
  readonly container: unknown[] | Record<string, unknown>
  /** Name of the member that is being read. */
  name: string
  holds: boolean
}

const frameOf = (container: Frame['container']): Frame => ({ container, name: '', holds: false })

/** Strings that are shorter are copied when a part of a text is taken; of a longer one the whole text would be kept. */
const COPIED_LENGTH = 13

/**
 * Reads valid JSON, as `JSON.parse` does but for numbers that a double does not hold. By hand, because a reviver takes two microseconds for
 * each value there is, which for a dense body is a tenth of a second; on a stack of its own, so that nesting costs none of the engine's.
 */
class LosslessReader {
  readonly #text: string
  readonly #outer: Frame[] = []
  #frame = frameOf([])
  #wantsName = false

  constructor(text: string) {
    this.#text = text
  }

  read(): unknown {
    const whole = this.#frame.container
    for (let at = 0; at < this.#text.length; ) at = this.#step(at, this.#text.charCodeAt(at))
    return Array.isArray(whole) ? whole[0] : undefined
  }

  /** @returns the offset after the token that begins at `at` */
  #step(at: number, code: number): number {
    switch (code) {
      case QUOTE:
        return this.#readString(at)
      case COMMA:
        this.#wantsName = !Array.isArray(this.#frame.container)
        return at + 1
      case OPEN:
      case OPEN_OBJECT:
        this.#outer.push(this.#frame)
        this.#frame = frameOf(code === OPEN ? [] : {})
        this.#wantsName = code === OPEN_OBJECT
        return at + 1
      case CLOSE:
      case CLOSE_OBJECT:
        this.#close()
        return at + 1
      case LITERAL_TRUE:
        this.#add(true)
        return at + 4
      case LITERAL_FALSE:
        this.#add(false)
        return at + 5
      case LITERAL_NULL:
        this.#add(null)
        return at + 4
      default:
        return beginsNumber(code) ? this.#readNumber(at) : at + 1
    }
  }

  #readString(at: number): number {
    const end = endOfString(this.#text, at) + 1
    const inner = this.#text.slice(at + 1, end - 1)
    const isPlain = inner.length < COPIED_LENGTH && !inner.includes('\\')
    const string = isPlain ? inner : String(JSON.parse(this.#text.slice(at, end)))
    if (this.#wantsName) this.#frame.name = string
    else this.#add(string)
    this.#wantsName = false
    return end
  }

  #readNumber(at: number): number {
    const end = endOfNumber(this.#text, at)
    const source = this.#text.slice(at, end)
    if (isHeld(this.#text, at, end)) this.#add(Number(source))
    else {
      this.#add(new LosslessNumber(source))
      this.#frame.holds = true
    }
    return end
  }

  #close(): void {
    const { container, holds } = this.#frame
    this.#frame = this.#outer.pop() ?? frameOf([])
    this.#wantsName = false
    this.#add(container)
    if (!holds) return
    holders.add(container)
    this.#frame.holds = true
  }

  #add(value: unknown): void {
    const { container, name } = this.#frame
    if (Array.isArray(container)) container.push(value)
    else if (name !== '__proto__') container[name] = value
    // An assignment to a member of that name would be none.
    else Object.defineProperty(container, name, { value, writable: true, enumerable: true, configurable: true })
  }
}

/** Checks if a text contains so many digits in a row that a double may have rounded the number, even to a small integer. */
export const holdsLongRun = (text: string) => /[\d.]{16}/.test(text)

/** Checks if a number of fewer digits may differ from the one written: it is no integer up to 2⁵³, or a 0 that a tiny number was rounded to. */
export const isDoubtfulNumber = (value: number) => value === 0 || !Number.isSafeInteger(value)

function isDoubtful(value: unknown): boolean {
  if (typeof value === 'number') return isDoubtfulNumber(value)
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(isDoubtful)
  for (const inner of Object.values(value)) if (typeof inner !== 'string' && isDoubtful(inner)) return true
  return false
}

/** Digits that every double has when it is written, and that every decimal of so many keeps when it is read. */
const MAX_DIGITS = 17
const SURE_DIGITS = 15
/** Magnitudes beyond which doubles have fewer digits, or there are none. */
const LEAST_SURE = 1e-300
const MOST_SURE = 1e300

/** Checks if a double represents the number at an offset of a text exactly, so that writing it gives the same number, sign of a zero included. */
function isHeld(text: string, from: number, to: number): boolean {
  const digits = countDigits(text, from, to)
  if (digits === 0) return text.charCodeAt(from) !== MINUS
  if (digits > MAX_DIGITS) return false
  const source = text.slice(from, to)
  const value = Number(source)
  const size = Math.abs(value)
  if (digits <= SURE_DIGITS && size > LEAST_SURE && size < MOST_SURE) return true
  const written = String(value)
  return source === written || decimal(source) === decimal(written)
}

/** Counts the digits of a number without the zeros around them, as far as it takes to know that they are more than `MAX_DIGITS`. */
function countDigits(text: string, from: number, to: number): number {
  let digits = 0
  let upToLast = 0
  for (let at = from; at < to && upToLast <= MAX_DIGITS; at++) {
    const code = text.charCodeAt(at)
    if (isExponent(code)) break
    if (!isDigit(code) || (code === ZERO && digits === 0)) continue
    digits++
    if (code !== ZERO) upToLast = digits
  }
  return upToLast
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
