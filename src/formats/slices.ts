/** Slices: records of a body that lie together, grouped so that each group is a byte range that can be read later, alone. */

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

/** Takes the places of records in their order, gives slices. */
export class Slicer {
  readonly slices: Slice[] = []
  /** Records so far. */
  records = 0
  readonly #bounds: SliceBounds
  #open: { first: number; count: number; offset: number; end: number } | null = null

  constructor(bounds: SliceBounds) {
    this.#bounds = bounds
  }

  /** Takes a record: its bytes from `start` to before `end`. */
  add(start: number, end: number): void {
    const { records, bytes, recordBytes } = this.#bounds
    const first = this.records++
    if (end - start > recordBytes) {
      this.close()
      this.slices.push({ first, count: 1, offset: start, length: end - start, oversize: true })
      return
    }
    if (this.#open !== null && end - this.#open.offset > bytes) this.close()
    this.#open ??= { first, count: 0, offset: start, end }
    this.#open.count++
    this.#open.end = end
    if (this.#open.count === records) this.close()
  }

  /** Ends the slice that is open. */
  close(): void {
    if (this.#open === null) return
    const { end, ...slice } = this.#open
    this.slices.push({ ...slice, length: end - slice.offset, oversize: false })
    this.#open = null
  }

  /** Where the open slice begins; null when none is open. */
  get openAt(): number | null {
    return this.#open?.offset ?? null
  }
}
