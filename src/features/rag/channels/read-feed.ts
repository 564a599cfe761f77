/**
 * Reads feeds: RSS, Atom, RDF and JSON Feed, with the podcast namespace.
 * By htmlparser2, which readers of documents use as well: a library of feeds would add 62 KB to the Worker.
 */
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import { readXml } from '../read/xml.ts'
import { type CaptionsLink, type ChannelItem, type Listing, shortTitle, versionOf } from './item.ts'

/** Characters of the beginning by which a feed is recognised. */
const HEAD = 4_096

/** Returns true where a text begins as a feed does. */
export function looksLikeFeed(text: string): boolean {
  const head = text.slice(0, HEAD)
  if (/^\s*\{/.test(head)) return /"version"\s*:\s*"https:\/\/jsonfeed\.org\//.test(head)
  return /<(?:\w+:)?(?:rss|feed|rdf)[\s>]/i.test(head) && !/<html[\s>]/i.test(head)
}

interface Media {
  readonly url: string
  readonly type: string | undefined
  readonly length: number | undefined
}

/** An entry as its format has it. */
interface Entry {
  /** Texts of its elements by their names. */
  readonly texts: Map<string, string>
  readonly links: { readonly href: string; readonly rel: string }[]
  readonly attached: Media[]
  readonly transcripts: { readonly url: string; readonly type?: string; readonly language?: string }[]
}

const newEntry = (texts: Iterable<[string, string]> = []): Entry => ({
  ...{ texts: new Map(texts), links: [], attached: [], transcripts: [] },
})

/** Reads RSS, RDF and Atom: names of elements of all three do not contradict each other. */
function readXmlFeed(text: string): { title: string; entries: Entry[] } {
  const entries: Entry[] = []
  let open: Entry | null = null
  let title = ''
  readXml(text, {
    open(name, attributes) {
      if (name === 'item' || name === 'entry') open = newEntry()
      else if (open !== null) readElement(open, name, attributes)
    },
    text(part, path) {
      const [parent = '', name = ''] = path.slice(-2)
      if (parent === 'item' || parent === 'entry') open?.texts.set(name, (open.texts.get(name) ?? '') + part)
      else if (open === null && name === 'title' && /^(?:channel|feed)$/.test(parent)) title += part
    },
    close(name) {
      if (open === null || (name !== 'item' && name !== 'entry')) return
      entries.push(open)
      open = null
    },
  })
  return { title, entries }
}

function readElement(entry: Entry, name: string, attributes: Readonly<Record<string, string>>): void {
  const { url, href, rel = 'alternate', type, length } = attributes
  if (name === 'enclosure' && url !== undefined) entry.attached.push({ url, type, length: Number(length) || undefined })
  if (name === 'link' && href !== undefined && rel === 'enclosure') {
    entry.attached.push({ url: href, type, length: Number(length) || undefined })
  } else if (name === 'link' && href !== undefined) entry.links.push({ href, rel })
  if (name === 'podcast:transcript' && url !== undefined) entry.transcripts.push({ ...attributes, url })
}

const JsonFeed = z.object({
  title: z.string().optional().catch(undefined),
  items: z.array(z.looseObject({ attachments: z.array(z.unknown()).optional().catch(undefined) })),
})
const Attachment = z.object({
  url: z.string(),
  mime_type: z.string().optional(),
  size_in_bytes: z.number().optional(),
  duration_in_seconds: z.number().optional(),
})

/** Reads a JSON Feed (https://www.jsonfeed.org/version/1.1/). */
function readJsonFeed(text: string): { title: string; entries: Entry[] } {
  const { title = '', items } = JsonFeed.parse(JSON.parse(text))
  const entries = items.map(({ attachments = [], ...fields }) => {
    const entry = newEntry(
      Object.entries(fields).flatMap(([name, value]): [string, string][] =>
        typeof value === 'string' ? [[name, value]] : [],
      ),
    )
    for (const one of attachments) {
      const { data } = Attachment.safeParse(one)
      if (data === undefined) continue
      entry.attached.push({ url: data.url, type: data.mime_type, length: data.size_in_bytes })
      if (data.duration_in_seconds !== undefined) entry.texts.set('itunes:duration', String(data.duration_in_seconds))
    }
    return entry
  })
  return { title, entries }
}

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
  const { title, entries } = parse(text)
  const items = entries.flatMap((entry) => itemOf(entry, url) ?? [])
  return { title: shortTitle(title), items: items.slice(first - 1, last), more: items.length > last }
}

function parse(text: string): { title: string; entries: Entry[] } {
  try {
    return /^\s*\{/.test(text) ? readJsonFeed(text) : readXmlFeed(text)
  } catch (cause) {
    throw new MillraceError('UNREADABLE_DOCUMENT', 'This feed is damaged and could not be read.', { cause })
  }
}

/** @returns null for an entry that links to nothing */
function itemOf(entry: Entry, feedUrl: string): ChannelItem | null {
  const { links, attached } = entry
  const text = (...names: string[]) => names.map((name) => entry.texts.get(name)?.trim()).find((value) => value)
  const recording = attached.find(({ type = '', url }) => isRecording(type, url))
  const file = recording ?? attached[0]
  const page = text('link', 'url') ?? links.find(({ rel }) => rel === 'alternate')?.href
  const media = absolute(recording?.url, feedUrl)
  // A document that is attached is what is read, else the page itself.
  const url = absolute(page, feedUrl) ?? absolute(file?.url, feedUrl)
  const id = text('guid', 'id') ?? url
  if (url === null || !id) return null
  const captions = captionsOf(entry, feedUrl)
  const published = text('pubDate', 'published', 'date_published', 'dc:date', 'updated')
  const title = shortTitle(text('title'))
  const changed = text('updated', 'date_modified') ?? published
  const named = [withoutQuery(media), recording?.length, ...captions.map((one) => withoutQuery(one.url))]
  return {
    id,
    url: recording === undefined && file !== undefined ? (absolute(file.url, feedUrl) ?? url) : url,
    title,
    durationSeconds: secondsOf(text('itunes:duration')),
    publishedAt: published === undefined ? null : Date.parse(published) || null,
    version: versionOf([title, changed, ...named]),
    captions,
    media,
    described: false,
  }
}

/** Parses `3723` or `1:02:03`; null for what is neither. */
function secondsOf(duration: string | undefined): number | null {
  if (duration === undefined || !/^\d+(?::\d\d?){0,2}(?:\.\d+)?$/.test(duration)) return null
  return duration.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
}

const isRecording = (type: string, url: string) =>
  /^(?:audio|video)\//.test(type) || (type === '' && /\.(?:mp3|m4a|mp4|ogg|opus|wav|webm)(?:$|\?)/i.test(url))

/** Links carry tokens and counters in their query that change by themselves. */
const withoutQuery = (url: string | null) => url?.split('?')[0] ?? null

function captionsOf({ transcripts }: Entry, feedUrl: string): CaptionsLink[] {
  const rank = ({ type = '', url }: Entry['transcripts'][number]) =>
    CAPTIONS.findIndex((pattern) => pattern.test(type) || pattern.test(url.split('?')[0]?.split('.').at(-1) ?? ''))
  return transcripts
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
