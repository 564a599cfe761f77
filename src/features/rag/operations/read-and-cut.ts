/** Reads a document and splits it into chunks, both in Compute because its bytes are untrusted. */
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import type { Attempt, RunContext } from '../../../operation.ts'
import type { Chunk, ReadDocument, Segment } from '../types.ts'
import { ChunkList, SegmentList } from './scratch.ts'

const Read = z.object({
  title: z.string(),
  language: z.string().optional(),
  blocks: z.array(z.unknown()),
  segments: SegmentList.default([]),
  warnings: z.array(z.string()),
})
const Page = z.object({ page: z.int(), pages: z.int() })

/** Percent of a job at the begin and the end of reading. */
const READING = { from: 5, to: 18 }

/** A document that was read and split. */
export interface CutDocument {
  readonly title: string
  readonly language: string | null
  readonly warnings: string[]
  readonly chunks: readonly Chunk[]
  /** Segments of captions and recordings; else empty. */
  readonly segments: readonly Segment[]
}

/** Sizes of chunks, in tokens. */
interface CutSettings {
  readonly chunkSize: number
  readonly chunkOverlap: number
}

/**
 * Reads and splits a document.
 * @param document its bytes are transferred and cannot be used afterwards
 * @throws MillraceError as the tasks do; NO_TEXT where there is nothing to embed
 */
export async function readAndCut(
  job: Attempt,
  ctx: RunContext,
  document: { readonly bytes: Uint8Array<ArrayBuffer>; readonly filename: string; readonly contentType: string },
  settings: CutSettings,
): Promise<CutDocument> {
  const { bytes, filename, contentType } = document
  const onProgress = (value: unknown) => {
    const { page, pages } = Page.safeParse(value).data ?? { page: 0, pages: 0 }
    if (pages === 0) return
    const percent = READING.from + ((READING.to - READING.from) * page) / pages
    ctx.progress(percent, `Page ${page} of ${pages}`, 'fetching_content')
  }
  const options = { signal: ctx.signal, owner: job.owner, onProgress }
  const { language, ...read } = Read.parse(await ctx.compute.run('rag.read', { bytes, filename, contentType }, options))
  return cutDocument(job, ctx, language === undefined ? read : { ...read, language }, settings)
}

/**
 * Splits a document that was read.
 * @throws MillraceError as the task does; NO_TEXT where there is nothing to embed
 */
export async function cutDocument(
  job: Attempt,
  ctx: RunContext,
  read: Omit<ReadDocument, 'blocks'> & { readonly blocks: readonly unknown[] },
  { chunkSize, chunkOverlap }: CutSettings,
): Promise<CutDocument> {
  const options = { signal: ctx.signal, owner: job.owner }
  const cut = await ctx.compute.run('rag.chunk', { blocks: read.blocks, chunkSize, chunkOverlap }, options)
  const { chunks } = z.object({ chunks: ChunkList }).parse(cut)
  if (chunks.length === 0) throw new MillraceError('NO_TEXT', 'There is no text in this document.')
  const { title, language = null, warnings, segments = [] } = read
  return { title, language, warnings: [...warnings], chunks, segments }
}
