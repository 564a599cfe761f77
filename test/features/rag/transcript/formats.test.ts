/** Transcripts as files that players read, and addresses that open at a second. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCaptions } from '../../../../src/features/rag/read/captions.ts'
import { formatTranscript } from '../../../../src/features/rag/transcript/formats.ts'
import { timedUrl } from '../../../../src/features/rag/transcript/timed-url.ts'
import type { Segment } from '../../../../src/features/rag/types.ts'

const SEGMENTS = [
  { start: 1, end: 2.5, text: 'Is 2 < 3 & 3 --> 4?' },
  { start: 3_723.456, end: 3_723.456, text: 'The end.' },
]

describe('A transcript', () => {
  it('is WebVTT whose texts are no markup', () => {
    expect(formatTranscript('vtt', SEGMENTS)).toBe(
      'WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nIs 2 &lt; 3 &amp; 3 --&gt; 4?\n\n01:02:03.456 --> 01:02:03.457\nThe end.\n',
    )
  })

  it('is SubRip, and lines of text', () => {
    expect(formatTranscript('srt', SEGMENTS.slice(1))).toBe('1\n01:02:03,456 --> 01:02:03,457\nThe end.\n')
    expect(formatTranscript('text', SEGMENTS)).toBe('Is 2 < 3 & 3 --> 4?\nThe end.\n')
  })

  it('is read back from WebVTT as it was written, whatever was said', async () => {
    const word = fc.stringMatching(/^[\p{L}\p{N}<>&{}\\#-]{1,8}$/u)
    const text = fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => words.join(' '))
    const lengths = fc.array(fc.tuple(fc.integer({ min: 1, max: 5_000 }), text), { minLength: 1, maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(lengths, async (parts) => {
        const segments: Segment[] = []
        for (const [ms, said] of parts) {
          const start = segments.at(-1)?.end ?? 0
          const end = Math.round(1_000 * start + ms) / 1_000
          // The same words twice would be a line that rolls up.
          if (segments.at(-1)?.text !== said) segments.push({ start, end, text: said })
        }
        expect(await readCaptions(formatTranscript('vtt', segments), 'vtt')).toEqual({ segments, warnings: [] })
      }),
    )
  })
})

describe('An address', () => {
  it.each([
    ['https://example.com/talk.vtt', 'https://example.com/talk.vtt#t=75'],
    ['https://example.com/talk.mp3?x=1', 'https://example.com/talk.mp3?x=1#t=75'],
    ['https://example.com/talk#part', 'https://example.com/talk#part'],
    ['https://www.youtube.com/watch?v=abc', 'https://www.youtube.com/watch?v=abc&t=75s'],
    ['https://youtu.be/abc?t=3s', 'https://youtu.be/abc?t=75s'],
    ['https://notyoutube.com/watch?v=abc', 'https://notyoutube.com/watch?v=abc#t=75'],
    ['no address', 'no address'],
  ])('%s opens at a second: %s', (url, expected) => {
    expect(timedUrl(url, 75.9)).toBe(expected)
  })
})
