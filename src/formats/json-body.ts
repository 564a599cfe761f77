/**
 * Parses a JSON body while its bytes come in, a little at a time, so that no single call takes long: the arrays that are members of the
 * outermost object are cut between their elements and parsed in slices; all else is parsed at the end, and is small or refused. Counts what
 * it holds as it goes, so that a body with too many values is refused before they are made. Own code because no streaming parser is as fast
 * as `JSON.parse` on slices; to be deleted when the platform has a parser that yields.
 */

/** Limits on what a JSON body may hold. */
export interface JsonBodyBounds {
  /** Values and member names in all. */
  readonly nodes: number
  /** Values and member names of one element of an outermost array, and of all that is in no such array. */
  readonly valueNodes: number
  /** Bytes of one such element, and of all that is in no such array; long blanks do not count. */
  readonly valueBytes: number
  /** Elements of an outermost array that are parsed. The rest is only counted, for whoever reads the body to refuse it. */
  readonly elements: number
  /** Levels of nesting, the outermost value being the first. */
  readonly depth: number
}

/** A body holds more than it may. */
export class JsonBodyTooLarge extends Error {
  /** Path of the value that is too large: `items.3`, or the empty text for the whole body. */
  readonly field: string
  readonly limit: number
  readonly unit: 'values' | 'bytes'

  constructor(field: string, limit: number, unit: 'values' | 'bytes') {
    super(`${field}: more than ${limit} ${unit}`)
    this.field = field
    this.limit = limit
    this.unit = unit
  }
}

/** Elements of an outermost array, as they were parsed together. */
export interface JsonSlice {
  readonly elements: readonly unknown[]
  /** Place of the first of them. */
  readonly first: number
  readonly list: JsonList
  /** The text they were parsed from. */
  readonly text: string
}

/** An outermost array. */
export interface JsonList {
  readonly name: string
  readonly elements: unknown[]
  /** Bytes of its largest element. */
  largest: number
  /** True where there were more elements than are parsed. */
  cut: boolean
}

const QUOTE = 34
const COMMA = 44
const COLON = 58
const BACKSLASH = 92
const OPEN = 91
const CLOSE = 93
const OPEN_OBJECT = 123
const CLOSE_OBJECT = 125

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

/** Bytes that belong together, gathered from chunks. */
class Pieces {
  size = 0
  #pieces: Uint8Array[] = []

  add(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return
    this.#pieces.push(bytes)
    this.size += bytes.byteLength
  }

  forget(): void {
    this.#pieces = []
    this.size = 0
  }

  /** Gives them as text and forgets them. */
  take(decoder: TextDecoder): string {
    const whole = new Uint8Array(this.size)
    let at = 0
    for (const piece of this.#pieces) {
      whole.set(piece, at)
      at += piece.byteLength
    }
    this.forget()
    return decoder.decode(whole)
  }
}

/** Takes bytes as they come; `end` gives the value. */
export class JsonBodyScanner {
  readonly #bounds: JsonBodyBounds
  readonly #onSlice: (slice: JsonSlice) => void
  readonly #around = new Pieces()
  readonly #slice = new Pieces()
  readonly #lists: JsonList[] = []
  /** The array that is being read; null outside of any. */
  #list: JsonList | null = null
  #depth = 0
  #isObject = false
  #inString = false
  #escaped = false
  /** After an opening bracket, until it is known whether anything is within. */
  #isFresh = true
  #blanks = 0
  /** The last text that stood in the outermost object, and the last that was the name of a member. */
  #text: number[] = []
  #name = ''
  #nodes = 0
  #aroundNodes = 0
  #elementNodes = 0
  #elementBytes = 0
  #sliceNodes = 0
  /** Elements in the slice that is gathered, and the place of its first. */
  #count = 0
  #first = 0

  /** @param onSlice sees each slice once it is parsed, before its elements are in their list */
  constructor(bounds: JsonBodyBounds, onSlice: (slice: JsonSlice) => void = () => {}) {
    this.#bounds = bounds
    this.#onSlice = onSlice
  }

  /** @throws SyntaxError, JsonBodyTooLarge */
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
    this.#refuseLarge()
  }

  /**
   * There is no more.
   * @returns the value, the arrays among its members, and the text of all else
   * @throws SyntaxError
   */
  end(): { value: unknown; lists: ReadonlyMap<string, JsonList>; around: string } {
    if (this.#list !== null) throw new SyntaxError('Unexpected end of JSON input')
    const around = this.#around.take(new TextDecoder())
    const value: unknown = JSON.parse(around)
    const lists = new Map<string, JsonList>()
    if (!this.#isObject || typeof value !== 'object' || value === null) return { value, lists, around }
    for (const [name, mark] of Object.entries(value)) {
      const list = Array.isArray(mark) ? this.#lists[Number(mark[0])] : undefined
      if (list === undefined) continue
      lists.set(name, list)
      Object.defineProperty(value, name, { value: list.elements, writable: true, enumerable: true, configurable: true })
    }
    return { value, lists, around }
  }

  /** @returns where the bytes begin that are not gathered yet */
  #step(chunk: Uint8Array, from: number, at: number, byte: number): number {
    if (this.#isFresh) {
      this.#isFresh = false
      if (byte !== CLOSE && byte !== CLOSE_OBJECT) this.#countNode()
    }
    switch (byte) {
      case QUOTE:
        if (this.#depth === 1) this.#text = []
        return from
      case COLON:
        this.#countNode()
        if (this.#depth === 1) this.#name = names.decode(Uint8Array.from(this.#text))
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
    if (this.#depth === 1 && this.#text.length < MAX_NAME_BYTES) {
      this.#text.push(...chunk.subarray(from, Math.min(at, from + MAX_NAME_BYTES)))
    }
    this.#inString = at === size
    return this.#inString ? at : at + 1
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
    const bytes = chunk.subarray(from, to)
    // A copy, because a few bytes of a chunk would keep all of it.
    if (this.#list === null) this.#around.add(bytes.slice())
    else {
      this.#elementBytes += bytes.byteLength
      this.#slice.add(bytes)
    }
  }

  #endElement(chunk: Uint8Array, from: number, at: number): number {
    this.#gather(chunk, from, at)
    // The comma was counted as the node that follows it.
    this.#elementNodes--
    this.#refuseLarge()
    if (this.#list !== null) this.#list.largest = Math.max(this.#list.largest, this.#elementBytes)
    this.#elementNodes = 1
    this.#elementBytes = 0
    this.#count++
    if (this.#slice.size < SLICE_BYTES && this.#sliceNodes < SLICE_NODES) return at
    this.#parseSlice()
    return at + 1
  }

  #endList(): void {
    const list = this.#list
    if (list === null) return
    this.#refuseLarge()
    list.largest = Math.max(list.largest, this.#elementBytes)
    if (this.#elementNodes > 0 || this.#count > 0) {
      this.#count++
      this.#parseSlice()
    } else this.#slice.forget()
    this.#list = null
    this.#elementBytes = 0
    this.#around.add(utf8.encode(String(this.#lists.length - 1)))
  }

  #parseSlice(): void {
    const list = this.#list
    if (list === null) return
    if (!list.cut) this.#addElements(list)
    this.#slice.forget()
    list.cut = list.elements.length > this.#bounds.elements
    this.#first += this.#count
    this.#count = 0
    this.#sliceNodes = 0
  }

  #addElements(list: JsonList): void {
    const text = this.#slice.take(new TextDecoder('utf-8', { ignoreBOM: true }))
    const elements: unknown = JSON.parse(`[${text}]`)
    if (!Array.isArray(elements) || elements.length !== this.#count) {
      throw new SyntaxError(`An element of "${list.name}" is missing after element ${this.#first}`)
    }
    this.#onSlice({ elements, first: this.#first, list, text })
    for (const element of elements) list.elements.push(element)
  }

  #refuseLarge(): void {
    const { nodes, valueNodes, valueBytes } = this.#bounds
    if (this.#nodes > nodes) throw new JsonBodyTooLarge('', nodes, 'values')
    const list = this.#list
    const field = list === null ? this.#name : `${list.name}.${this.#first + this.#count}`
    const nodesHere = list === null ? this.#aroundNodes : this.#elementNodes
    const bytesHere = list === null ? this.#around.size : this.#elementBytes
    if (nodesHere > valueNodes) throw new JsonBodyTooLarge(field, valueNodes, 'values')
    if (bytesHere > valueBytes) throw new JsonBodyTooLarge(field, valueBytes, 'bytes')
  }
}

/** Counts the values and member names of a JSON text as `measureJson` does. */
export function countNodes(text: string): number {
  return measureJson(text).nodes
}

/**
 * Counts the values and member names of a JSON text and its levels of nesting, without making them.
 * @param text JSON; of any other text the numbers mean nothing
 */
export function measureJson(text: string): { readonly nodes: number; readonly depth: number } {
  let nodes = 1
  let level = 0
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const kind = text.charCodeAt(at)
    if (kind === QUOTE) {
      for (at++; at < text.length && text.charCodeAt(at) !== QUOTE; at++) if (text.charCodeAt(at) === BACKSLASH) at++
    } else if (kind === COMMA || kind === COLON) nodes++
    else if (kind === CLOSE || kind === CLOSE_OBJECT) level--
    else if (kind === OPEN || kind === OPEN_OBJECT) {
      depth = Math.max(depth, ++level)
      while (at + 1 < text.length && KINDS[text.charCodeAt(at + 1)] === BLANK) at++
      const next = text.charCodeAt(at + 1)
      if (next !== CLOSE && next !== CLOSE_OBJECT) nodes++
    }
  }
  return { nodes, depth }
}
