/**
 * Centres vectors: subtracts part of the mean of their kind and normalizes them. Vectors of a text encoder cluster around a mean, so that
 * some passages are near to every question ("all but the top", Mu and Viswanath 2018, arXiv:1702.01417). Questions and passages have
 * separate means, whose difference says nothing of their topic.
 */

/** Share of the mean that is subtracted. */
const SHARE = 0.6

/** Centres a vector in place. */
export function centre(vector: Float32Array, mean: Float32Array): void {
  let square = 0
  for (let at = 0; at < vector.length; at++) {
    const value = (vector[at] as number) - SHARE * (mean[at] as number)
    vector[at] = value
    square += value * value
  }
  if (square === 0) return
  const factor = 1 / Math.sqrt(square)
  for (let at = 0; at < vector.length; at++) vector[at] = (vector[at] as number) * factor
}

/** Computes the mean of vectors, normalized to length 1. */
export function normalisedMean(vectors: readonly Float32Array[], dimensions: number): Float32Array {
  const mean = new Float32Array(dimensions)
  for (const vector of vectors) {
    for (let at = 0; at < dimensions; at++) mean[at] = (mean[at] as number) + (vector[at] as number)
  }
  let square = 0
  for (const value of mean) square += value * value
  const length = Math.sqrt(square)
  return length === 0 ? mean : mean.map((value) => value / length)
}
