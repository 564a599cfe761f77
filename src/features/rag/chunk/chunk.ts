/** Splits documents into chunks of whole sentences, by Intl.Segmenter: the libraries that were tried exceed the limit on Chinese and emoji. */
import type { Block, Chunk, ChunkedDocument } from '../types.ts'
import { type Atom, atomize } from './atoms.ts'
import { headingPath, makeRuns } from './runs.ts'

/** Sizes in tokens of the model. */
export interface ChunkOptions {
  /** Most tokens of a chunk. */
  readonly chunkSize: number
  /** Most tokens of whole sentences that a chunk repeats from the one before it. Less than `chunkSize`. */
  readonly chunkOverlap: number
  countTokens(text: string): number
}

/**
 * Splits a document. Chunks cover its whole text, white space included, and begin and end between sentences, or inside one that exceeds
 * the limit by itself. A heading is in the chunk of the text below it.
 * @example
 * const { text, chunks } = chunkDocument(read.blocks, { chunkSize: 1024, chunkOverlap: 100, countTokens })
 * text.slice(chunks[0].start, chunks[0].end) === chunks[0].text
 */
export function chunkDocument(blocks: readonly Block[], options: ChunkOptions): ChunkedDocument {
  const { text, atoms } = atomize(blocks, options.chunkSize, options.countTokens)
  const chunks: Chunk[] = []
  let first = 0
  let after = 0
  while (after < atoms.length) {
    const end = lastThatFits(text, atoms, first, after, options)
    chunks.push(toChunk(text, atoms.slice(first, end.after), end.tokens, chunks.length))
    after = end.after
    first = overlapStart(text, atoms, first, after, options)
  }
  return { text, chunks }
}

/** Adds atoms from `first` while they fit, at least up to and including the atom `fresh`, which is in no chunk yet. */
function lastThatFits(
  text: string,
  atoms: readonly Atom[],
  first: number,
  fresh: number,
  { chunkSize, countTokens }: ChunkOptions,
): { after: number; tokens: number } {
  let after = first
  let sum = 0
  while (after < atoms.length && (after === first || sum + tokensOf(atoms, after) <= chunkSize))
    sum += tokensOf(atoms, after++)
  // The joined text may have fewer tokens than its parts together.
  after = Math.max(after, fresh + 1)
  const count = () => countTokens(text.slice(atoms[first]?.start, atoms[after - 1]?.end))
  // Or more.
  let tokens = count()
  while (tokens > chunkSize && after > fresh + 1) {
    after--
    tokens = count()
  }
  let kept = after
  while (kept > fresh && after < atoms.length && atoms[kept - 1]?.block.kind === 'heading') kept--
  if (kept > fresh && kept < after) {
    after = kept
    tokens = count()
  }
  return { after, tokens }
}

/** Returns the first of the atoms before `after` that the next chunk repeats; `after` where it repeats none. */
function overlapStart(
  text: string,
  atoms: readonly Atom[],
  first: number,
  after: number,
  { chunkSize, chunkOverlap, countTokens }: ChunkOptions,
): number {
  let start = after
  let sum = 0
  while (start - 1 > first && sum + tokensOf(atoms, start - 1) <= chunkOverlap) sum += tokensOf(atoms, --start)
  // The first new atom has to fit as well.
  while (start < after && countTokens(text.slice(atoms[start]?.start, atoms[after]?.end)) > chunkSize) start++
  return start
}

const tokensOf = (atoms: readonly Atom[], index: number) => atoms[index]?.tokens ?? 0

function toChunk(text: string, atoms: readonly Atom[], tokens: number, index: number): Chunk {
  const start = atoms[0]?.start ?? 0
  const end = atoms.at(-1)?.end ?? start
  const [first] = atoms
  const heading = first === undefined ? undefined : headingPath(first)
  const page = first?.block.page
  const startSeconds = first?.block.startSeconds
  const endSeconds = atoms.at(-1)?.block.endSeconds
  return {
    index,
    text: text.slice(start, end),
    start,
    end,
    tokens,
    ...(page === undefined ? {} : { page }),
    ...(heading === undefined ? {} : { heading }),
    ...(startSeconds === undefined ? {} : { startSeconds }),
    ...(endSeconds === undefined ? {} : { endSeconds }),
    runs: makeRuns(text, atoms),
  }
}
