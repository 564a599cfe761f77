/** Opens a document: uploaded ones are in the blob store, linked ones are fetched into it first. */
import * as z from 'zod'
import { newUploadKey } from '../../engine/uploads.ts'
import { download } from '../../engine/worker/download.ts'
import { MillraceError } from '../../errors.ts'
import type { Attempt, RunContext } from '../../operation.ts'

/** Largest document, in bytes. */
const MAX_BYTES = 50 * 1024 * 1024
const DOWNLOAD_MS = 30_000
/** Percent done when a download begins and when it has ended. */
const PERCENT = { begun: 2, fetched: 10 }

/** A document as a job names it. */
export const DocumentInput = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('upload'), key: z.string(), filename: z.string(), md5: z.string() }),
  /** `label`: text of the link on a page; the label of its job. */
  z.object({ kind: z.literal('url'), url: z.string(), label: z.string().optional() }),
])
export type DocumentInput = z.infer<typeof DocumentInput>

/** Blob of a fetched document. */
export const FetchedDocument = z.object({
  key: z.string(),
  md5: z.string(),
  /** File name in the answer's headers; absent where there is none. */
  filename: z.string().optional(),
})
export type FetchedDocument = z.infer<typeof FetchedDocument>

/** An open document. */
export interface OpenedDocument {
  readonly md5: string
  /** Null for one that was uploaded. */
  readonly fetched: FetchedDocument | null
  bytes(): Promise<Uint8Array<ArrayBuffer>>
}

/**
 * Opens the document of a job.
 * @param kept the blob that an earlier run fetched; the document is refetched only where that was deleted
 * @throws MillraceError as the Fetcher does for a link
 */
export async function openDocument(
  job: Attempt,
  ctx: RunContext,
  kept: FetchedDocument | null,
): Promise<OpenedDocument> {
  const input = DocumentInput.parse(job.input)
  if (input.kind === 'upload') return { md5: input.md5, fetched: null, bytes: () => readDocument(ctx, input.key) }
  const nothing = kept === null ? null : await ctx.blobs.get(kept.key, { offset: 0, length: 0 })
  await nothing?.cancel()
  const fetched = kept !== null && nothing !== null ? kept : await fetchDocument(ctx, input)
  if (fetched.filename !== undefined && input.label === undefined) ctx.rename(fetched.filename)
  return { md5: fetched.md5, fetched, bytes: () => readDocument(ctx, fetched.key) }
}

async function fetchDocument(
  ctx: RunContext,
  { url, label }: { readonly url: string; readonly label?: string | undefined },
): Promise<FetchedDocument> {
  // A key a run, because one that lost its lease may still read its file. Under `uploads/`, where files without a row are swept.
  const key = newUploadKey('.fetched')
  const { md5, filename } = await download(
    ctx,
    { url, key, maxBytes: MAX_BYTES, timeoutMs: DOWNLOAD_MS, isNamed: label !== undefined },
    (message, share) => ctx.progress(PERCENT.begun + (PERCENT.fetched - PERCENT.begun) * share, message, 'downloading'),
  )
  return filename === null ? { key, md5 } : { key, md5, filename }
}

async function readDocument(ctx: RunContext, key: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readBlob(ctx, key)
  if (bytes === null) {
    throw new MillraceError('NOT_FOUND', 'The uploaded document is no longer there. Upload it again.')
  }
  return bytes
}

/** Reads a whole blob; null where there is none. */
export async function readBlob(ctx: RunContext, key: string): Promise<Uint8Array<ArrayBuffer> | null> {
  const stream = await ctx.blobs.get(key)
  return stream === null ? null : new Uint8Array(await new Response(stream).arrayBuffer())
}
