/** References of chunks: `r_`, the document's id, and the index of the chunk. */

const REFERENCE = /^r_([\w.:-]{1,128})_(\d{1,9})$/

/** Makes the reference by which `/api/chunks/bulk` finds a chunk. */
export const chunkReference = (documentId: string, index: number): string => `r_${documentId}_${index}`

/** Parses a reference; null where it is none. */
export function parseReference(reference: string): { readonly documentId: string; readonly index: number } | null {
  const match = REFERENCE.exec(reference)
  return match === null ? null : { documentId: match[1] ?? '', index: Number(match[2]) }
}
