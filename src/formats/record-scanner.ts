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
const COMMA = 44
const isBlank = (byte: number) => byte === 32 || byte === 9 || byte === CR || byte === LF

/** In CSV, where the reader stands. */
const AT_START = 0
const PLAIN = 1
const QUOTED = 2
const AFTER_QUOTE = 3

/** Takes bytes as they come, gives slices. Records of blanks alone are passed over. */
export class RecordScanner {
  /** Position of the header of a CSV, its first record, in bytes. */
  header: { readonly offset: number; readonly length: number } | null = null
  readonly #form: RecordForm
  readonly #slicer: Slicer
  #wantsHeader: boolean
  /** Bytes seen before the present chunk. */
  #base = 0
  #recordStart = 0
  /** Nothing but blanks was seen in this record. */
  #blank = true
  #state = AT_START
  /** Number of the line that is read, from 1, and of the one on which the last quoted field began. */
  #line = 1
  #quoteLine = 1

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
    let state = this.#state
    for (let at = 0; at < chunk.byteLength; at++) {
      const byte = chunk[at] ?? LF
      if (state === QUOTED) {
        if (byte === QUOTE) state = AFTER_QUOTE
        else if (byte === LF) this.#line++
        continue
      }
      if (byte === QUOTE && (state === AT_START || state === AFTER_QUOTE)) {
        if (state === AT_START) this.#quoteLine = this.#line
        state = QUOTED
      } else if (byte === LF) {
        state = AT_START
        this.#line++
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
    if (this.#wantsHeader) {
      this.#wantsHeader = false
      this.header = { offset: start, length: end - start }
    } else this.#slicer.add(start, end)
  }
}

/** The records of a slice that was read back, each with its line end. */
export function splitRecords(form: RecordForm, bytes: Uint8Array): Uint8Array[] {
  const scanner = new RecordScanner(form, { records: 1, bytes: bytes.byteLength, recordBytes: bytes.byteLength })
  scanner.push(bytes)
  scanner.end()
  return scanner.slices.map(({ offset, length }) => bytes.subarray(offset, offset + length))
}
