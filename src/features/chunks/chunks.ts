/** Chunks by reference: what a reference means, and where its chunk comes from. One bad reference never touches another. */

import type { ChunkError, ChunkFound, ChunkPrefixes, ChunkSource, Chunks } from '../../chunk-source.ts'
import type { Row } from '../../rows/owned-rows.ts'
import type { BulkChunks } from './schemas.ts'

/** The prefixes there are without configuration. */
export const CHUNK_PREFIXES: ChunkPrefixes = new Map([
  ['k_', 'expert_interview'],
  ['e_', 'earnings_call'],
])

/** Answer to one reference: its chunk, or an error. */
export type ChunkAnswer = { readonly chunk: Row & { readonly id: string; readonly source_type: string } } | ChunkError

/** The kind of source a reference is from, by the longest prefix that fits; null when none does. */
export function sourceTypeOf(prefixes: ChunkPrefixes, reference: string): string | null {
  let longest = ''
  for (const prefix of prefixes.keys()) {
    if (reference.startsWith(prefix) && prefix.length > longest.length) longest = prefix
  }
  return prefixes.get(longest) ?? null
}

/** The source of chunks that this server makes by itself, where a reference is to one of them. */
export function derivedSource({ derived }: Chunks, reference: string): ChunkSource | undefined {
  for (const [prefix, source] of derived ?? []) if (reference.startsWith(prefix)) return source
  return undefined
}

/** Returns the key of an error: `String()` of the reference, or its kind where it has none (`[[[…]]]` without end). */
function keyOf(reference: unknown): string {
  try {
    return String(reference)
  } catch {
    return Object.prototype.toString.call(reference)
  }
}

const BAD_FORMAT: ChunkError = { error: 'Invalid chunk ID format', status: 400 }
const ABSENT: ChunkError = { error: 'Chunk not found', status: 404 }

/** Looks references up, each once, and hands every one of them to `take` with its answer. */
async function eachChunk(
  from: Chunks,
  asked: { owner: string; ids: Iterable<string>; signal: AbortSignal },
  take: (id: string, answer: ChunkAnswer) => void,
): Promise<void> {
  const types = new Map<string, string | null>()
  for (const id of asked.ids) {
    if (!types.has(id)) types.set(id, sourceTypeOf(from.prefixes, id))
  }
  const known = [...types].filter(([, type]) => type !== null).map(([id]) => id)
  const bySource = new Map<ChunkSource, string[]>()
  for (const id of known) {
    const source = derivedSource(from, id) ?? from.source
    const ids = bySource.get(source)
    if (ids === undefined) bySource.set(source, [id])
    else ids.push(id)
  }
  const found = new Map<string, ChunkFound>()
  for (const [source, ids] of bySource) {
    for (const one of await source.find(asked.owner, ids, asked.signal)) found.set(...one)
  }
  for (const [id, type] of types) {
    const answer = found.get(id)
    if (type === null) take(id, BAD_FORMAT)
    else if (answer === undefined) take(id, ABSENT)
    else take(id, 'chunk' in answer ? { chunk: { id, ...answer.chunk, source_type: type } } : answer)
  }
}

/** Looks references up; every one of them is in the answer. */
export async function findChunks(
  chunks: Chunks,
  owner: string,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, ChunkAnswer>> {
  const answers = new Map<string, ChunkAnswer>()
  await eachChunk(chunks, { owner, ids, signal }, (id, answer) => answers.set(id, answer))
  return answers
}

/** Answers a bulk request. References may be anything that JSON can hold. */
export async function bulkChunks(
  from: Chunks,
  owner: string,
  references: readonly unknown[],
  signal: AbortSignal,
): Promise<BulkChunks> {
  // Without a prototype, so that `__proto__` is a key like any other.
  const chunks: BulkChunks['chunks'] = Object.create(null)
  const errors: BulkChunks['errors'] = Object.create(null)
  for (const reference of references) {
    if (typeof reference !== 'string') errors[keyOf(reference)] = BAD_FORMAT.error
  }
  const ids = references.filter((reference) => typeof reference === 'string')
  await eachChunk(from, { owner, ids, signal }, (id, answer) => {
    if ('error' in answer) errors[id] = answer.error
    else chunks[id] = answer.chunk
  })
  return {
    chunks,
    errors,
    summary: {
      total_requested: references.length,
      successful: Object.keys(chunks).length,
      failed: Object.keys(errors).length,
    },
  }
}
