/**
 * Finds the elements of an array in a JSON body while its bytes stream by, and groups them into slices: byte ranges that can be read
 * later, each alone. The body is either that array, or an object with it as a member. Buffers one slice at a time, however long the array.
 *
 * Own code, because no streaming parser gives byte ranges, or is as fast as `JSON.parse` on slices (`npm run bench cards`, "imports as JSON"). Not
 * one with `JsonBodyScanner`: that gives values, of every array of the body, and keeps all of them; this gives ranges of one array and keeps
 * none, so that a body of any length takes the memory of a slice. They share `json-text.ts`. To be deleted when the platform has a parser that
 * reports offsets.
 */
import {
  BACKSLASH,
  CLOSE,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  isBlank,
  MAX_DEPTH,
  OPEN,
  OPEN_OBJECT,
  parseDoubles,
  parseSent,
  QUOTE,
  RepeatedNameError,
} from './json-text.ts'
import { Pieces } from './pieces.ts'
import { type ScannedSizes, type Slice, type SliceBounds, Slicer } from './slices.ts'
import { decodeUtf8, InvalidTextError, withoutMark } from './text-decoder.ts'

/** Position of the reader: outside the array, before an element of it, in an element. */
const AROUND = 0
const BEFORE = 1
const WITHIN = 2

/** A name that is longer is not the one that is looked for. */
const LONGEST_NAME = 200

/** Maximum of buffered bytes outside the array. */
const MAX_AROUND = 1024 * 1024

/** Reports that the text outside the array is longer than may be kept in memory. */
export class SurroundingTooLarge extends Error {}

/**
 * Reads the elements of a slice, their numbers as `parseLossless` does.
 * @throws SyntaxError when it is not JSON; RepeatedNameError; InvalidTextError
 */
export function readElements(bytes: Uint8Array): unknown[] {
  return listOf(parseSent(arrayText(bytes), ELEMENTS))
}

/** Likewise, with numbers as doubles. */
const checkElements = (bytes: Uint8Array) => listOf(parseDoubles(arrayText(bytes), ELEMENTS).value)

const ELEMENTS = { depth: 1 + MAX_DEPTH }
const arrayText = (bytes: Uint8Array) => `[${decodeUtf8(bytes)}]`
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

const tooDeep = (place: number) =>
  new SyntaxError(`Element ${place} is nested more than ${MAX_DEPTH.toLocaleString('en')} levels deep`)

/**
 * Takes bytes as they come, gives slices of elements. Every element is read once to see that it is JSON, except one that is larger, or
 * has more values, than an element may.
 */
export class JsonArrayScanner {
  readonly #bounds: SliceBounds
  readonly #slicer: Slicer
  /** Name of the array, where the body is an object. */
  readonly #name: string
  readonly #onSlice: ((elements: readonly unknown[]) => void) | null
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
  readonly #around = new Pieces()

  /** @param onSlice is given the elements of each slice, but not those that are larger than the bounds allow */
  constructor(name: string, bounds: SliceBounds, onSlice: ((elements: readonly unknown[]) => void) | null = null) {
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

  /** True if the body is the array itself, as far as it was read. */
  get isBody(): boolean {
    return this.#isBody
  }

  /** @throws SyntaxError, RepeatedNameError, InvalidTextError, SurroundingTooLarge */
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
   * Ends the body.
   * @returns the body, with its array replaced by an empty one
   * @throws SyntaxError, RepeatedNameError, InvalidTextError
   */
  end(): unknown {
    if (this.#place !== AROUND) throw new SyntaxError('Unexpected end of JSON input')
    this.#slicer.close()
    this.#readSlices()
    return parseSent(withoutMark(this.#around.take()))
  }

  /** Buffers the bytes outside the array; those between its brackets are left out. */
  #passAround(chunk: Uint8Array, from: number): number {
    let at = from
    while (at < chunk.byteLength && this.#place === AROUND) this.#stepAround(chunk[at++] ?? 0)
    this.#around.add(chunk.slice(from, at), this.#base + from)
    if (this.#around.size > MAX_AROUND) throw new SurroundingTooLarge()
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
      return JSON.parse(`"${decodeUtf8(Uint8Array.from(this.#text))}"`) === this.#name
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
      if (nest > MAX_DEPTH) throw tooDeep(this.records)
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
    this.#slicer.add(this.#elementAt, this.#solidEnd, { values: this.#values })
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
      this.#onSlice?.(elements)
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
      return this.#onSlice === null ? checkElements(found) : readElements(found)
    } catch (error) {
      if (error instanceof InvalidTextError) throw new InvalidTextError(offset + error.offset)
      if (error instanceof RepeatedNameError) {
        const [place, ...rest] = error.path
        throw new RepeatedNameError([this.#name, String(first + Number(place)), ...rest])
      }
      if (!(error instanceof SyntaxError)) throw error
      throw new SyntaxError(`Elements ${first} to ${first + count - 1}: ${error.message}`)
    }
  }
}
