/**
 * Writes a file that is longer than one run of its job may be: a piece a run, which the last run puts together. Where runs are not bounded,
 * the first piece is the file.
 */
import { MillraceError } from '../errors.ts'
import { streamOf, transcode } from '../formats/streams.ts'
import type { RunContext } from '../operation.ts'
import type { BlobInfo, BlobStore } from '../ports.ts'
import { newUploadKey } from './uploads.ts'

/** Text of a file, for as long as a run may write it. */
export interface ArtifactWriter {
  /** Made once; memory does not grow with the text. */
  bytes(): AsyncGenerator<Uint8Array<ArrayBuffer>>
  /** True once the text is at its end, rather than at the end of what one run may write. */
  readonly ended: boolean
  /** JSON checkpoint from which the next run continues; final once `bytes` has ended. */
  readonly state: Readonly<Record<string, unknown>>
}

/** A file that was written. */
export interface StoredArtifact {
  readonly key: string
  readonly info: BlobInfo
}

/**
 * Writes what this run may write, and keeps `{ ...writer.state, pieces }` as the job's checkpoint where that is not all.
 * @param pieces keys of what earlier runs wrote, from the checkpoint
 * @param gzip packs the file; each piece for itself
 * @returns the file; `continue` where a fresh run has to go on, from the beginning if a piece was swept meanwhile
 */
export async function writeInRuns(
  ctx: Pick<RunContext, 'blobs' | 'checkpoint'>,
  writer: ArtifactWriter,
  pieces: readonly string[],
  gzip = false,
): Promise<StoredArtifact | 'continue'> {
  const key = newUploadKey()
  const info = await ctx.blobs.put(key, packed(writer.bytes(), gzip))
  if (!writer.ended) {
    await ctx.checkpoint({ ...writer.state, pieces: [...pieces, key] })
    return 'continue'
  }
  if (pieces.length === 0) return { key, info }
  const whole = await join(ctx.blobs, [...pieces, key], gzip)
  if (whole !== null) return whole
  await ctx.checkpoint(null)
  return 'continue'
}

const packed = (text: AsyncGenerator<Uint8Array<ArrayBuffer>>, gzip: boolean) =>
  streamOf(gzip ? transcode(text, new CompressionStream('gzip')) : text)

/** Puts the pieces together under a key of their own; null when one of them is gone. */
async function join(blobs: BlobStore, pieces: readonly string[], gzip: boolean): Promise<StoredArtifact | null> {
  for (const piece of pieces) {
    const nothing = await blobs.get(piece, { offset: 0, length: 0 })
    if (nothing === null) return null
    await nothing.cancel()
  }
  const key = newUploadKey()
  const info = await blobs.put(key, packed(bytesOf(blobs, pieces, gzip), gzip))
  await blobs.delete(pieces)
  return { key, info }
}

async function* bytesOf(
  blobs: BlobStore,
  pieces: readonly string[],
  gzip: boolean,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (const piece of pieces) {
    const stored = new Response(await blobs.get(piece)).body
    if (stored === null) throw new MillraceError('SERVICE_UNAVAILABLE', 'A part of this export is gone.')
    yield* gzip ? transcode(stored, new DecompressionStream('gzip')) : stored
  }
}
