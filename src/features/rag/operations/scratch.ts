/** Stores temporary files of a job for its next run in the blob store: under the prefix of uploads, where files without a row are swept. */
import * as z from 'zod'
import { newUploadKey } from '../../../engine/uploads.ts'
import type { BlobStore } from '../../../ports.ts'
import type { Chunk, Segment } from '../types.ts'

const Range = z.object({ start: z.int(), end: z.int() })

const Where = {
  page: z.exactOptional(z.int()),
  startSeconds: z.exactOptional(z.number()),
  endSeconds: z.exactOptional(z.number()),
  heading: z.exactOptional(z.string()),
}

const StoredChunk = Range.extend({
  ...Where,
  index: z.int(),
  text: z.string(),
  tokens: z.int(),
  runs: z.array(Range.extend(Where)),
})

/** Chunks as returned by a task, and as stored. */
export const ChunkList = z.array(StoredChunk)

/** Segments as returned by a task, and as stored. */
export const SegmentList = z.array(z.object({ start: z.number(), end: z.number(), text: z.string() }))

/** Content of a document that was read and split. */
const Content = z.object({ chunks: ChunkList, segments: SegmentList })

/** Stores bytes under a new key. */
async function keep(blobs: BlobStore, bytes: Uint8Array): Promise<string> {
  const key = newUploadKey('.part')
  await blobs.put(key, bytes)
  return key
}

async function read(blobs: BlobStore, key: string): Promise<ArrayBuffer | null> {
  const stream = await blobs.get(key)
  return stream === null ? null : new Response(stream).arrayBuffer()
}

/** Stores the content of a document. @returns its key */
export function keepContent(
  blobs: BlobStore,
  content: { readonly chunks: readonly Chunk[]; readonly segments: readonly Segment[] },
): Promise<string> {
  return keep(blobs, new TextEncoder().encode(JSON.stringify(content)))
}

/** Reads stored content; null when it is gone, or in the format of an earlier release. */
export async function readContent(blobs: BlobStore, key: string): Promise<z.infer<typeof Content> | null> {
  const bytes = await read(blobs, key)
  return bytes === null ? null : (Content.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data ?? null)
}

/** Stores the segments of a part of a recording. @returns their key */
export function keepSegments(blobs: BlobStore, segments: readonly Segment[]): Promise<string> {
  return keep(blobs, new TextEncoder().encode(JSON.stringify(segments)))
}

/** Reads stored segments; null when they are gone. */
export async function readSegments(blobs: BlobStore, key: string): Promise<readonly Segment[] | null> {
  const bytes = await read(blobs, key)
  return bytes === null ? null : (SegmentList.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data ?? null)
}

/** Stores vectors, concatenated; NaN stands for one that is not there. @returns their key */
export function keepVectors(
  blobs: BlobStore,
  vectors: readonly (Float32Array | null)[],
  dimensions: number,
): Promise<string> {
  const all = new Float32Array(vectors.length * dimensions)
  for (const [index, vector] of vectors.entries()) {
    if (vector === null) all.fill(Number.NaN, index * dimensions, (index + 1) * dimensions)
    else all.set(vector, index * dimensions)
  }
  return keep(blobs, new Uint8Array(all.buffer))
}

/** Reads stored vectors; null when they are gone. */
export async function readVectors(
  blobs: BlobStore,
  key: string,
  dimensions: number,
): Promise<readonly (Float32Array | null)[] | null> {
  const bytes = await read(blobs, key)
  if (bytes === null) return null
  const all = new Float32Array(bytes)
  return Array.from({ length: all.length / dimensions }, (_, index) => {
    const vector = all.subarray(index * dimensions, (index + 1) * dimensions)
    return Number.isNaN(vector[0]) ? null : vector
  })
}
