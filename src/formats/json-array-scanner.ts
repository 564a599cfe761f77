/**
 * Finds the elements of an array in a JSON body while its bytes stream by, and groups them into slices: byte ranges that can be read
 * later, each alone. The body is either that array, or an object with it as a member. Holds one slice at a time, however long the array.
 */
import { parseLossless } from './lossless-json.ts'
import { type ScannedSizes, type Slice, type SliceBounds, Slicer } from './slices.ts'

const QUOTE = 34
const COMMA = 44
const COLON = 58
const BACKSLASH = 92
const OPEN = 91
const CLOSE = 93
const OPEN_OBJECT = 123
const CLOSE_OBJECT = 125
const isBlank = (byte: number) => byte === 32 || byte === 10 || byte === 13 || byte === 9

/** Position of the reader: outside the array, before an element of it, in an element. */
const AROUND = 0
const BEFORE = 1
const WITHIN = 2

/** A name that is longer is not the one that is looked for. */
const LONGEST_NAME = 200

/** Levels of nesting of an element: nobody means more, and what reads it later must not run out of stack. */
export const MAX_ELEMENT_DEPTH = 1_000

/** Bytes outside the array that are held. */
const MAX_AROUND = 1024 * 1024

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Reports that the text outside the array is longer than may be kept in memory. */
export class SurroundingTooLarge extends Error {}

/**
 * Reads the elements of a slice, their numbers as `parseLossless` does.
 * @throws SyntaxError when it is not JSON, or not UTF-8
 */
export function readElements(bytes: Uint8Array): unknown[] {
  const elements = parseLossless(`[${decode(bytes)}]`)
  return Array.isArray(elements) ? elements : []
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new SyntaxError('It is not UTF-8 text')
  }
}

const tooDeep = (place: number) =>
  new SyntaxError(`Element ${place} is nested more than ${MAX_ELEMENT_DEPTH.toLocaleString('en')} levels deep`)

/**
 * Takes bytes as they come, gives slices of elements. Every element is read once to see that it is JSON, except one that is larger, or
 * has more values, than an element may.
 */
export class JsonArrayScanner {
  readonly #bounds: SliceBounds
  readonly #slicer: Slicer
  /** Name of the array, where the body is an object. */
  readonly #name: string
  readonly #onSlice: (elements: readonly unknown[]) => void
  #place = AROUND
  #begun = false
  /** True once the array was found; `#isBody`: true where it is the body itself. */
  #found = false
  #isBody = false
  /** Nesting: of the body outside the array, of the element within it. */
  #depth = 0
  #nest = 0
  /** Values and member names of the element so far; whether a bracket was opened just now, and nothing stands in it yet. */
  #values = 0
  #isFresh = false
  #inString = false
  #escaped = false
  /** The last string of the object itself, for it may be the array's name. */
  #text: number[] = []
  /** After that name and its colon. */
  #awaits = false
  /** After a comma, where an element must come. */
  #needs = false
  #elementAt = 0
  #solidEnd = 0
  /** Bytes seen before the present chunk. */
  #base = 0
  /** Chunks of which some is not read yet. */
  #held: { readonly at: number; readonly bytes: Uint8Array }[] = []
  /** Slices that were read. */
  #read = 0
  readonly #around: Uint8Array[] = []
  #aroundBytes = 0

  /** @param onSlice is given the elements of each slice, but not those that are larger than the bounds allow */
  constructor(name: string, bounds: SliceBounds, onSlice: (elements: readonly unknown[]) => void = () => {}) {
    this.#name = name
    this.#bounds = bounds
    this.#slicer = new Slicer(bounds)
    this.#onSlice = onSlice
  }

  get slices(): readonly Slice[] {
    return this.#slicer.slices
  }

  /** Elements found so far. */
  get records(): number {
    return this.#slicer.records
  }

  get sizes(): ScannedSizes {
    const { records, oversize, oversizeBytes, firstOversize } = this.#slicer
    const openBytes = this.#place === WITHIN ? this.#base - this.#elementAt : 0
    return { records, oversize, oversizeBytes, firstOversize, openBytes }
  }

  /** Tells whether the body is the array itself, as far as it was seen. */
  get isBody(): boolean {
    return this.#isBody
  }

  /** @throws SyntaxError, SurroundingTooLarge */
  push(chunk: Uint8Array): void {
    this.#held.push({ at: this.#base, bytes: chunk })
    for (let at = 0; at < chunk.byteLength; ) {
      if (this.#place === AROUND) at = this.#passAround(chunk, at)
      else if (this.#place === BEFORE) at = this.#findElement(chunk, at)
      else at = this.#findEnd(chunk, at)
    }
    this.#base += chunk.byteLength
    // An element that is too large already is not kept in memory until it ends.
    if (this.#place === WITHIN && this.#base - this.#elementAt > this.#bounds.recordBytes) this.#slicer.close()
    this.#readSlices()
  }

  /**
   * There is no more.
   * @returns the body, with an empty array in the place of the array
   * @throws SyntaxError
   */
  end(): unknown {
    if (this.#place !== AROUND) throw new SyntaxError('Unexpected end of JSON input')
    this.#slicer.close()
    this.#readSlices()
    const around = new Uint8Array(this.#aroundBytes)
    let at = 0
    for (const piece of this.#around) {
      around.set(piece, at)
      at += piece.byteLength
    }
    return JSON.parse(decode(around))
  }

  /** Passes over what is outside the array; what stands between its brackets is left out of it. */
  #passAround(chunk: Uint8Array, from: number): number {
    let at = from
    while (at < chunk.byteLength && this.#place === AROUND) this.#stepAround(chunk[at++] ?? 0)
    this.#aroundBytes += at - from
    if (this.#aroundBytes > MAX_AROUND) throw new SurroundingTooLarge()
    this.#around.push(chunk.slice(from, at))
    return at
  }

  #stepAround(byte: number): void {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false
      else if (byte === BACKSLASH) this.#escaped = true
      else if (byte === QUOTE) this.#inString = false
      if (this.#inString && this.#depth === 1 && this.#text.length < LONGEST_NAME) this.#text.push(byte)
      return
    }
    // A byte order mark may come first.
    if (isBlank(byte) || (!this.#begun && byte > 127)) return
    const begins = byte === OPEN && (this.#awaits || !this.#begun)
    this.#isBody ||= begins && !this.#begun
    this.#begun = true
    this.#awaits = false
    if (begins) {
      if (this.#found) throw new SyntaxError(`"${this.#name}" is there twice`)
      this.#found = true
      this.#place = BEFORE
    } else if (byte === QUOTE) {
      this.#inString = true
      this.#text = []
    } else if (byte === COLON) this.#awaits = this.#depth === 1 && this.#isName()
    else if (byte === OPEN || byte === OPEN_OBJECT) this.#depth++
    else if (byte === CLOSE || byte === CLOSE_OBJECT) this.#depth--
  }

  #isName(): boolean {
    try {
      return JSON.parse(`"${decode(Uint8Array.from(this.#text))}"`) === this.#name
    } catch {
      return false
    }
  }

  #findElement(chunk: Uint8Array, from: number): number {
    let at = from
    while (at < chunk.byteLength && isBlank(chunk[at] ?? 0)) at++
    if (at === chunk.byteLength) return at
    if (chunk[at] === CLOSE && !this.#needs) {
      this.#place = AROUND
      // The bracket is part of what is around.
      this.#depth++
      return at
    }
    this.#place = WITHIN
    this.#nest = 0
    this.#values = 1
    this.#isFresh = false
    this.#elementAt = this.#base + at
    return at
  }

  /** Local variables, because every byte of the body passes here. */
  #findEnd(chunk: Uint8Array, from: number): number {
    const size = chunk.byteLength
    let nest = this.#nest
    let values = this.#values
    let isFresh = this.#isFresh
    let solid = -1
    let at = this.#inString ? this.#passString(chunk, from) : from
    for (; at < size; at++) {
      const byte = chunk[at] ?? 0
      if (isBlank(byte)) continue
      if (nest === 0 && (byte === COMMA || byte === CLOSE)) break
      if (byte === QUOTE) at = this.#passString(chunk, at + 1) - 1
      else if (byte === COMMA || byte === COLON) values++
      else if (byte === CLOSE || byte === CLOSE_OBJECT) {
        nest--
        if (isFresh) values--
      }
      isFresh = byte === OPEN || byte === OPEN_OBJECT
      if (isFresh) {
        nest++
        values++
      }
      solid = at
      if (nest > MAX_ELEMENT_DEPTH) throw tooDeep(this.records)
    }
    this.#nest = nest
    this.#values = values
    this.#isFresh = isFresh
    if (solid >= 0) this.#solidEnd = this.#base + solid + 1
    return at < size ? this.#endElement(at, chunk[at] ?? 0) : at
  }

  /**
   * @param from the first byte inside the string
   * @returns after its closing quote, or the end of the chunk
   */
  #passString(chunk: Uint8Array, from: number): number {
    let at = from
    let escaped = this.#escaped
    for (; at < chunk.byteLength; at++) {
      const byte = chunk[at]
      if (escaped) escaped = false
      else if (byte === BACKSLASH) escaped = true
      else if (byte === QUOTE) break
    }
    this.#escaped = escaped
    this.#inString = at === chunk.byteLength
    if (!this.#inString) this.#solidEnd = this.#base + at + 1
    return this.#inString ? at : at + 1
  }

  #endElement(at: number, byte: number): number {
    if (this.#base + at === this.#elementAt) throw new SyntaxError(`Element ${this.records} is missing`)
    this.#slicer.add(this.#elementAt, this.#solidEnd, this.#values)
    this.#place = BEFORE
    this.#needs = byte === COMMA
    return byte === COMMA ? at + 1 : at
  }

  /** Reads the slices that were closed, and lets go of their bytes. */
  #readSlices(): void {
    for (; this.#read < this.slices.length; this.#read++) {
      const slice = this.slices[this.#read]
      if (slice === undefined || slice.oversize) continue
      const elements = this.#elementsOf(slice)
      if (elements.length !== slice.count)
        throw new SyntaxError(`There is a bracket astray after element ${slice.first}`)
      this.#onSlice(elements)
    }
    const present = this.#place === WITHIN ? this.#elementAt : this.#base
    const tooLarge = this.#base - present > this.#bounds.recordBytes
    const needed = this.#slicer.openAt ?? (tooLarge ? this.#base : present)
    this.#held = this.#held.filter(({ at, bytes }) => at + bytes.byteLength > needed)
  }

  #elementsOf({ first, count, offset, length }: Slice): unknown[] {
    const found = new Uint8Array(length)
    for (const { at, bytes } of this.#held) {
      const from = Math.max(offset, at)
      const to = Math.min(offset + length, at + bytes.byteLength)
      if (from < to) found.set(bytes.subarray(from - at, to - at), from - offset)
    }
    try {
      return readElements(found)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      throw new SyntaxError(`Elements ${first} to ${first + count - 1}: ${error.message}`)
    }
  }
}
