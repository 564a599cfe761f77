/** Getting at a document's bytes: uploaded ones lie in the blob store, linked ones are fetched into it first. */
import { uuidv7 } from 'uuidv7'
import * as z from 'zod'
import { MillraceError } from '../../errors.ts'
import type { Attempt, RunContext } from '../../ports.ts'

/** Largest document, in bytes. */
const MAX_BYTES = 50 * 1024 * 1024
const DOWNLOAD_MS = 30_000

/** A document as a job names it. */
export const DocumentInput = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('upload'), key: z.string(), filename: z.string(), md5: z.string() }),
  z.object({ kind: z.literal('url'), url: z.string() }),
])
export type DocumentInput = z.infer<typeof DocumentInput>

/** Blob that a linked document was fetched to. */
export interface Fetched {
  readonly key: string
  readonly md5: string
}

/** A document at hand. */
export interface OpenedDocument {
  readonly md5: string
  /** Null for one that was uploaded. */
  readonly fetched: Fetched | null
  bytes(): Promise<Uint8Array<ArrayBuffer>>
}

/**
 * Opens the document of a job.
 * @param kept what an earlier run of it fetched; it is fetched again only where that is gone
 * @throws MillraceError as the Fetcher does for a link
 */
export async function openDocument(job: Attempt, ctx: RunContext, kept: Fetched | null): Promise<OpenedDocument> {
  const input = DocumentInput.parse(job.input)
  if (input.kind === 'upload') return { md5: input.md5, fetched: null, bytes: () => readDocument(ctx, input.key) }
  const nothing = kept === null ? null : await ctx.blobs.get(kept.key, { offset: 0, length: 0 })
  await nothing?.cancel()
  const fetched = kept !== null && nothing !== null ? kept : await fetchDocument(ctx, input.url)
  return { md5: fetched.md5, fetched, bytes: () => readDocument(ctx, fetched.key) }
}

async function fetchDocument(ctx: RunContext, url: string): Promise<Fetched> {
  ctx.progress(2, 'Downloading', 'downloading')
  // A key of its own: a run that lost its lease may still be reading what it fetched. Under `uploads/`, where what no row names is swept.
  const key = `uploads/${uuidv7()}.fetched`
  const { body } = await ctx.fetcher.fetch(url, { maxBytes: MAX_BYTES, timeoutMs: DOWNLOAD_MS, signal: ctx.signal })
  const { md5 } = await ctx.blobs.put(key, body)
  return { key, md5 }
}

async function readDocument(ctx: RunContext, key: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readBlob(ctx, key)
  if (bytes === null) {
    throw new MillraceError('NOT_FOUND', 'The uploaded document is no longer there. Upload it again.')
  }
  return bytes
}

/** All of a blob; null where there is none. */
export async function readBlob(ctx: RunContext, key: string): Promise<Uint8Array<ArrayBuffer> | null> {
  const stream = await ctx.blobs.get(key)
  return stream === null ? null : new Uint8Array(await new Response(stream).arrayBuffer())
}
