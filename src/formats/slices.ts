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
  /** Number of the first record in its body, from 1, blank ones counted; of CSV and lines. */
  readonly row?: number
  /** Unit of the limit that an oversize record exceeds; absent for bytes. */
  readonly excess?: 'values'
}

/** Limits on the size of a slice. */
export interface SliceBounds {
  readonly records: number
  readonly bytes: number
  readonly recordBytes: number
  /** JSON values and member names of a slice. Default: no bound. */
  readonly values?: number
  /** JSON values and member names of a record. Default: no bound. */
  readonly recordValues?: number
}

/** Sizes of what a body holds so far, for the code that limits it while it streams by. */
export interface ScannedSizes {
  readonly records: number
  /** Records of more bytes than a record may have. */
  readonly oversize: number
  /** Bytes that they have together. */
  readonly oversizeBytes: number
  /** Number of the first of them, from 0; null for none. */
  readonly firstOversize: number | null
  /** Bytes so far of the record that has not ended. */
  readonly openBytes: number
}

/** Groups the byte ranges of consecutive records into slices. */
export class Slicer {
  readonly slices: Slice[] = []
  /** Records so far. */
  records = 0
  /** Values in the open slice. */
  #values = 0
  /** Records of more bytes than a record may have: how many, their bytes together, and the first of them, counted from 0. */
  oversize = 0
  oversizeBytes = 0
  firstOversize: number | null = null
  readonly #bounds: SliceBounds
  #open: { first: number; count: number; offset: number; end: number; row?: number } | null = null

  constructor(bounds: SliceBounds) {
    this.#bounds = bounds
  }

  /**
   * Takes a record: its bytes from `start` to before `end`.
   * @param of number of JSON values and member names in it, and its row, where the caller counts them
   */
  add(start: number, end: number, { values = 0, row }: { values?: number; row?: number } = {}): void {
    const { records, bytes, recordBytes, values: most = Infinity, recordValues = Infinity } = this.#bounds
    const first = this.records++
    const place = row === undefined ? { first } : { first, row }
    if (end - start > recordBytes || values > recordValues) {
      this.close()
      const isLong = end - start > recordBytes
      if (isLong) {
        this.oversize++
        this.oversizeBytes += end - start
        this.firstOversize ??= first
      }
      const excess = isLong ? {} : { excess: 'values' as const }
      this.slices.push({ ...place, count: 1, offset: start, length: end - start, oversize: true, ...excess })
      return
    }
    if (this.#open !== null && (end - this.#open.offset > bytes || this.#values + values > most)) this.close()
    this.#values += values
    this.#open ??= { ...place, count: 0, offset: start, end }
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
    this.#values = 0
  }

  /** Offset at which the open slice begins, in bytes; null when none is open. */
  get openAt(): number | null {
    return this.#open?.offset ?? null
  }
}
