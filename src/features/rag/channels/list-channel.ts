/** Lists the items of channels: of feeds by reading them, of everything else by yt-dlp. */

import { invalidRequest, MillraceError } from '../../../errors.ts'
import type { MediaLister } from '../../../media-ports.ts'
import type { Compute, Fetcher } from '../../../ports.ts'
import { readListing } from './info-json.ts'
import { Listing } from './item.ts'
import { checkHost, listingUrl, type Platform } from './platforms.ts'

/** Ports that listing takes. */
export interface ListingDeps {
  readonly fetcher: Fetcher
  readonly compute: Compute
  readonly media?: MediaLister | null
}

/** A channel, and the items of it that are asked for, counted from 1. */
export interface ListingRequest {
  readonly platform: Platform
  readonly url: string
  readonly first: number
  readonly last: number
  readonly owner: string
  readonly signal?: AbortSignal
}

const MAX_FEED_BYTES = 16 * 1024 * 1024
const FEED_MS = 30_000

/** Advice where yt-dlp is absent. */
export const NO_LISTER =
  'This server lists no platforms: that takes yt-dlp, on Node alone, which its operator names by YT_DLP_PATH. Feeds (RSS, Atom, JSON Feed) are read with platform "documents"; recordings and captions may be sent by "urls" or "upload"'

/**
 * Lists a part of a channel, in the channel's own order.
 * @throws MillraceError INVALID_REQUEST naming the field where this server cannot list it, and as Fetcher and MediaLister do
 */
export async function listChannel(deps: ListingDeps, request: ListingRequest): Promise<Listing> {
  try {
    return await list(deps, request)
  } catch (error) {
    throw naming('channel_url', error)
  }
}

/** An error of reading an address, as one of the field that names it. */
function naming(field: string, error: unknown): unknown {
  if (!(error instanceof MillraceError) || error.code === 'CANCELLED' || error.details?.field !== undefined)
    return error
  const { code, message, transient, details } = error
  return new MillraceError(code, message, { cause: error, transient, details: { ...details, field } })
}

async function list(deps: ListingDeps, request: ListingRequest): Promise<Listing> {
  const { platform, url } = request
  checkHost(platform, url, 'channel_url')
  if (platform !== 'documents') {
    if (!deps.media) throw invalidRequest('platform', `platform: ${NO_LISTER}`)
    return listByProgram(deps.media, { ...request, url: listingUrl(platform, url) })
  }
  const feed = await listFeed(deps, request)
  if (feed !== null) return feed
  if (!deps.media) {
    throw invalidRequest('channel_url', `channel_url: Is no feed (RSS, Atom, RDF, JSON Feed). ${NO_LISTER}`)
  }
  return listByProgram(deps.media, request)
}

async function listByProgram(media: MediaLister, request: ListingRequest): Promise<Listing> {
  const { url, first, last, owner, signal } = request
  // One more, which shows whether there are more.
  const range = { first, last: last + 1 }
  const found = await media.describe(url, { range, owner, ...(signal === undefined ? {} : { signal }) })
  return readListing(found, url, last - first + 1)
}

/** @returns null where the address is no feed */
async function listFeed({ fetcher, compute }: ListingDeps, request: ListingRequest): Promise<Listing | null> {
  const { url, first, last, owner, signal } = request
  const options = { owner, ...(signal === undefined ? {} : { signal }) }
  const fetched = await fetchFeed(fetcher, url, options)
  if (fetched === null) return null
  const found = await compute.run('rag.feed', { ...fetched, first, last }, options)
  return found === null ? null : Listing.parse(found)
}

/** @returns null for what is too large to be a feed, such as a film */
async function fetchFeed(fetcher: Fetcher, url: string, options: { owner: string; signal?: AbortSignal }) {
  try {
    const { url: final, body } = await fetcher.fetch(url, { maxBytes: MAX_FEED_BYTES, timeoutMs: FEED_MS, ...options })
    return { bytes: new Uint8Array(await new Response(body).arrayBuffer()), url: final }
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'TOO_LARGE') return null
    throw error
  }
}
