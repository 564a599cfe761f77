/** Scans all vectors of a collection in time slices, yielding the event loop between them. */
import type { DocumentPage } from '../store/page-cache.ts'
import { MAX_PAGE_VECTORS, quantize } from '../store/page-format.ts'

/** Time slice of a scan, in milliseconds; the clock is checked after each page, which takes half a millisecond. */
const SLICE_MS = 2
/** Makes the key of a chunk in maps. */
export const chunkKey = ({ documentId, chunk }: { readonly documentId: string; readonly chunk: number }): string =>
  `${documentId} ${chunk}`

/** A run found by a scan, with its score by quantized vectors. */
export interface FoundRun {
  readonly documentId: string
  readonly chunk: number
  readonly run: number
  readonly score: number
}

/** Keeps the best `size` runs, the best first. */
class Best {
  readonly #size: number
  readonly #found: FoundRun[] = []

  constructor(size: number) {
    this.#size = size
  }

  /** Score that a further run has to exceed. */
  get least(): number {
    return this.#found.length < this.#size
      ? Number.NEGATIVE_INFINITY
      : (this.#found.at(-1)?.score ?? Number.NEGATIVE_INFINITY)
  }

  /** Inserts a run. Linear, because sizes are some hundred, and few of all vectors get here. */
  add(found: FoundRun): void {
    let at = this.#found.length
    while (at > 0 && (this.#found[at - 1]?.score ?? 0) < found.score) at--
    this.#found.splice(at, 0, found)
    if (this.#found.length > this.#size) this.#found.pop()
  }

  all(): readonly FoundRun[] {
    return this.#found
  }
}

/** Options of a scan. */
export interface ScanOptions {
  /** Number of runs to find. */
  readonly size: number
  /** Documents to scan; absent: all. */
  readonly documents?: ReadonlySet<string> | undefined
  /** Chunks whose best run is returned in any case, by document. */
  readonly wanted: ReadonlyMap<string, ReadonlySet<number>>
  /** Yields the event loop. */
  yield(): Promise<void>
}

/** Finds the runs that are nearest to a query, and the best of each wanted chunk. */
export async function scan(
  pages: AsyncIterable<readonly DocumentPage[]>,
  query: Float32Array,
  { size, documents, wanted, yield: yieldLoop }: ScanOptions,
): Promise<readonly FoundRun[]> {
  const rounded = new Int8Array(query.length)
  const factor = quantize(query, rounded, 0)
  const whole = Float64Array.from(rounded)
  const scores = new Float32Array(MAX_PAGE_VECTORS)
  const best = new Best(size)
  const asked = new Map<string, FoundRun>()
  // Several searches may have begun in this iteration of the event loop.
  await yieldLoop()
  let began = performance.now()
  for await (const group of pages) {
    for (const page of group) {
      if (documents !== undefined && !documents.has(page.documentId)) continue
      score(page, whole, factor, scores)
      collect(page, scores, best)
      const chunks = wanted.get(page.documentId)
      if (chunks !== undefined) collectWanted(page, scores, chunks, asked)
      if (performance.now() - began > SLICE_MS) {
        await yieldLoop()
        began = performance.now()
      }
    }
  }
  return [...best.all(), ...asked.values()]
}

/**
 * Computes dot products of integers, times both scales. Four sums at a time, with the query as 64-bit floats, which represent the sums
 * exactly, take a third of the time of integer arithmetic.
 */
function score({ count, data, scales }: DocumentPage, query: Float64Array, factor: number, into: Float32Array): void {
  const { length } = query
  const inFours = length - (length % 4)
  for (let index = 0, offset = 0; index < count; index++, offset += length) {
    let a = 0
    let b = 0
    let c = 0
    let d = 0
    for (let at = 0; at < inFours; at += 4) {
      a += (query[at] as number) * (data[offset + at] as number)
      b += (query[at + 1] as number) * (data[offset + at + 1] as number)
      c += (query[at + 2] as number) * (data[offset + at + 2] as number)
      d += (query[at + 3] as number) * (data[offset + at + 3] as number)
    }
    for (let at = inFours; at < length; at++) a += (query[at] as number) * (data[offset + at] as number)
    into[index] = (a + b + c + d) * (scales[index] as number) * factor
  }
}

function collect(page: DocumentPage, scores: Float32Array, best: Best): void {
  let { least } = best
  for (let index = 0; index < page.count; index++) {
    const score = scores[index] as number
    if (score <= least) continue
    best.add(runAt(page, index, score))
    least = best.least
  }
}

function collectWanted(
  page: DocumentPage,
  scores: Float32Array,
  chunks: ReadonlySet<number>,
  asked: Map<string, FoundRun>,
): void {
  for (let index = 0; index < page.count; index++) {
    const chunk = page.chunks[index] as number
    if (!chunks.has(chunk)) continue
    const key = chunkKey({ documentId: page.documentId, chunk })
    const score = scores[index] as number
    if (score > (asked.get(key)?.score ?? Number.NEGATIVE_INFINITY)) asked.set(key, runAt(page, index, score))
  }
}

const runAt = ({ documentId, chunks, runs }: DocumentPage, index: number, score: number): FoundRun => ({
  documentId,
  chunk: chunks[index] ?? 0,
  run: runs[index] ?? 0,
  score,
})
