/** Reads feeds: RSS, Atom, RDF and JSON Feed, with the podcast namespace, by feedsmith. */
import { parseFeed } from 'feedsmith'
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import { type CaptionsLink, type ChannelItem, type Listing, shortTitle, versionOf } from './item.ts'

/** Characters of the beginning by which a feed is recognised. */
const HEAD = 4_096

/** Returns true where a text begins as a feed does. */
export function looksLikeFeed(text: string): boolean {
  const head = text.slice(0, HEAD)
  if (/^\s*\{/.test(head)) return /"version"\s*:\s*"https:\/\/jsonfeed\.org\//.test(head)
  return /<(?:\w+:)?(?:rss|feed|rdf)[\s>]/i.test(head) && !/<html[\s>]/i.test(head)
}

const Text = z.union([z.string(), z.object({ value: z.string() }).transform(({ value }) => value)])
const Link = z.object({ href: z.string(), rel: z.string().optional(), type: z.string().optional() })
const Media = z.object({ url: z.string(), type: z.string().optional(), length: z.number().optional() })
const Attachment = z
  .object({ url: z.string(), mime_type: z.string().optional(), duration_in_seconds: z.number().optional() })
  .transform(({ url, mime_type: type, duration_in_seconds: seconds }) => ({ url, type, seconds, length: undefined }))
const Transcript = z.object({ url: z.string(), type: z.string().optional(), language: z.string().optional() })

const Entry = z.object({
  id: z.string().optional().catch(undefined),
  guid: z.object({ value: z.string() }).optional().catch(undefined),
  title: Text.optional().catch(undefined),
  link: z.string().optional().catch(undefined),
  url: z.string().optional().catch(undefined),
  links: z.array(Link).optional().catch(undefined),
  enclosures: z.array(Media).optional().catch(undefined),
  attachments: z.array(Attachment).optional().catch(undefined),
  itunes: z.object({ duration: z.number().optional() }).optional().catch(undefined),
  podcast: z
    .object({ transcripts: z.array(Transcript) })
    .optional()
    .catch(undefined),
  pubDate: z.string().optional().catch(undefined),
  published: z.string().optional().catch(undefined),
  updated: z.string().optional().catch(undefined),
  date_published: z.string().optional().catch(undefined),
  date_modified: z.string().optional().catch(undefined),
  dc: z.object({ date: z.string().optional() }).optional().catch(undefined),
})
type Entry = z.infer<typeof Entry>

const Feed = z.object({
  title: Text.optional().catch(undefined),
  items: z.array(Entry).optional().catch(undefined),
  entries: z.array(Entry).optional().catch(undefined),
})

/** Types of captions, by media type and by extension; the best first. */
const CAPTIONS = [/vtt/i, /subrip|srt/i]

/**
 * Reads the items of a feed, in its order.
 * @param url of the feed, to which its links may be relative
 * @param range items that are returned, counted from 1
 * @throws MillraceError UNREADABLE_DOCUMENT
 * @example
 * readFeed('<rss>…</rss>', 'https://example.com/feed.xml', { first: 1, last: 50 })
 */
export function readFeed(text: string, url: string, { first, last }: { first: number; last: number }): Listing {
  const feed = Feed.parse(parse(text))
  const items = (feed.items ?? feed.entries ?? []).flatMap((entry) => itemOf(entry, url) ?? [])
  return { title: shortTitle(feed.title), items: items.slice(first - 1, last), more: items.length > last }
}

function parse(text: string): unknown {
  try {
    return parseFeed(text).feed
  } catch (cause) {
    throw new MillraceError('UNREADABLE_DOCUMENT', 'This feed is damaged and could not be read.', { cause })
  }
}

/** @returns null for an entry that links to nothing */
function itemOf(entry: Entry, feedUrl: string): ChannelItem | null {
  const links = entry.links ?? []
  const enclosed = links.filter(({ rel }) => rel === 'enclosure').map(({ href, type }) => ({ url: href, type }))
  const all = [...(entry.enclosures ?? []), ...enclosed, ...(entry.attachments ?? [])]
  const recording = all.find(({ type = '', url }) => isRecording(type, url))
  const attached = recording ?? all[0]
  const page = entry.link ?? entry.url ?? links.find(({ rel = 'alternate' }) => rel === 'alternate')?.href
  const media = absolute(recording?.url, feedUrl)
  // A document that is attached is what is read, else the page itself.
  const url = absolute(page, feedUrl) ?? absolute(attached?.url, feedUrl)
  const id = entry.guid?.value || entry.id || url
  if (url === null || !id) return null
  const captions = captionsOf(entry, feedUrl)
  const published = entry.pubDate ?? entry.published ?? entry.date_published ?? entry.dc?.date ?? entry.updated
  const title = shortTitle(entry.title)
  const seconds = entry.itunes?.duration ?? entry.attachments?.find((one) => one.seconds !== undefined)?.seconds
  const changed = entry.updated ?? entry.date_modified ?? published
  const target = recording === undefined && attached !== undefined ? (absolute(attached.url, feedUrl) ?? url) : url
  return {
    id,
    url: target,
    title,
    durationSeconds: seconds ?? null,
    publishedAt: published === undefined ? null : Date.parse(published) || null,
    version: versionOf([
      title,
      changed,
      withoutQuery(media),
      recording !== undefined && 'length' in recording ? recording.length : null,
      ...captions.map((one) => withoutQuery(one.url)),
    ]),
    captions,
    media,
    described: false,
  }
}

const isRecording = (type: string, url: string) =>
  /^(?:audio|video)\//.test(type) || (type === '' && /\.(?:mp3|m4a|mp4|ogg|opus|wav|webm)(?:$|\?)/i.test(url))

/** Links carry tokens and counters in their query that change by themselves. */
const withoutQuery = (url: string | null) => url?.split('?')[0] ?? null

function captionsOf({ podcast }: Entry, feedUrl: string): CaptionsLink[] {
  const rank = ({ type = '', url }: z.infer<typeof Transcript>) =>
    CAPTIONS.findIndex((pattern) => pattern.test(type) || pattern.test(url.split('?')[0]?.split('.').at(-1) ?? ''))
  return (podcast?.transcripts ?? [])
    .filter((one) => rank(one) >= 0)
    .sort((a, b) => rank(a) - rank(b))
    .flatMap(({ url, language = null }) => {
      const whole = absolute(url, feedUrl)
      return whole === null ? [] : [{ url: whole, language }]
    })
}

/** @returns null for what is no web address */
function absolute(url: string | undefined, base: string): string | null {
  const parsed = url === undefined ? null : URL.parse(url, base)
  return parsed !== null && /^https?:$/.test(parsed.protocol) ? parsed.href : null
}
