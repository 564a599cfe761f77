/** Fetches what is said in an item of a channel: its captions, else its recording; an item without either is a page, which is read itself. */
import * as z from 'zod'
import { newUploadKey } from '../../../engine/uploads.ts'
import { download } from '../../../engine/worker/download.ts'
import { invalidRequest, MillraceError } from '../../../errors.ts'
import type { RunContext } from '../../../operation.ts'
import { NO_SPEECH } from '../read/document-type.ts'
import { MAX_DOCUMENT_BYTES } from '../schemas.ts'
import { MAX_RECORDING_BYTES } from '../transcript/transcribe.ts'
import { readHlsCaptions } from './hls-captions.ts'
import { type Description, readDescription } from './info-json.ts'
import { CaptionsLink } from './item.ts'
import { NO_LISTER } from './list-channel.ts'
import { idInUrl, itemKey, type Platform } from './platforms.ts'

/** Input of the job of an item. */
export const ItemSource = z.object({
  kind: z.literal('item'),
  id: z.string(),
  sourceKey: z.string(),
  url: z.string(),
  title: z.string().nullable(),
  captions: z.array(CaptionsLink),
  media: z.string().nullable(),
  described: z.boolean(),
  /** Address of its channel, and what is listed of it there; null for an item that came by itself. */
  channel: z.string().nullable(),
  version: z.string().nullable(),
})
export type ItemSource = z.infer<typeof ItemSource>

/** Makes the item of a recording that a request names by its address on a platform. */
export function itemByUrl(platform: Platform, url: string): ItemSource {
  const id = idInUrl(platform, url) ?? url
  const unknown = { title: null, captions: [], media: null, channel: null, version: null }
  return { kind: 'item', id, sourceKey: itemKey(platform, url, id), url, described: true, ...unknown }
}

/** A fetched file of an item. */
export interface FetchedItem {
  readonly key: string
  readonly size: number
  readonly filename: string
  readonly contentType: string
  readonly title: string | null
  readonly language: string | null
  /** Of its bytes. */
  readonly sha256: string
}

const MAX_CAPTIONS_BYTES = 20 * 1024 * 1024
const CAPTIONS_MS = 60_000
const MEDIA_MS = 240_000
/** Share of the progress at which the item is described. */
const DESCRIBED = 0.3

type Report = (message: string, share: number) => void

/**
 * Fetches an item.
 * @param report receives the progress
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE where it has no captions and this server can't hear it, and as Fetcher and MediaLister do
 */
export async function fetchItem(
  ctx: RunContext,
  item: ItemSource,
  owner: string,
  report: Report,
): Promise<FetchedItem> {
  const { title, captions, media } = item
  if (!item.described) {
    const found = { title, captions: captions[0] === undefined ? null : { ...captions[0], isPlaylist: false }, media }
    return fetchFound(ctx, item, found, report)
  }
  if (ctx.media === null) throw invalidRequest('platform', NO_LISTER)
  report('Reading the page of the recording', 0)
  const described = await ctx.media.describe(item.url, { owner, signal: ctx.signal })
  const found = readDescription(described, item.id)
  if (found.title !== null) ctx.rename(found.title)
  if (found.captions === null && found.media === null) throw unheard()
  return fetchFound(ctx, item, found, (message, share) => report(message, DESCRIBED + (1 - DESCRIBED) * share))
}

const unheard = () =>
  new MillraceError(
    'UNSUPPORTED_MEDIA_TYPE',
    'This recording has no captions that can be read, and no file that can be fetched whole: it may be a live stream, or protected.',
  )

async function fetchFound(
  ctx: RunContext,
  item: ItemSource,
  { title, captions, media }: Description,
  report: Report,
): Promise<FetchedItem> {
  const about = { title: item.title ?? title }
  if (captions?.isPlaylist === true) {
    report('Fetching captions', 0)
    const text = await readHlsCaptions(captions.url, textReader(ctx))
    const key = newUploadKey('.fetched')
    const { size, sha256 } = await ctx.blobs.put(key, new TextEncoder().encode(text))
    return {
      key,
      size,
      sha256,
      filename: 'captions.vtt',
      contentType: 'text/vtt',
      language: captions.language,
      ...about,
    }
  }
  if (captions !== null) {
    const limits = { maxBytes: MAX_CAPTIONS_BYTES, timeoutMs: CAPTIONS_MS }
    return { ...(await fetchFile(ctx, captions.url, limits, report)), language: captions.language, ...about }
  }
  if (media !== null) {
    const { transcriber, decoder } = ctx.speech
    if (transcriber === null) {
      throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', `This recording has no captions. ${NO_SPEECH}.`)
    }
    const limits = { maxBytes: decoder === null ? transcriber.maxBytes : MAX_RECORDING_BYTES, timeoutMs: MEDIA_MS }
    return { ...(await fetchFile(ctx, media, limits, report)), language: null, ...about }
  }
  const limits = { maxBytes: MAX_DOCUMENT_BYTES, timeoutMs: CAPTIONS_MS }
  return { ...(await fetchFile(ctx, item.url, limits, report)), language: null, ...about }
}

async function fetchFile(
  ctx: RunContext,
  url: string,
  limits: { readonly maxBytes: number; readonly timeoutMs: number },
  report: Report,
) {
  const key = newUploadKey('.fetched')
  const { size, sha256, filename, contentType } = await download(ctx, { url, key, ...limits, isNamed: true }, report)
  return { key, size, sha256, filename: filename ?? url, contentType }
}

/** Makes what fetches texts, bounded together. */
function textReader(ctx: RunContext): (url: string) => Promise<string> {
  let left = MAX_CAPTIONS_BYTES
  return async (url) => {
    const options = { maxBytes: Math.max(0, left), timeoutMs: CAPTIONS_MS, signal: ctx.signal }
    const { body } = await ctx.fetcher.fetch(url, options)
    const bytes = await new Response(body).arrayBuffer()
    left -= bytes.byteLength
    return new TextDecoder().decode(bytes)
  }
}
