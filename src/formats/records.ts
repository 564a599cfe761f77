/**
 * Finds the records of a body (lines, or CSV records with their line breaks inside quotes) while its bytes stream by, and groups them
 * into slices: byte ranges that can be read later, each alone. Keeps no more than the list of slices.
 */

/** How records are told apart: by line ends, or as CSV. */
export type RecordForm = 'lines' | 'csv'

/** Records that lie together. */
export interface Slice {
  /** Number of the first record, from 0. */
  readonly first: number
  readonly count: number
  /** In bytes. */
  readonly offset: number
  readonly length: number
  /** A single record that is larger than a record may be. */
  readonly oversize: boolean
}

/** How large a slice may be. */
export interface SliceBounds {
  readonly records: number
  readonly bytes: number
  readonly recordBytes: number
}

const LF = 10
const CR = 13
const QUOTE = 34
const COMMA = 44
const isBlank = (byte: number) => byte === 32 || byte === 9 || byte === CR || byte === LF

/** In CSV, where the reader stands. */
const AT_START = 0
const PLAIN = 1
const QUOTED = 2
const AFTER_QUOTE = 3

/** Takes bytes as they come, gives slices. Records of blanks alone are passed over. */
export class RecordScanner {
  readonly slices: Slice[] = []
  /** Records found so far, the header not among them. */
  records = 0
  /** Where the header of a CSV lies: its first record. */
  header: { readonly offset: number; readonly length: number } | null = null
  readonly #form: RecordForm
  readonly #bounds: SliceBounds
  #wantsHeader: boolean
  /** Bytes seen before the present chunk. */
  #base = 0
  #recordStart = 0
  /** Nothing but blanks was seen in this record. */
  #blank = true
  #state = AT_START
  #open: { first: number; count: number; offset: number; end: number } | null = null

  constructor(form: RecordForm, bounds: SliceBounds, wantsHeader = false) {
    this.#form = form
    this.#bounds = bounds
    this.#wantsHeader = wantsHeader
  }

  push(chunk: Uint8Array): void {
    if (this.#form === 'lines') this.#pushLines(chunk)
    else this.#pushCsv(chunk)
    this.#base += chunk.byteLength
  }

  /** There is no more. */
  end(): void {
    this.#endRecord(this.#base)
    this.#close()
  }

  #pushLines(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.byteLength; ) {
      const found = chunk.indexOf(LF, at)
      const end = found < 0 ? chunk.byteLength : found + 1
      for (; this.#blank && at < end; at++) this.#blank = isBlank(chunk[at] ?? LF)
      at = end
      if (found >= 0) this.#endRecord(this.#base + end)
    }
  }

  #pushCsv(chunk: Uint8Array): void {
    let state = this.#state
    for (let at = 0; at < chunk.byteLength; at++) {
      const byte = chunk[at] ?? LF
      if (state === QUOTED) {
        if (byte === QUOTE) state = AFTER_QUOTE
        continue
      }
      if (byte === QUOTE && (state === AT_START || state === AFTER_QUOTE)) state = QUOTED
      else if (byte === LF) {
        state = AT_START
        this.#endRecord(this.#base + at + 1)
        continue
      } else state = byte === COMMA ? AT_START : PLAIN
      this.#blank &&= isBlank(byte)
    }
    this.#state = state
  }

  #endRecord(end: number): void {
    const start = this.#recordStart
    const blank = this.#blank
    this.#recordStart = end
    this.#blank = true
    if (blank) return
    const length = end - start
    if (this.#wantsHeader) {
      this.#wantsHeader = false
      this.header = { offset: start, length }
      return
    }
    const { records, bytes, recordBytes } = this.#bounds
    const first = this.records++
    if (length > recordBytes) {
      this.#close()
      this.slices.push({ first, count: 1, offset: start, length, oversize: true })
      return
    }
    if (this.#open !== null && end - this.#open.offset > bytes) this.#close()
    this.#open ??= { first, count: 0, offset: start, end }
    this.#open.count++
    this.#open.end = end
    if (this.#open.count === records) this.#close()
  }

  #close(): void {
    if (this.#open === null) return
    const { end, ...slice } = this.#open
    this.slices.push({ ...slice, length: end - slice.offset, oversize: false })
    this.#open = null
  }
}

/** The records of a slice that was read back, each with its line end. */
export function splitRecords(form: RecordForm, bytes: Uint8Array): Uint8Array[] {
  const scanner = new RecordScanner(form, { records: 1, bytes: bytes.byteLength, recordBytes: bytes.byteLength })
  scanner.push(bytes)
  scanner.end()
  return scanner.slices.map(({ offset, length }) => bytes.subarray(offset, offset + length))
}
