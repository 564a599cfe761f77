/**
 * Finds the records of a body (lines, or CSV records with their line breaks inside quotes) while its bytes stream by, and groups them
 * into slices: byte ranges that can be read later, each alone. Keeps no more than the list of slices.
 */
import { type ScannedSizes, type Slice, type SliceBounds, Slicer } from './slices.ts'

/** Rule by which records are separated: at line ends, or as CSV. */
export type RecordForm = 'lines' | 'csv'

const LF = 10
const CR = 13
const QUOTE = 34
const isBlank = (byte: number) => byte === 32 || byte === 9 || byte === CR || byte === LF

/** In CSV, where the reader stands. */
const AT_START = 0
const PLAIN = 1
const QUOTED = 2
const AFTER_QUOTE = 3
/** Behind a carriage return, which ends a record by itself unless a line feed follows. */
const AFTER_CR = 4

/** Takes bytes as they arrive, yields slices. Blank records are skipped. */
export class RecordScanner {
  /** Position of the header of a CSV, its first record, in bytes. */
  header: { readonly offset: number; readonly length: number } | null = null
  /** Separator of the fields of a CSV; to be set before the first bytes. */
  separator = ','
  /** Rows of a CSV that hold separators and nothing else. */
  emptyRows = 0
  readonly #form: RecordForm
  readonly #slicer: Slicer
  #wantsHeader: boolean
  /** Bytes seen before the present chunk. */
  #base = 0
  #recordStart = 0
  /** Nothing but blanks, and separators of a CSV, was seen in this record. */
  #blank = true
  #separated = false
  /** Number of the record that is read, from 1, blank ones counted. */
  #row = 1
  #state = AT_START
  /** Number of the line that is read, from 1, and of the one on which the last quoted field began. */
  #line = 1
  #quoteLine = 1
  #behindCr = false

  constructor(form: RecordForm, bounds: SliceBounds, wantsHeader = false) {
    this.#form = form
    this.#slicer = new Slicer(bounds)
    this.#wantsHeader = wantsHeader
  }

  get slices(): readonly Slice[] {
    return this.#slicer.slices
  }

  /** Records found so far, the header not among them. */
  get records(): number {
    return this.#slicer.records
  }

  get sizes(): ScannedSizes {
    const { records, oversize, oversizeBytes, firstOversize } = this.#slicer
    return { records, oversize, oversizeBytes, firstOversize, openBytes: this.#base - this.#recordStart }
  }

  /** In a CSV that ends inside quotes, the line on which they were opened, from 1; else null. */
  get openQuoteLine(): number | null {
    return this.#state === QUOTED ? this.#quoteLine : null
  }

  push(chunk: Uint8Array): void {
    if (this.#form === 'lines') this.#pushLines(chunk)
    else this.#pushCsv(chunk)
    this.#base += chunk.byteLength
  }

  /** There is no more. */
  end(): void {
    this.#endRecord(this.#base)
    this.#slicer.close()
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
    const separator = this.separator.charCodeAt(0)
    let state = this.#state
    for (let at = 0; at < chunk.byteLength; at++) {
      const byte = chunk[at] ?? LF
      if (byte === LF || byte === CR) {
        // The two together are one line end.
        if (byte === CR || !this.#behindCr) this.#line++
        this.#behindCr = byte === CR
      } else this.#behindCr = false
      if (state === QUOTED) {
        if (byte === QUOTE) state = AFTER_QUOTE
        continue
      }
      if (state === AFTER_CR) {
        state = AT_START
        this.#endRecord(this.#base + at + (byte === LF ? 1 : 0))
        if (byte === LF) continue
      }
      if (byte === QUOTE && (state === AT_START || state === AFTER_QUOTE)) {
        if (state === AT_START) this.#quoteLine = this.#line
        state = QUOTED
      } else if (byte === LF) {
        state = AT_START
        this.#endRecord(this.#base + at + 1)
        continue
      } else if (byte === CR) state = AFTER_CR
      else if (byte === separator) {
        state = AT_START
        this.#separated = true
        continue
      } else state = PLAIN
      this.#blank &&= isBlank(byte)
    }
    this.#state = state
  }

  #endRecord(end: number): void {
    const start = this.#recordStart
    if (end === start) return
    const blank = this.#blank
    const row = this.#row++
    if (blank && this.#separated) this.emptyRows++
    this.#recordStart = end
    this.#blank = true
    this.#separated = false
    if (blank) return
    if (this.#wantsHeader) {
      this.#wantsHeader = false
      this.header = { offset: start, length: end - start }
    } else this.#slicer.add(start, end, { row })
  }
}

/** A record of a slice that was reread, with its line end. */
export interface ReadRecord {
  readonly bytes: Uint8Array
  /** Number of the record among those of the slice, from 1, blank ones counted. */
  readonly row: number
}

/** The records of a slice that was read back, without blank ones. */
export function splitRecords(form: RecordForm, bytes: Uint8Array, separator = ','): ReadRecord[] {
  const scanner = new RecordScanner(form, { records: 1, bytes: bytes.byteLength, recordBytes: bytes.byteLength })
  scanner.separator = separator
  scanner.push(bytes)
  scanner.end()
  return scanner.slices.map(({ offset, length, row = 0 }) => ({ bytes: bytes.subarray(offset, offset + length), row }))
}
