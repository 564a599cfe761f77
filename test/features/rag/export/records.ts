/** Records of exports for tests and benchmarks. */
import type { VectorRecord } from '../../../../src/features/rag/export/records.ts'

/** Makes a record; a vector without numbers is one that the model refused. */
export function recordOf(index: number, dimensions: number): VectorRecord {
  const vector = new Float32Array(dimensions)
  // Numbers that hardly ever come twice, as those of a model.
  for (let at = 0; at < dimensions; at++) {
    vector[at] = ((Math.sin(index * 12.9898 + at * 78.233) * 43758.5453) % 1) / Math.sqrt(dimensions)
  }
  return {
    id: `r_document-${index % 7}_${index}`,
    vector,
    metadata: {
      item_id: `item-${index % 7}`,
      platform: 'documents',
      document_id: `document-${index % 7}`,
      title: `Title ${index % 7} – "quoted",\tand tabbed`,
      ...(index % 3 === 0 ? {} : { url: `https://example.org/${index}` }),
      chunk_index: index,
      text: `Passage ${index}: back\\slash,\nline feed, 漢字 and 👍🏽.`,
      token_count: 20 + (index % 5),
      ...(index % 2 === 0 ? { page: index, heading: `Heading ${index}` } : {}),
      ...(index % 5 === 0 ? { start_seconds: index + 0.25, end_seconds: index + 1.5 } : {}),
      model: 'jina-v4',
      dimensions,
    },
  }
}

/** Makes records, of which every tenth has no vector. */
export const recordsOf = (count: number, dimensions: number): VectorRecord[] =>
  Array.from({ length: count }, (_, index) => {
    const record = recordOf(index, dimensions)
    return index % 10 === 9 ? { ...record, vector: new Float32Array(0) } : record
  })
