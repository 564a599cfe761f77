/** Bytes that belong together and come one after the other, in pieces. */
import { decodeUtf8, InvalidTextError } from './text-decoder.ts'

interface Piece {
  readonly bytes: Uint8Array
  readonly offset: number
}

/** Bytes that belong together, gathered from chunks. */
export class Pieces {
  size = 0
  #pieces: Piece[] = []

  /** @param offset of these bytes in the body */
  add(bytes: Uint8Array, offset: number): void {
    if (bytes.byteLength === 0) return
    this.#pieces.push({ bytes, offset })
    this.size += bytes.byteLength
  }

  forget(): void {
    this.#pieces = []
    this.size = 0
  }

  /** Gives them as one and forgets them. */
  takeBytes(): Uint8Array {
    const whole = new Uint8Array(this.size)
    let at = 0
    for (const { bytes } of this.#pieces) {
      whole.set(bytes, at)
      at += bytes.byteLength
    }
    this.forget()
    return whole
  }

  /** Gives them as text and forgets them. @throws InvalidTextError with the offset in the body */
  take(): string {
    const pieces = this.#pieces
    try {
      return decodeUtf8(this.takeBytes())
    } catch (error) {
      throw error instanceof InvalidTextError ? new InvalidTextError(placeIn(pieces, error.offset)) : error
    }
  }
}

/** Offset in the body of the byte that is so far into the pieces. */
function placeIn(pieces: readonly Piece[], place: number): number {
  let left = place
  for (const { bytes, offset } of pieces) {
    if (left < bytes.byteLength) return offset + left
    left -= bytes.byteLength
  }
  const last = pieces.at(-1)
  return last === undefined ? 0 : last.offset + last.bytes.byteLength
}
