/** Chunks as a type of resource that batch reads look up. */
import type { Chunks } from '../../chunk-source.ts'
import type { ReadableResource } from '../../rows/readable-resource.ts'
import { findChunks } from './chunks.ts'

/** Makes the resource `chunks`. */
export function readableChunks(chunks: Chunks): ReadableResource {
  return {
    name: 'chunks',
    noun: 'Chunk',
    scope: 'chunks:read',
    find: async (owner, ids, signal) => {
      const answers = await findChunks(chunks, owner, ids, signal)
      return new Map([...answers].map(([id, answer]) => [id, 'chunk' in answer ? { data: answer.chunk } : answer]))
    },
  }
}
