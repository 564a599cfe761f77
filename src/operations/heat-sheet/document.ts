/** Getting at a document's bytes: uploaded ones lie in the blob store, linked ones are fetched into it first. */
import { uuidv7 } from 'uuidv7'
import { z } from 'zod'
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

/** A document at hand. */
export interface OpenedDocument {
  readonly md5: string
  bytes(): Promise<Uint8Array<ArrayBuffer>>
  /** Deletes what was fetched only for this run. */
  release(): Promise<void>
}

/**
 * Opens the document of a job.
 * @throws MillraceError as the Fetcher does for a link
 */
export async function openDocument(job: Attempt, ctx: RunContext): Promise<OpenedDocument> {
  const input = DocumentInput.parse(job.input)
  if (input.kind === 'upload') {
    return { md5: input.md5, bytes: () => readBlob(ctx, input.key), release: async () => {} }
  }
  ctx.progress(2, 'Downloading', 'downloading')
  // Of this run alone: a run that lost its lease may still be reading its own. Under `uploads/`, where what no row names is swept.
  const key = `uploads/${uuidv7()}.fetched`
  const release = () => ctx.blobs.delete([key])
  try {
    const { body } = await ctx.fetcher.fetch(input.url, {
      maxBytes: MAX_BYTES,
      timeoutMs: DOWNLOAD_MS,
      signal: ctx.signal,
    })
    const { md5 } = await ctx.blobs.put(key, body)
    return { md5, bytes: () => readBlob(ctx, key), release }
  } catch (error) {
    await release()
    throw error
  }
}

async function readBlob(ctx: RunContext, key: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = await ctx.blobs.get(key)
  if (stream === null)
    throw new MillraceError('NOT_FOUND', 'The uploaded document is no longer there. Upload it again.')
  return new Uint8Array(await new Response(stream).arrayBuffer())
}
