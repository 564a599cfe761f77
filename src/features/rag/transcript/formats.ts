/** Formats of a transcript: plain text, WebVTT (W3C WebVTT, section 4) and SubRip. */
import type { Segment } from '../types.ts'

export const TRANSCRIPT_FORMATS = ['json', 'text', 'vtt', 'srt'] as const

/** Media types of the text formats. */
export const TRANSCRIPT_TYPES = {
  text: 'text/plain; charset=utf-8',
  vtt: 'text/vtt; charset=utf-8',
  srt: 'application/x-subrip; charset=utf-8',
} as const

/** Shortest duration of a caption: players skip one that ends as it begins. */
const MIN_SHOWN_SECONDS = 0.001

/**
 * Formats segments.
 * @example
 * formatTranscript('srt', [{ start: 1, end: 2.5, text: 'Hello.' }]) // '1\n00:00:01,000 --> 00:00:02,500\nHello.\n'
 */
export function formatTranscript(format: keyof typeof TRANSCRIPT_TYPES, segments: readonly Segment[]): string {
  if (format === 'text') return segments.map(({ text }) => `${text}\n`).join('')
  if (format === 'vtt') {
    const cues = segments.map((segment) => `${times(segment, '.')}\n${escapeMarkup(segment.text)}\n`)
    return ['WEBVTT\n', ...cues].join('\n')
  }
  return segments.map((segment, index) => `${index + 1}\n${times(segment, ',')}\n${segment.text}\n`).join('\n')
}

/** Escapes the text of a cue, in which `&` and `<` begin markup and `-->` is forbidden. */
const escapeMarkup = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const times = ({ start, end }: Segment, point: ',' | '.') =>
  `${clock(start, point)} --> ${clock(Math.max(end, start + MIN_SHOWN_SECONDS), point)}`

function clock(seconds: number, point: string): string {
  const all = Math.round(seconds * 1_000)
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0')
  const rest = String(all % 1_000).padStart(3, '0')
  return `${two(all / 3_600_000)}:${two((all / 60_000) % 60)}:${two((all / 1_000) % 60)}${point}${rest}`
}
