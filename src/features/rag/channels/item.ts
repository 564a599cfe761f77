/** Items of channels, as listed, and as jobs get them. */
import * as z from 'zod'

/** Captions by URL. */
export const CaptionsLink = z.object({ url: z.string(), language: z.string().nullable() })
export type CaptionsLink = z.infer<typeof CaptionsLink>

/** An item of a channel as it is listed. */
export const ChannelItem = z.object({
  /** Unique in its channel; on a platform, on that platform. */
  id: z.string(),
  /** Page of the item. */
  url: z.string(),
  title: z.string().nullable(),
  durationSeconds: z.number().nullable(),
  /** Milliseconds since the epoch. */
  publishedAt: z.number().nullable(),
  /** Changes when the item does: what is listed of it, joined. */
  version: z.string(),
  /** Captions, and a recording, that the listing itself names. */
  captions: z.array(CaptionsLink),
  media: z.string().nullable(),
  /** True where yt-dlp describes the item; else its links are all that there is. */
  described: z.boolean(),
})
export type ChannelItem = z.infer<typeof ChannelItem>

/** A channel with some of its items. */
export const Listing = z.object({
  title: z.string().nullable(),
  items: z.array(ChannelItem),
  /** True where there are more items than were asked for. */
  more: z.boolean(),
})
export type Listing = z.infer<typeof Listing>

/** Characters of titles and versions. */
const MAX_TITLE = 500
const MAX_VERSION = 2_000

/** Cuts a title to the length that is stored. */
export const shortTitle = (title: string | null | undefined): string | null => title?.trim().slice(0, MAX_TITLE) || null

/** Joins what a listing shows of an item. */
export const versionOf = (parts: readonly (string | number | null | undefined)[]): string =>
  JSON.stringify(parts.map((part) => part ?? null)).slice(0, MAX_VERSION)
