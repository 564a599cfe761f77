/** Texts that the cells of a workbook share, kept as UTF-8, which takes half the memory of strings cut from the XML. */
import { MillraceError } from '../../errors.ts'
import { MAX_CELL_CHARACTERS } from './text.ts'

const MB = 1024 * 1024
/** Bytes of all shared texts: what a Worker can hold beside the rest. */
const MAX_BYTES = 48 * MB
const MAX_TEXTS = 2_000_000
const PAGE_BYTES = MB
/** Texts that were read lately, which columns such as a category repeat. */
const MAX_RECENT = 1_000

export class SharedStrings {
  readonly #pages: Uint8Array[] = []
  /** Page, and offset and length within it, of each text. */
  readonly #places: number[] = []
  readonly #recent = new Map<number, string>()
  readonly #utf8 = new TextEncoder()
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  #bytes = 0
  #used = PAGE_BYTES

  get count(): number {
    return this.#places.length / 3
  }

  /** @throws MillraceError TOO_LARGE */
  add(text: string): void {
    const bytes = this.#utf8.encode(text)
    this.#bytes += bytes.byteLength
    if (this.#bytes > MAX_BYTES || this.count >= MAX_TEXTS || text.length > MAX_CELL_CHARACTERS) {
      throw new MillraceError(
        'TOO_LARGE',
        `The texts of the workbook make more than ${MAX_BYTES / MB} MB. Save the sheet as CSV, of which 4 GB are taken.`,
      )
    }
    const isLong = bytes.byteLength > PAGE_BYTES
    if (isLong || this.#used + bytes.byteLength > PAGE_BYTES) {
      this.#pages.push(isLong ? bytes : new Uint8Array(PAGE_BYTES))
      this.#used = 0
    }
    const page = this.#pages.length - 1
    if (!isLong) this.#pages[page]?.set(bytes, this.#used)
    this.#places.push(page, this.#used, bytes.byteLength)
    this.#used = isLong ? PAGE_BYTES : this.#used + bytes.byteLength
  }

  /** @returns null where there is no such text */
  get(index: number): string | null {
    const recent = this.#recent.get(index)
    if (recent !== undefined) return recent
    const [page = -1, offset = 0, length = 0] = this.#places.slice(3 * index, 3 * index + 3)
    const bytes = this.#pages[page]
    if (bytes === undefined) return null
    const text = this.#decoder.decode(bytes.subarray(offset, offset + length))
    if (this.#recent.size >= MAX_RECENT) this.#recent.clear()
    this.#recent.set(index, text)
    return text
  }
}
