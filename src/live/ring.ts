/** The latest events of a log as encoded frames, so that each is read and encoded once however many clients watch. */

/** One event, ready to be sent. */
export interface Frame {
  readonly seq: number
  readonly bytes: Uint8Array
}

/** Consecutive frames as one piece of bytes, and the number of the last event in it. */
export interface Piece {
  readonly bytes: Uint8Array
  readonly end: number
}

/** A bounded run of frames. It holds every event after `start` up to `end`. */
export class Ring {
  #start: number
  #end: number
  #frames: Frame[] = []
  #bytes = 0
  readonly #maxBytes: number
  #cached: (Piece & { after: number; ringEnd: number }) | null = null

  /** @param start the event after which the ring begins */
  constructor(start: number, maxBytes: number) {
    this.#start = start
    this.#end = start
    this.#maxBytes = maxBytes
  }

  /** Number of the last event stored, or skipped. */
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
    let dropped = 0
    while (this.#bytes > this.#maxBytes && dropped < this.#frames.length - 1) {
      const frame = this.#frames[dropped++]
      this.#bytes -= frame?.bytes.byteLength ?? 0
      this.#start = frame?.seq ?? this.#start
    }
    if (dropped > 0) this.#frames = this.#frames.slice(dropped)
  }

  /** Drops every frame: what the log says of the past is no longer what they say. */
  forget(): void {
    this.#frames = []
    this.#bytes = 0
    this.#start = this.#end
    this.#cached = null
  }

  /**
   * The next events after a cursor as one piece, about `maxBytes` long, at least one; the same piece for all who ask at the same cursor.
   * @returns null when the ring no longer reaches back so far
   */
  after(cursor: number, maxBytes: number): Piece | null {
    if (cursor < this.#start) return null
    const cached = this.#cached
    if (cached !== null && cached.after === cursor && cached.ringEnd === this.#end) return cached
    const first = this.#firstAfter(cursor)
    const taken: Uint8Array[] = []
    let bytes = 0
    let next = first
    for (; next < this.#frames.length && (taken.length === 0 || bytes < maxBytes); next++) {
      const frame = this.#frames[next]
      if (frame === undefined) break
      taken.push(frame.bytes)
      bytes += frame.bytes.byteLength
    }
    const end = next === this.#frames.length ? this.#end : (this.#frames[next - 1]?.seq ?? this.#end)
    this.#cached = { after: cursor, ringEnd: this.#end, bytes: join(taken), end }
    return this.#cached
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
