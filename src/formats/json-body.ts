/**
 * Parses a JSON body while its bytes come in, a little at a time, so that no single call takes long: the arrays that are members of the
 * outermost object are cut between their elements and parsed in slices; all else is parsed at the end, and is small or refused. Counts its
 * values on the way, so that a body with too many is refused before they are created.
 *
 * Own code, because no streaming parser is as fast as `JSON.parse` on slices (`npm run bench engine`, creating over HTTP). See `JsonArrayScanner` for
 * why they are two. To be deleted when the platform has a parser that yields.
 */

import { holdsLossless, markLossless } from '../lossless-json.ts'
import { type JsonBodyBounds, JsonBodyTooLarge } from './json-bounds.ts'
import {
  BACKSLASH,
  CLOSE,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN,
  OPEN_OBJECT,
  parseSent,
  QUOTE,
  RepeatedNameError,
} from './json-text.ts'
import { Pieces } from './pieces.ts'
import { withoutMark } from './text-decoder.ts'

/** An outermost array. */
export interface JsonList {
  readonly name: string
  readonly elements: unknown[]
  /** Bytes of its largest element. */
  largest: number
  /** True where there were more elements than are parsed. */
  cut: boolean
}

/** Bytes and nodes after which a slice is parsed: some milliseconds of work. */
const SLICE_BYTES = 32_768
const SLICE_NODES = 4_096
/** Blanks in a row beyond so many are dropped. */
const MAX_BLANKS = 1_024
const MAX_NAME_BYTES = 200

/** Classes of a byte outside of strings: ordinary, whitespace, structural. */
const PLAIN = 0
const BLANK = 1
const MARK = 2
const KINDS = new Uint8Array(256)
for (const byte of [32, 10, 13, 9]) KINDS[byte] = BLANK
for (const byte of [QUOTE, COMMA, COLON, OPEN, CLOSE, OPEN_OBJECT, CLOSE_OBJECT]) KINDS[byte] = MARK

const utf8 = new TextEncoder()
const names = new TextDecoder()

/** Takes bytes as they come; `end` gives the value. */
export class JsonBodyScanner {
  readonly #bounds: JsonBodyBounds
  readonly #around = new Pieces()
  readonly #slice = new Pieces()
  readonly #lists: JsonList[] = []
  /** The array that is being read; null outside of any. */
  #list: JsonList | null = null
  /** Bytes seen before the present chunk. */
  #base = 0
  #depth = 0
  #isObject = false
  #inString = false
  #escaped = false
  /** After an opening bracket, until it is known whether anything is within. */
  #isFresh = true
  #blanks = 0
  /** The last text that stood in the outermost object, cut off, and its length. */
  readonly #text = new Uint8Array(MAX_NAME_BYTES)
  #textBytes = 0
  /** The last member name; decoded on demand. */
  readonly #nameText = new Uint8Array(MAX_NAME_BYTES)
  #nameBytes = 0
  #nodes = 0
  #aroundNodes = 0
  #elementNodes = 0
  #elementBytes = 0
  /** Offset in the body up to which bytes were counted to an element. */
  #countedTo = 0
  #sliceNodes = 0
  /** Elements in the current slice, and the index of its first. */
  #count = 0
  #first = 0

  constructor(bounds: JsonBodyBounds) {
    this.#bounds = bounds
  }

  /** @throws SyntaxError, RepeatedNameError, InvalidTextError, JsonBodyTooLarge */
  push(chunk: Uint8Array): void {
    const size = chunk.byteLength
    let from = 0
    for (let at = this.#inString ? this.#passString(chunk, 0) : 0; at < size; at++) {
      const byte = chunk[at] ?? 0
      const kind = KINDS[byte]
      if (kind === BLANK) {
        if (++this.#blanks === MAX_BLANKS) this.#gather(chunk, from, at)
        continue
      }
      if (this.#blanks > 0) {
        if (this.#blanks >= MAX_BLANKS) from = at
        this.#blanks = 0
      }
      if (kind === PLAIN && !this.#isFresh) continue
      from = this.#step(chunk, from, at, byte)
      if (byte === QUOTE) at = this.#passString(chunk, at + 1) - 1
    }
    if (this.#blanks < MAX_BLANKS) this.#gather(chunk, from, size)
    this.#base += size
    this.#refuseLarge()
  }

  /**
   * There is no more.
   * @returns the value, numbers as `parseLossless` gives them, and the arrays among its members
   * @throws SyntaxError, RepeatedNameError, InvalidTextError
   */
  end(): { value: unknown; lists: ReadonlyMap<string, JsonList> } {
    if (this.#list !== null) throw new SyntaxError('Unexpected end of JSON input')
    // Each array stands for a value by its number.
    const nodes = this.#aroundNodes + this.#lists.length
    const value = parseSent(withoutMark(this.#around.take()), { nodes })
    const lists = new Map<string, JsonList>()
    if (!this.#isObject || typeof value !== 'object' || value === null) return { value, lists }
    for (const [name, mark] of Object.entries(value)) {
      const list = Array.isArray(mark) ? this.#lists[Number(mark[0])] : undefined
      if (list === undefined) continue
      lists.set(name, list)
      Object.defineProperty(value, name, { value: list.elements, writable: true, enumerable: true, configurable: true })
      if (holdsLossless(list.elements)) markLossless(value)
    }
    return { value, lists }
  }

  /** @returns where the bytes begin that are not gathered yet */
  #step(chunk: Uint8Array, from: number, at: number, byte: number): number {
    if (this.#isFresh) {
      this.#isFresh = false
      if (byte !== CLOSE && byte !== CLOSE_OBJECT) this.#countNode()
    }
    switch (byte) {
      case QUOTE:
        if (this.#depth === 1) this.#textBytes = 0
        return from
      case COLON:
        this.#countNode()
        if (this.#depth === 1) this.#keepName()
        return from
      case COMMA:
        this.#countNode()
        return this.#list !== null && this.#depth === 2 ? this.#endElement(chunk, from, at) : from
      case OPEN:
      case OPEN_OBJECT:
        return this.#open(chunk, from, at, byte)
      case CLOSE:
      case CLOSE_OBJECT:
        return this.#close(chunk, from, at, byte)
      default:
        return from
    }
  }

  #open(chunk: Uint8Array, from: number, at: number, byte: number): number {
    const { depth } = this.#bounds
    if (this.#depth === 0) this.#isObject = byte === OPEN_OBJECT
    this.#isFresh = true
    if (++this.#depth > depth) throw new SyntaxError(`it is nested more than ${depth} levels deep`)
    if (byte !== OPEN || !this.#isObject || this.#depth !== 2) return from
    this.#gather(chunk, from, at + 1)
    this.#list = { name: this.#name, elements: [], largest: 0, cut: false }
    this.#lists.push(this.#list)
    this.#count = 0
    this.#first = 0
    this.#elementNodes = 0
    return at + 1
  }

  #close(chunk: Uint8Array, from: number, at: number, byte: number): number {
    const ends = this.#list !== null && this.#depth === 2
    this.#depth--
    if (!ends) return from
    if (byte !== CLOSE) throw new SyntaxError(`Unexpected token '}' in the array "${this.#list?.name}"`)
    this.#gather(chunk, from, at)
    this.#endList()
    return at
  }

  /**
   * @param from the first byte within the string
   * @returns the byte after its closing quote, or the end of the chunk
   */
  #passString(chunk: Uint8Array, from: number): number {
    const size = chunk.byteLength
    let escaped = this.#escaped
    let at = from
    for (; at < size; at++) {
      const byte = chunk[at]
      if (escaped) escaped = false
      else if (byte === BACKSLASH) escaped = true
      else if (byte === QUOTE) break
    }
    this.#escaped = escaped
    if (this.#depth === 1) {
      for (let next = from; next < at && this.#textBytes < MAX_NAME_BYTES; next++) {
        this.#text[this.#textBytes++] = chunk[next] ?? 0
      }
    }
    this.#inString = at === size
    return this.#inString ? at : at + 1
  }

  #keepName(): void {
    this.#nameText.set(this.#text)
    this.#nameBytes = this.#textBytes
  }

  get #name(): string {
    return names.decode(this.#nameText.subarray(0, this.#nameBytes))
  }

  #countNode(): void {
    this.#nodes++
    if (this.#list === null) this.#aroundNodes++
    else {
      this.#elementNodes++
      this.#sliceNodes++
    }
  }

  #gather(chunk: Uint8Array, from: number, to: number): void {
    const offset = this.#base + from
    // A copy, because a few bytes of a chunk would keep all of it.
    if (this.#list === null) this.#around.add(chunk.slice(from, to), offset)
    else {
      this.#countBytes(from, to)
      if (!this.#list.cut) this.#slice.add(chunk.subarray(from, to), offset)
    }
  }

  /** Counts bytes of the chunk to the element that is read, as far as they were not before. */
  #countBytes(from: number, to: number): void {
    const end = this.#base + to
    this.#elementBytes += Math.max(0, end - Math.max(this.#countedTo, this.#base + from))
    this.#countedTo = end
  }

  #endElement(chunk: Uint8Array, from: number, at: number): number {
    this.#countBytes(from, at)
    // The comma was counted as the node that follows it.
    this.#elementNodes--
    this.#refuseLarge()
    if (this.#list !== null) this.#list.largest = Math.max(this.#list.largest, this.#elementBytes)
    this.#elementNodes = 1
    this.#elementBytes = 0
    this.#count++
    // Buffered a slice at a time: a view of the chunk for each element would take more memory than the elements.
    if (this.#slice.size + at - from < SLICE_BYTES && this.#sliceNodes < SLICE_NODES) return from
    this.#gather(chunk, from, at)
    // It was counted among those of the slice as well.
    this.#parseSlice(this.#sliceNodes - 1)
    this.#sliceNodes = 1
    return at + 1
  }

  #endList(): void {
    const list = this.#list
    if (list === null) return
    this.#refuseLarge()
    list.largest = Math.max(list.largest, this.#elementBytes)
    if (this.#elementNodes > 0 || this.#count > 0) {
      this.#count++
      this.#parseSlice(this.#sliceNodes)
    } else this.#slice.forget()
    this.#list = null
    this.#elementBytes = 0
    this.#sliceNodes = 0
    this.#around.add(utf8.encode(String(this.#lists.length - 1)), this.#base)
  }

  /** @param nodes values and member names in it */
  #parseSlice(nodes: number): void {
    const list = this.#list
    if (list === null) return
    if (!list.cut) this.#addElements(list, nodes)
    this.#slice.forget()
    list.cut = list.elements.length > this.#bounds.elements
    this.#first += this.#count
    this.#count = 0
  }

  #addElements(list: JsonList, nodes: number): void {
    // The brackets are a value themselves.
    const elements = this.#parseElements(list, `[${this.#slice.take()}]`, nodes + 1)
    if (!Array.isArray(elements) || elements.length !== this.#count) {
      throw new SyntaxError(`An element of "${list.name}" is missing after element ${this.#first}`)
    }
    if (holdsLossless(elements)) markLossless(list.elements)
    for (const element of elements) list.elements.push(element)
  }

  #parseElements(list: JsonList, text: string, nodes: number): unknown {
    try {
      return parseSent(text, { nodes })
    } catch (error) {
      if (!(error instanceof RepeatedNameError)) throw error
      const [place, ...rest] = error.path
      throw new RepeatedNameError([list.name, String(this.#first + Number(place)), ...rest])
    }
  }

  #refuseLarge(): void {
    const { nodes, valueNodes, valueBytes } = this.#bounds
    if (this.#nodes > nodes) throw new JsonBodyTooLarge('', nodes, 'values')
    const isAround = this.#list === null
    const nodesHere = isAround ? this.#aroundNodes : this.#elementNodes
    const bytesHere = isAround ? this.#around.size : this.#elementBytes
    if (nodesHere > valueNodes) throw new JsonBodyTooLarge(this.#place, valueNodes, 'values')
    if (bytesHere > valueBytes) throw new JsonBodyTooLarge(this.#place, valueBytes, 'bytes')
  }

  /** Path of the value that is read. */
  get #place(): string {
    return this.#list === null ? this.#name : `${this.#list.name}.${this.#first + this.#count}`
  }
}
