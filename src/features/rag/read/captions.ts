/** Reads captions: WebVTT, SubRip, and YouTube's JSON ("json3"). */
import { parseText } from 'media-captions'
import * as z from 'zod'
import { MillraceError } from '../../../errors.ts'
import { SegmentCollector } from '../transcript/segments.ts'
import type { Segment } from '../types.ts'

/** Segments of captions, and the warnings about unreadable cues. */
export interface Captions {
  readonly segments: readonly Segment[]
  readonly warnings: readonly string[]
}

/**
 * Reads WebVTT or SubRip. Voice and style tags are removed; a roll-up line that is repeated in the next cue is read once.
 * @throws MillraceError UNREADABLE_DOCUMENT when there is no cue
 */
export async function readCaptions(text: string, type: 'vtt' | 'srt'): Promise<Captions> {
  const { cues, errors } = await parseText(text, { type, strict: false })
  if (cues.length === 0) throw noCaptions(type.toUpperCase())
  const collector = new SegmentCollector()
  for (const { startTime, endTime, text: lines } of cues) {
    collector.add(
      roundToMilliseconds(startTime),
      roundToMilliseconds(endTime),
      lines.split('\n').map((line) => withoutTags(line, TAGS[type])),
    )
  }
  const { segments } = collector
  return { segments, warnings: unreadable(errors.length, 'lines') }
}

const Event = z.object({
  tStartMs: z.number(),
  dDurationMs: z.number().default(0),
  segs: z.array(z.object({ utf8: z.string().default('') })).optional(),
})
const Json3 = z.object({ events: z.array(z.unknown()) })

/**
 * Reads YouTube's captions as JSON. Events contain words as they are recognised; those without text only scroll.
 * @throws MillraceError UNREADABLE_DOCUMENT when there is no event with a text
 */
export function readJson3(text: string): Captions {
  const { events } = Json3.safeParse(parseJson(text)).data ?? { events: [] }
  const collector = new SegmentCollector()
  let unread = 0
  for (const event of events) {
    const { tStartMs, dDurationMs, segs = [] } = Event.safeParse(event).data ?? { tStartMs: Number.NaN, dDurationMs: 0 }
    // The first event describes the window and has no text.
    if (Number.isNaN(tStartMs)) unread += 1
    else {
      const lines = segs.map(({ utf8 }) => utf8).join('')
      collector.add(tStartMs / 1_000, (tStartMs + dDurationMs) / 1_000, lines.split('\n'))
    }
  }
  if (collector.segments.length === 0) throw noCaptions('json3')
  return { segments: withoutOverlap(collector.segments), warnings: unreadable(unread, 'events') }
}

/** Ends each segment where the next begins: an event lasts as long as its line is shown, which overlaps the next. */
function withoutOverlap(segments: readonly Segment[]): Segment[] {
  return segments.map((segment, index) => {
    const next = segments[index + 1]?.start ?? segment.end
    return { ...segment, end: next > segment.start ? Math.min(segment.end, next) : segment.end }
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Rounds seconds to milliseconds, which removes the errors of adding hours, minutes and fractions. */
const roundToMilliseconds = (seconds: number) => Math.round(seconds * 1_000) / 1_000

const noCaptions = (kind: string) => new MillraceError('UNREADABLE_DOCUMENT', `This ${kind} file holds no captions.`)

const unreadable = (count: number, what: string) =>
  count === 0 ? [] : [`${count} ${what} of these captions could not be read.`]

/** Tags of voices, styles and timestamps (`<v Ada>`, `<00:00:01.000>`); in SubRip also of positions (`{\an8}`), which are text in WebVTT. */
const TAGS = { vtt: /<[^<>]*>/g, srt: /<[^<>]*>|\{\\[^{}]*\}/g }

/** Removes tags from a line and decodes its entities. */
function withoutTags(line: string, tags: RegExp): string {
  return line
    .replace(tags, '')
    .replaceAll('&nbsp;', ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&lrm;', '')
    .replaceAll('&rlm;', '')
    .replaceAll('&amp;', '&')
}
