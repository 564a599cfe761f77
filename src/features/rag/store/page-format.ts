/**
 * Binary format of pages: vectors quantized to a byte a number, with the chunk and the run of each. A page of n vectors is n scales (32-bit
 * floats), n indexes of chunks (32 bits), n indexes of runs (16 bits), then the bytes; all little-endian, as all supported machines are.
 */

/** Most vectors of a page: 260 KB at 512 numbers each. */
export const MAX_PAGE_VECTORS = 512

/** A page in memory. Vector `i` is `data[i * dimensions …]`, times `scales[i]`. */
export interface VectorPage {
  readonly count: number
  readonly scales: Float32Array
  readonly chunks: Uint32Array
  readonly runs: Uint16Array
  readonly data: Int8Array
}

/** A vector with its chunk and run in the document. */
export interface IndexedVector {
  readonly chunk: number
  readonly run: number
  readonly vector: Float32Array
}

/** Quantizes a vector to integers from -127 to 127. @returns its scale */
export function quantize(vector: Float32Array, into: Int8Array, offset: number): number {
  let largest = 0
  for (const value of vector) largest = Math.max(largest, Math.abs(value))
  if (largest === 0) return 0
  const factor = 127 / largest
  for (let at = 0; at < vector.length; at++) into[offset + at] = Math.round((vector[at] as number) * factor)
  return largest / 127
}

export function encodePage(vectors: readonly IndexedVector[], dimensions: number): Uint8Array {
  const count = vectors.length
  const bytes = new Uint8Array(count * (10 + dimensions))
  const { scales, chunks, runs, data } = decodePage(bytes, count)
  for (const [index, { chunk, run, vector }] of vectors.entries()) {
    scales[index] = quantize(vector, data, index * dimensions)
    chunks[index] = chunk
    runs[index] = run
  }
  return bytes
}

/** Decodes a page as views of its bytes, without a copy. */
export function decodePage({ buffer, byteOffset, byteLength }: Uint8Array, count: number): VectorPage {
  const at = (bytes: number) => byteOffset + bytes * count
  return {
    count,
    scales: new Float32Array(buffer, at(0), count),
    chunks: new Uint32Array(buffer, at(4), count),
    runs: new Uint16Array(buffer, at(8), count),
    data: new Int8Array(buffer, at(10), byteLength - 10 * count),
  }
}
