/** Cuts decoded sound into pieces at silences, so that no word is cut. */
import { type PieceLength, SAMPLE_RATE } from './recognizer.ts'

/** Samples of a frame: 20 ms. */
const FRAME = SAMPLE_RATE / 50
/** Frames of the window whose energy is compared: 0.3 s. */
const WINDOW = 15

/** Collects PCM (16 bits, little-endian) and gives it out in pieces. */
export class PieceReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly #minSamples: number
  readonly #maxSamples: number
  #held: Uint8Array<ArrayBuffer>[] = []
  #heldBytes = 0

  constructor(pcm: AsyncIterable<Uint8Array>, { minSeconds, maxSeconds }: PieceLength) {
    this.#chunks = pcm[Symbol.asyncIterator]()
    this.#minSamples = minSeconds * SAMPLE_RATE
    this.#maxSamples = maxSeconds * SAMPLE_RATE
  }

  /** Reads the next piece. @returns null at the end. @throws as the source does */
  async next(): Promise<Int16Array<ArrayBuffer> | null> {
    let isOver = false
    // One sample more, which says whether this piece is the last.
    while (!isOver && this.#heldBytes < 2 * (this.#maxSamples + 1)) {
      const { done, value } = await this.#chunks.next()
      if (done === true) isOver = true
      else this.#hold(new Uint8Array(value))
    }
    const samples = this.#join()
    if (samples.length === 0) return null
    const isLast = isOver && samples.length <= this.#maxSamples
    const length = isLast ? samples.length : findQuietest(samples.subarray(0, this.#maxSamples), this.#minSamples)
    this.#held = []
    this.#heldBytes = 0
    this.#hold(new Uint8Array(samples.slice(length).buffer))
    if (this.#odd.length > 0) this.#hold(this.#odd)
    return samples.slice(0, length)
  }

  /** First byte of a sample whose second has not come. */
  #odd = new Uint8Array(0)

  #hold(bytes: Uint8Array<ArrayBuffer>): void {
    this.#held.push(bytes)
    this.#heldBytes += bytes.length
  }

  /** All that is held, as samples: machines that run Node are little-endian. */
  #join(): Int16Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#heldBytes)
    let at = 0
    for (const part of this.#held) {
      bytes.set(part, at)
      at += part.length
    }
    this.#odd = bytes.slice(bytes.length - (bytes.length % 2))
    return new Int16Array(bytes.buffer, 0, bytes.length >> 1)
  }
}

/**
 * Finds the middle of the quietest 0.3 s from a sample on; the later of two that are alike, so that pieces are long.
 * @returns a number of samples; all of them where there are fewer than 0.3 s
 */
export function findQuietest(samples: Int16Array, from: number): number {
  const energies = frameEnergies(samples.subarray(from))
  if (energies.length < WINDOW) return samples.length
  let sum = 0
  let best = { sum: Number.POSITIVE_INFINITY, frame: 0 }
  for (const [frame, energy] of energies.entries()) {
    sum += energy - (frame >= WINDOW ? (energies[frame - WINDOW] ?? 0) : 0)
    // Rounding leaves sums of silence slightly above or below 0.
    if (frame >= WINDOW - 1 && sum <= best.sum * 1.05 + 1) best = { sum: Math.max(0, sum), frame }
  }
  return from + (best.frame + 1 - Math.floor(WINDOW / 2)) * FRAME
}

/** Mean square of each frame of 20 ms; an incomplete one at the end is left out. */
export function frameEnergies(samples: Int16Array): Float64Array {
  return Float64Array.from({ length: Math.floor(samples.length / FRAME) }, (_, frame) => {
    let sum = 0
    for (const value of samples.subarray(frame * FRAME, (frame + 1) * FRAME)) sum += value * value
    return sum / FRAME
  })
}
