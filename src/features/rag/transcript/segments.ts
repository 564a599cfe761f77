/** Segments of a recording: text with its start and end. Captions and recognised speech are collected into them. */
import { type BlockWriter, collapse } from '../read/block-writer.ts'
import type { Segment } from '../types.ts'

/** Seconds of silence that end a paragraph. */
const MAX_PAUSE_SECONDS = 2
/** Words of a paragraph after which the next end of a sentence ends it, and after which any segment does. */
const ENOUGH_WORDS = 40
const MAX_WORDS = 120

interface OpenParagraph {
  readonly texts: string[]
  words: number
  readonly start: number
  end: number
}

/**
 * Collects segments in order of time. A roll-up line that the segment before has as well is kept once; that segment is extended.
 */
export class SegmentCollector {
  readonly segments: Segment[] = []
  #lastLines: readonly string[] = []

  /** Adds a segment by its lines, without tags. Blank lines are dropped. */
  add(start: number, end: number, lines: readonly string[]): void {
    const own = lines.map(collapse).filter((line) => line !== '')
    const fresh = own.filter((line) => !this.#lastLines.includes(line))
    if (own.length > 0) this.#lastLines = own
    const last = this.segments.at(-1)
    if (fresh.length > 0) this.segments.push({ start, end: Math.max(start, end), text: fresh.join(' ') })
    else if (own.length > 0 && last !== undefined)
      this.segments.splice(-1, 1, { ...last, end: Math.max(last.end, end) })
  }
}

/**
 * Groups segments into paragraphs, each with its first and last second, and writes them.
 * @throws MillraceError TOO_LARGE
 */
export function writeSegments(segments: readonly Segment[], writer: BlockWriter): void {
  let open: OpenParagraph | null = null
  const close = () => {
    if (open === null) return
    writer.moveTo({ startSeconds: open.start, endSeconds: open.end })
    writer.paragraph(open.texts.join(' '))
    open = null
  }
  for (const { start, end, text } of segments) {
    if (open !== null && endsBefore(open, start)) close()
    open ??= { texts: [], words: 0, start, end }
    open.texts.push(text)
    open.words += text.split(' ').length
    open.end = Math.max(open.end, end)
  }
  close()
}

function endsBefore({ texts, words, end }: OpenParagraph, start: number): boolean {
  if (start - end > MAX_PAUSE_SECONDS || words >= MAX_WORDS) return true
  return words >= ENOUGH_WORDS && /[.!?…。！？]["'”’)]*$/.test(texts.at(-1) ?? '')
}
