/** Opens the document that a job names: stored ones are in the blob store, linked ones are fetched into it first. */
import * as z from 'zod'
import { newUploadKey } from '../../engine/uploads.ts'
import { download } from '../../engine/worker/download.ts'
import { MillraceError } from '../../errors.ts'
import type { RunContext } from '../../operation.ts'
import type { BlobStore } from '../../ports.ts'
import { fetchItem, ItemSource } from './channels/fetch-item.ts'
import { MAX_DOCUMENT_BYTES } from './schemas.ts'
import { isNamedAsRecording, MAX_RECORDING_BYTES } from './transcript/transcribe.ts'

const DOWNLOAD_MS = 60_000
/** Of a recording, which may be larger: most of what a run may take. */
const RECORDING_DOWNLOAD_MS = 240_000
/** Bytes that a document is recognised by. */
const HEAD_BYTES = 1_024

/** Input of a job. `sourceKey` names the document within its collection: a later one of the same name replaces it. */
export const DocumentSource = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('stored'),
    id: z.string(),
    sourceKey: z.string(),
    filename: z.string(),
    contentType: z.string(),
    key: z.string(),
    /** Offset of its bytes in the blob. */
    offset: z.int(),
    length: z.int(),
    /** Of its bytes; absent where they share a blob with others. */
    sha256: z.string().optional(),
  }),
  z.object({ kind: z.literal('url'), id: z.string(), sourceKey: z.string(), url: z.string() }),
  ItemSource,
])
export type DocumentSource = z.infer<typeof DocumentSource>

/** Location of a document's bytes in the blob store. */
export const StoredBytes = z.object({
  key: z.string(),
  offset: z.int(),
  length: z.int(),
  filename: z.string(),
  contentType: z.string(),
  /** URL of a linked document. */
  url: z.string().nullable(),
  /** Of its bytes; absent where it is not known. */
  sha256: z.string().optional(),
  /** Title and language that are known of an item of a channel; null where the document itself is to say. */
  title: z.string().nullable().default(null),
  language: z.string().nullable().default(null),
})
export type StoredBytes = z.infer<typeof StoredBytes>

/** Facts of documents that are no items of channels. */
const UNKNOWN = { title: null, language: null }

/**
 * Locates a document's bytes; fetches a linked one.
 * @param report receives the progress, see {@link download}
 * @throws MillraceError as the Fetcher does
 */
export async function locateBytes(
  ctx: RunContext,
  source: DocumentSource,
  owner: string,
  report: (message: string, share: number) => void,
): Promise<StoredBytes> {
  if (source.kind === 'stored') {
    const { key, offset, length, filename, contentType, sha256 } = source
    return { key, offset, length, filename, contentType, url: null, sha256, ...UNKNOWN }
  }
  if (source.kind === 'item') {
    const { size, ...fetched } = await fetchItem(ctx, source, owner, report)
    return { ...fetched, offset: 0, length: size, url: source.url }
  }
  // A key a run, because one that lost its lease may still read its file. Under `uploads/`, where files without a row are swept.
  const key = newUploadKey('.fetched')
  const { url } = source
  const isRecording = ctx.speech.decoder !== null && isNamedAsRecording({ filename: new URL(url).pathname })
  const limits = isRecording
    ? { maxBytes: MAX_RECORDING_BYTES, timeoutMs: RECORDING_DOWNLOAD_MS }
    : { maxBytes: MAX_DOCUMENT_BYTES, timeoutMs: DOWNLOAD_MS }
  const fetched = await download(ctx, { url, key, ...limits }, report)
  const { size, contentType, sha256 } = fetched
  return { key, offset: 0, length: size, filename: fetched.filename ?? url, contentType, url, sha256, ...UNKNOWN }
}

/** Reads the first bytes of a document, by which its type is detected. @throws MillraceError NOT_FOUND when they were deleted */
export function readHead(blobs: BlobStore, located: StoredBytes): Promise<Uint8Array<ArrayBuffer>> {
  return readBytes(blobs, { ...located, length: Math.min(located.length, HEAD_BYTES) })
}

/**
 * Reads a document's bytes.
 * @throws MillraceError NOT_FOUND when they were deleted
 */
export async function readBytes(
  blobs: BlobStore,
  { key, offset, length }: StoredBytes,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = await blobs.get(key, { offset, length })
  if (stream === null) throw new MillraceError('NOT_FOUND', 'The document is no longer there. Send it again.')
  return new Uint8Array(await new Response(stream).arrayBuffer())
}
