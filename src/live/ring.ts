/** The latest events of a batch as encoded frames, so that each is read and encoded once however many clients watch. */

/** One event, ready to be sent. */
export interface Frame {
  readonly seq: number
  readonly bytes: Uint8Array
}

/** A bounded run of frames. It holds every event after `start` up to `end`. */
export class Ring {
  #start: number
  #end: number
  #frames: Frame[] = []
  #bytes = 0
  readonly #maxBytes: number
  #cached: { after: number; end: number; bytes: Uint8Array } | null = null

  /** @param start the event after which the ring begins */
  constructor(start: number, maxBytes: number) {
    this.#start = start
    this.#end = start
    this.#maxBytes = maxBytes
  }

  /** Number of the last event held, or passed over. */
  get end(): number {
    return this.#end
  }

  /** Adds frames that follow `end` in order; `end` may lie beyond the last of them. */
  append(frames: readonly Frame[], end: number): void {
    for (const frame of frames) {
      this.#frames.push(frame)
      this.#bytes += frame.bytes.byteLength
    }
    this.#end = end
    while (this.#bytes > this.#maxBytes && this.#frames.length > 1) {
      const dropped = this.#frames.shift()
      if (dropped === undefined) break
      this.#bytes -= dropped.bytes.byteLength
      this.#start = dropped.seq
    }
  }

  /**
   * The bytes of every event after a cursor, as one piece; the same piece for all who ask at the same cursor.
   * @returns null when the ring no longer reaches back so far
   */
  after(cursor: number): Uint8Array | null {
    if (cursor < this.#start) return null
    if (this.#cached?.after === cursor && this.#cached.end === this.#end) return this.#cached.bytes
    const bytes = join(this.#frames.slice(this.#firstAfter(cursor)).map((frame) => frame.bytes))
    this.#cached = { after: cursor, end: this.#end, bytes }
    return bytes
  }

  #firstAfter(cursor: number): number {
    let low = 0
    let high = this.#frames.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#frames[middle]?.seq ?? 0) <= cursor) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Joins pieces into one, so that what is due together goes out in one write. */
export function join(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1 && pieces[0] !== undefined) return pieces[0]
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0))
  let offset = 0
  for (const piece of pieces) {
    whole.set(piece, offset)
    offset += piece.byteLength
  }
  return whole
}
