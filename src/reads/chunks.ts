/** Chunks by reference: what a reference means, and where its chunk comes from. One bad reference never touches another. */
import type { BulkChunks } from '../wire/chunks.ts'
import type { Row } from './rows.ts'

/** Prefixes of references, and the kind of source that each stands for. */
export type ChunkPrefixes = ReadonlyMap<string, string>

/** The prefixes there are without configuration. */
export const CHUNK_PREFIXES: ChunkPrefixes = new Map([
  ['k_', 'expert_interview'],
  ['e_', 'earnings_call'],
])

/** Why a reference has no chunk, with the HTTP status that says so. */
export interface ChunkError {
  readonly error: string
  readonly status: 400 | 404 | 503
}

/** What a source has for a reference. */
export type ChunkFound = { readonly chunk: Row } | ChunkError

/** What a reference is answered with. */
export type ChunkAnswer = { readonly chunk: Row & { readonly id: string; readonly source_type: string } } | ChunkError

/** Where chunks come from. */
export interface ChunkSource {
  /**
   * Looks chunks up. References that do not exist are left out; one that could not be looked up has the reason.
   * @param signal aborts when nobody waits for the answer any more
   */
  find(owner: string, ids: readonly string[], signal: AbortSignal): Promise<Map<string, ChunkFound>>
}

/** The kind of source a reference is from, by the longest prefix that fits; null when none does. */
export function sourceTypeOf(prefixes: ChunkPrefixes, reference: string): string | null {
  let longest = ''
  for (const prefix of prefixes.keys()) {
    if (reference.startsWith(prefix) && prefix.length > longest.length) longest = prefix
  }
  return prefixes.get(longest) ?? null
}

/** What an error is filed under: `String()` of the reference, or its kind where it has none (`[[[…]]]` without end). */
function keyOf(reference: unknown): string {
  try {
    return String(reference)
  } catch {
    return Object.prototype.toString.call(reference)
  }
}

const BAD_FORMAT: ChunkError = { error: 'Invalid chunk ID format', status: 400 }
const ABSENT: ChunkError = { error: 'Chunk not found', status: 404 }

/** Looks references up; every one of them is in the answer. */
export async function findChunks(
  deps: { source: ChunkSource; prefixes: ChunkPrefixes },
  owner: string,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, ChunkAnswer>> {
  const types = new Map<string, string>()
  for (const id of ids) {
    const type = sourceTypeOf(deps.prefixes, id)
    if (type !== null) types.set(id, type)
  }
  const found = await deps.source.find(owner, [...types.keys()], signal)
  const answers = new Map<string, ChunkAnswer>()
  for (const id of new Set(ids)) {
    const type = types.get(id)
    const answer = found.get(id)
    if (type === undefined) answers.set(id, BAD_FORMAT)
    else if (answer === undefined) answers.set(id, ABSENT)
    else answers.set(id, 'chunk' in answer ? { chunk: { id, ...answer.chunk, source_type: type } } : answer)
  }
  return answers
}

/** Answers a bulk request. References may be anything that JSON can hold. */
export async function bulkChunks(
  deps: { source: ChunkSource; prefixes: ChunkPrefixes },
  owner: string,
  references: readonly unknown[],
  signal: AbortSignal,
): Promise<BulkChunks> {
  const ids = references.filter((reference) => typeof reference === 'string')
  const answers = await findChunks(deps, owner, ids, signal)
  const chunks = new Map<string, Row & { id: string; source_type: string }>()
  const errors = new Map<string, string>()
  for (const reference of references) {
    if (typeof reference !== 'string') errors.set(keyOf(reference), BAD_FORMAT.error)
  }
  for (const [id, answer] of answers) {
    if ('error' in answer) errors.set(id, answer.error)
    else chunks.set(id, answer.chunk)
  }
  return {
    // fromEntries defines keys, so that `__proto__` is one like any other.
    chunks: Object.fromEntries(chunks),
    errors: Object.fromEntries(errors),
    summary: { total_requested: references.length, successful: chunks.size, failed: errors.size },
  }
}
