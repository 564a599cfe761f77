/** Joins captions of an HLS stream, which come as a playlist of WebVTT segments (RFC 8216, section 3.5). */
import { MillraceError } from '../../../errors.ts'

const MAX_SEGMENTS = 10_000
/** Segments fetched at once. */
const AT_ONCE = 6
/** Ticks of the clock of MPEG-TS a second. */
const TICKS = 90_000

/**
 * Lists the segments of a playlist: its lines that are no tags (RFC 8216, section 4.1).
 * @param url of the playlist
 * @throws MillraceError UNREADABLE_DOCUMENT for what is no such playlist
 */
export function listSegments(playlist: string, url: string): string[] {
  if (!playlist.trimStart().startsWith('#EXTM3U')) throw unreadable('are no playlist')
  if (/^#EXT-X-(?:MAP|BYTERANGE|KEY:METHOD=(?!NONE))/m.test(playlist)) throw unreadable('come in a packed form')
  const lines = playlist.split(/\r?\n/).map((line) => line.trim())
  const segments = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (segments.length > MAX_SEGMENTS) throw unreadable(`have more than ${MAX_SEGMENTS} segments`)
  return segments.map((line) => {
    const segment = URL.parse(line, url)
    if (segment === null) throw unreadable('name a segment that is no address')
    return segment.href
  })
}

const unreadable = (what: string) =>
  new MillraceError('UNREADABLE_DOCUMENT', `The captions of this stream ${what}, and can't be read.`)

/**
 * Fetches the segments of a playlist and joins them.
 * @param read fetches a text
 * @throws MillraceError as `listSegments` and `read` do
 */
export async function readHlsCaptions(url: string, read: (url: string) => Promise<string>): Promise<string> {
  const segments = listSegments(await read(url), url)
  const texts: string[] = []
  for (let at = 0; at < segments.length; at += AT_ONCE) {
    texts.push(...(await Promise.all(segments.slice(at, at + AT_ONCE).map(read))))
  }
  return joinSegments(texts)
}

/**
 * Joins WebVTT segments. A cue that spans segments is in each of them and is kept once. Where the map of times changes between segments, the
 * later ones are shifted by the difference to the first.
 */
export function joinSegments(texts: readonly string[]): string {
  const first = offsetOf(texts[0] ?? '')
  const seen = new Set<string>()
  const cues = texts.flatMap((text) => {
    const shift = offsetOf(text) - first
    return cuesOf(text).map((cue) => (shift === 0 ? cue : cue.replace(/^.*-->.*$/m, (line) => shifted(line, shift))))
  })
  const kept = cues.filter((cue) => !seen.has(cue) && seen.add(cue) !== undefined)
  return ['WEBVTT', ...kept].join('\n\n')
}

/** Blocks of a segment that have times. */
const cuesOf = (text: string) =>
  text
    .replace(/\r\n?/g, '\n')
    .split(/\n{2,}/)
    .map((block) => block.trim())
    .filter((block) => /^.*-->/m.test(block) && !block.startsWith('WEBVTT'))

/** Reads `X-TIMESTAMP-MAP`: seconds of the stream at which the times of a segment begin. */
function offsetOf(text: string): number {
  const map = /^X-TIMESTAMP-MAP=(.*)$/m.exec(text)?.[1] ?? ''
  const ticks = /MPEGTS:(\d+)/.exec(map)?.[1]
  const local = /LOCAL:([\d:.]+)/.exec(map)?.[1]
  return (ticks === undefined ? 0 : Number(ticks) / TICKS) - (local === undefined ? 0 : secondsOf(local))
}

const secondsOf = (clock: string) => clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)

const shifted = (line: string, by: number) =>
  line.replace(/(?:\d+:)?\d\d:\d\d\.\d{3}/g, (clock) => clockOf(Math.max(0, secondsOf(clock) + by)))

function clockOf(seconds: number): string {
  const ms = Math.round(seconds * 1_000)
  const part = (value: number, digits: number) => String(value).padStart(digits, '0')
  const [hours, minutes] = [Math.floor(ms / 3_600_000), Math.floor(ms / 60_000) % 60]
  return `${part(hours, 2)}:${part(minutes, 2)}:${part(Math.floor(ms / 1_000) % 60, 2)}.${part(ms % 1_000, 3)}`
}
