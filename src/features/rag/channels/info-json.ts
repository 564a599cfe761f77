/** Reads what yt-dlp says of channels and of recordings (its "info JSON", described in yt_dlp/extractor/common.py). */
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import { type CaptionsLink, type ChannelItem, type Listing, shortTitle, versionOf } from './item.ts'

const nullable = <T extends z.ZodType>(schema: T) => schema.nullish().catch(null)

const Track = z.object({ url: z.string(), ext: nullable(z.string()), protocol: nullable(z.string()) })
const Tracks = nullable(z.record(z.string(), z.array(Track).catch([])))

const Format = z.object({
  url: z.string(),
  protocol: nullable(z.string()),
  vcodec: nullable(z.string()),
  acodec: nullable(z.string()),
  filesize: nullable(z.number()),
  tbr: nullable(z.number()),
  abr: nullable(z.number()),
  has_drm: nullable(z.union([z.boolean(), z.string()])),
})
type Format = z.infer<typeof Format>

const Info = z.object({
  _type: nullable(z.string()),
  id: nullable(z.string()),
  url: nullable(z.string()),
  webpage_url: nullable(z.string()),
  title: nullable(z.string()),
  duration: nullable(z.number()),
  timestamp: nullable(z.number()),
  upload_date: nullable(z.string()),
  language: nullable(z.string()),
  subtitles: Tracks,
  automatic_captions: Tracks,
  formats: nullable(z.array(Format.nullable().catch(null))),
  entries: nullable(z.array(z.unknown())),
})
type Info = z.infer<typeof Info>

/** A recording as described. */
export interface Description {
  readonly title: string | null
  /** Captions; null where there are none. */
  readonly captions: (CaptionsLink & { readonly isPlaylist: boolean }) | null
  /** The smallest file with its sound; null where there is none. */
  readonly media: string | null
}

/**
 * Reads the items of a channel; lists within lists are read as one.
 * @param url of the channel
 * @param count items that were asked for beside one more
 */
export function readListing(found: unknown, url: string, count: number): Listing {
  const info = Info.parse(found)
  const items = entriesOf(info).flatMap((entry) => itemOf(entry, url) ?? [])
  return { title: shortTitle(info.title), items: items.slice(0, count), more: items.length > count }
}

function entriesOf(info: Info): Info[] {
  if (info.entries === null || info.entries === undefined) return [info]
  return info.entries.flatMap((entry) => {
    const read = Info.safeParse(entry)
    return read.success ? entriesOf(read.data) : []
  })
}

function itemOf(entry: Info, channelUrl: string): ChannelItem | null {
  // The `url` of an entry that is described already is that of a file.
  const isListed = entry._type === 'url' || entry._type === 'url_transparent'
  const url = (isListed ? entry.url : entry.webpage_url) ?? channelUrl
  const id = entry.id ?? url
  if (URL.parse(url) === null) return null
  const title = shortTitle(entry.title)
  return {
    id,
    url,
    title,
    durationSeconds: entry.duration ?? null,
    publishedAt: publishedAt(entry),
    version: versionOf([title, entry.duration]),
    captions: [],
    media: null,
    described: true,
  }
}

function publishedAt({ timestamp, upload_date: day }: Info): number | null {
  if (typeof timestamp === 'number') return timestamp * 1_000
  const [, year, month, date] = /^(\d{4})(\d\d)(\d\d)$/.exec(day ?? '') ?? []
  return year === undefined ? null : Date.UTC(Number(year), Number(month) - 1, Number(date))
}

/**
 * Reads the description of a recording.
 * @param id of the recording where its page has several
 * @throws MillraceError UNSUPPORTED_MEDIA_TYPE where the page is a list
 */
export function readDescription(found: unknown, id: string | null): Description {
  const all = entriesOf(Info.parse(found))
  const info = all.find((entry) => entry.id === id) ?? (all.length === 1 ? all[0] : undefined)
  if (info === undefined || (info._type ?? 'video') !== 'video') {
    const advice = 'Send it as channel_url with input_method "channel"'
    throw new MillraceError('UNSUPPORTED_MEDIA_TYPE', `This is a list of recordings, or none. ${advice}.`)
  }
  return { title: shortTitle(info.title), captions: chooseCaptions(info), media: chooseMedia(info.formats ?? []) }
}

/** Formats of captions that can be read, the best first. */
const EXTENSIONS = ['json3', 'vtt', 'srt']
/** Suffix by which YouTube marks automatic captions in the language that is spoken. */
const SPOKEN = /-orig$/

/** Chooses captions: those that people made, then automatic ones in the language that is spoken; never a machine translation. */
function chooseCaptions(info: Info): Description['captions'] {
  const manual = readable(info.subtitles)
  const automatic = readable(info.automatic_captions).filter(({ tracks }) => !tracks.every(isTranslation))
  const marked = automatic.find(({ language }) => SPOKEN.test(language))
  const spoken = info.language ?? marked?.language.replace(SPOKEN, '') ?? null
  const chosen = preferred(manual, spoken) ?? marked ?? (manual.length === 0 ? preferred(automatic, spoken) : null)
  if (chosen === null || chosen === undefined) return null
  const [track] = chosen.tracks
    .filter((one) => !isTranslation(one))
    .sort((a, b) => EXTENSIONS.indexOf(a.ext ?? '') - EXTENSIONS.indexOf(b.ext ?? ''))
  if (track === undefined) return null
  const isPlaylist = track.protocol?.startsWith('m3u8') === true
  return { url: track.url, language: chosen.language.replace(SPOKEN, ''), isPlaylist }
}

interface Language {
  readonly language: string
  readonly tracks: readonly z.infer<typeof Track>[]
}

/** Lists the languages whose captions can be read; a chat of viewers is among them, but is no speech. */
function readable(tracks: z.infer<typeof Tracks>): Language[] {
  return Object.entries(tracks ?? {})
    .map(([language, all]) => ({ language, tracks: all.filter(({ ext }) => EXTENSIONS.includes(ext ?? '')) }))
    .filter(({ language, tracks }) => tracks.length > 0 && language !== 'live_chat' && language !== 'rechat')
}

/** Chooses the language that is spoken, else English, else the first. */
function preferred(all: readonly Language[], spoken: string | null): Language | null {
  const of = (wanted: string) => all.find(({ language }) => language.split('-')[0] === wanted.split('-')[0])
  return (spoken === null ? undefined : of(spoken)) ?? of('en') ?? all[0] ?? null
}

/** YouTube names the language that its machine translates to. */
const isTranslation = ({ url }: { readonly url: string }) => URL.parse(url)?.searchParams.has('tlang') === true

/** Chooses the smallest file that has sound: without a picture where there is one. */
function chooseMedia(formats: readonly (Format | null)[]): string | null {
  const whole = formats
    .filter((format) => format !== null)
    .filter(
      ({ protocol, acodec, has_drm: drm }) => /^https?$/.test(protocol ?? '') && acodec !== 'none' && drm !== true,
    )
  const size = ({ filesize, abr, tbr }: Format) => filesize ?? (abr ?? tbr ?? Number.MAX_SAFE_INTEGER / 1e6) * 1e6
  const order = (format: Format) => (format.vcodec === 'none' ? 0 : Number.MAX_SAFE_INTEGER / 2) + size(format)
  return whole.sort((a, b) => order(a) - order(b))[0]?.url ?? null
}
