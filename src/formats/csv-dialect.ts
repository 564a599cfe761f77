/**
 * Finds out how a CSV is written while its bytes stream by, as spreadsheets of all countries save it: its separator, and whether it is in
 * Windows-1252 that nothing declares. That is known at the end alone, so the bytes are left as they are, without byte order mark and `sep=` line.
 */
import { invalidRequest } from '../errors.ts'
import { parseRecord } from './csv.ts'
import { withoutByteOrderMark } from './streams.ts'

/** Separators that are looked for in a header, in this order where several would do. */
const SEPARATORS = [',', ';', '\t', '|']
/** A header has to end within these, else it is taken for one with commas. */
const MAX_HEADER_BYTES = 65_536
const LF = 10
const CR = 13
const QUOTE = 34

/** Counts what of a text could not be UTF-8, and what could hardly be anything else. */
class EncodingProbe {
  /** Letters of several bytes that are well formed, and bytes that are no part of any. */
  #letters = 0
  #strays = 0
  /** Bytes that Windows-1252 has no letter for. */
  #undefined = 0
  /** Bytes that the open letter still needs. */
  #needed = 0

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.byteLength; at++) {
      const byte = chunk[at] ?? 0
      if (byte < 0x80 && this.#needed === 0) continue
      this.#take(byte)
    }
  }

  #take(byte: number): void {
    if (byte === 0x81 || byte === 0x8d || byte === 0x8f || byte === 0x90 || byte === 0x9d) this.#undefined++
    if (this.#needed > 0 && (byte & 0xc0) === 0x80) {
      if (--this.#needed === 0) this.#letters++
      return
    }
    if (this.#needed > 0) this.#strays++
    this.#needed = byte < 0xc2 || byte > 0xf4 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3
    if (byte >= 0x80 && this.#needed === 0) this.#strays++
  }

  /** True for a text that is not UTF-8 at all, rather than UTF-8 with some damaged bytes. To be read at its end. */
  get isWindows1252(): boolean {
    const strays = this.#strays + (this.#needed > 0 ? 1 : 0)
    return strays > 0 && this.#letters === 0 && this.#undefined === 0
  }
}

/** Reads one CSV. */
export class CsvSource {
  /** Known before the first bytes come out. */
  separator = ','
  /** Encoding of the bytes that come out: `windows-1252` where that was found. Known at the end. */
  storedEncoding: 'utf-8' | 'windows-1252' = 'utf-8'
  /** Lines before the header that did not come out. */
  droppedLines = 0
  readonly #isKnown: (name: string) => boolean
  readonly #detects: boolean

  /**
   * @param isKnown checks if a name, in lower case, is one that a header may have
   * @param detects true where nothing declares the encoding, so that Windows-1252 is looked for
   */
  constructor(isKnown: (name: string) => boolean, detects: boolean) {
    this.#isKnown = isKnown
    this.#detects = detects
  }

  /**
   * Passes the CSV on.
   * @param chunks of UTF-8, or of what may be Windows-1252
   * @throws MillraceError INVALID_REQUEST for a `sep=` line that names no separator
   */
  async *read(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    yield* this.#withSeparator(withoutByteOrderMark(this.#detects ? this.#probed(chunks) : chunks))
  }

  /** The same bytes. A byte order mark among them is proof of UTF-8. */
  async *#probed(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const probe = new EncodingProbe()
    for await (const chunk of chunks) {
      probe.push(chunk)
      yield chunk
    }
    if (probe.isWindows1252) this.storedEncoding = 'windows-1252'
  }

  /** The same bytes without a `sep=` line, once the separator is known. */
  async *#withSeparator(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let head: Uint8Array | null = new Uint8Array()
    for await (const chunk of chunks) {
      if (head === null) {
        yield chunk
        continue
      }
      head = joined(head, chunk)
      if (!hasTwoLines(head) && head.byteLength < MAX_HEADER_BYTES) continue
      yield this.#begin(head)
      head = null
    }
    if (head !== null && head.byteLength > 0) yield this.#begin(head)
  }

  #begin(head: Uint8Array): Uint8Array {
    const text = new TextDecoder('windows-1252').decode(head)
    const declared = /^"?sep=(.?)"?(\r\n|\r|\n|$)/i.exec(text)
    if (declared === null) {
      this.separator = this.#likeliest(firstRecord(text))
      return head
    }
    const [line, separator = ''] = declared
    if (!/^[\t !#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]$/.test(separator)) {
      throw invalidRequest('header', 'The line "sep=" names a separator of one sign, as "sep=;" does.')
    }
    this.separator = separator
    this.droppedLines = 1
    return head.subarray(line.length)
  }

  /** The separator under which the most names of a header are known. */
  #likeliest(record: string): string {
    const known = SEPARATORS.map((separator) => ({
      separator,
      names: namesOf(record, separator).filter(this.#isKnown).length,
    }))
    return known.toSorted((a, b) => b.names - a.names)[0]?.separator ?? ','
  }
}

function namesOf(record: string, separator: string): string[] {
  try {
    return parseRecord(record, separator).map((name) => name.trim().toLowerCase())
  } catch {
    return []
  }
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  if (one.byteLength === 0) return other
  const both = new Uint8Array(one.byteLength + other.byteLength)
  both.set(one)
  both.set(other, one.byteLength)
  return both
}

/** Offset behind the first line end outside quotes, from an offset on; -1 where there is none. */
function lineEnd(bytes: Uint8Array, from: number): number {
  let quoted = false
  for (let at = from; at < bytes.byteLength; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) quoted = !quoted
    else if (!quoted && (byte === LF || byte === CR)) return at + 1
  }
  return -1
}

/** Two, because the first may be a `sep=` line, or be blank. */
function hasTwoLines(bytes: Uint8Array): boolean {
  const first = lineEnd(bytes, 0)
  return first >= 0 && lineEnd(bytes, first + 1) >= 0
}

/** The first record that is not blank. */
function firstRecord(text: string): string {
  const begun = text.replace(/^[\s,;|]*[\r\n]+/, '')
  return /^(?:"[^"]*"|[^"\r\n])*/.exec(begun)?.[0] ?? ''
}
