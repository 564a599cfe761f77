/** Assembles a page's scattered text runs into lines, in reading order. */
import type { TextItem, TextPage } from '../../../formats/pdf-text.ts'

/** Text runs on one baseline. Units are points; `y` is from the top of the page. */
export interface PrintedLine {
  readonly text: string
  readonly x: number
  readonly right: number
  readonly y: number
  readonly size: number
  /** Vertical position as a share of the page's height, 0 at the top to 1. */
  readonly depth: number
}

/** Most distance of baselines within a line, by its font size. */
const SAME_LINE = 0.4
/** Gaps, by the font size, below which runs are one word, and above the second, cells of a row. */
const SAME_WORD = 0.12
const SAME_CELL = 2.5
/** Share of lines above their predecessor beyond which the file's order is not the reading order. */
const MAX_JUMPS = 0.25

/**
 * Assembles the lines of a page. Programs write columns one after the other, so the order of the file is kept, except where it jumps up
 * and down the page: then lines are sorted from the top down.
 */
export function printedLines({ items, height }: TextPage): PrintedLine[] {
  const lines = groupLines(items, height)
  const jumps = lines.filter((line, index) => index > 0 && line.y < (lines[index - 1]?.y ?? 0) - line.size).length
  if (lines.length < 8 || jumps <= MAX_JUMPS * lines.length) return lines
  return groupLines(
    items.toSorted((a, b) => a.y - b.y || a.x - b.x),
    height,
  )
}

function groupLines(items: readonly TextItem[], height: number): PrintedLine[] {
  const groups: TextItem[][] = []
  for (const item of items) {
    const [first] = groups.at(-1) ?? []
    if (first && Math.abs(item.y - first.y) <= SAME_LINE * Math.max(item.size, first.size)) groups.at(-1)?.push(item)
    else groups.push([item])
  }
  return groups.map((group) =>
    toLine(
      group.toSorted((a, b) => a.x - b.x),
      height,
    ),
  )
}

function toLine(items: readonly TextItem[], height: number): PrintedLine {
  let text = ''
  let right = 0
  for (const item of items) {
    const gap = item.x - right
    if (text !== '') text += gap > SAME_CELL * item.size ? ' | ' : gap > SAME_WORD * item.size ? ' ' : ''
    text += item.text
    right = Math.max(right, item.x + item.width)
  }
  const largest = items.reduce((most, item) => (item.text.length > most.text.length ? item : most), items[0] ?? EMPTY)
  return { text, x: items[0]?.x ?? 0, right, y: largest.y, size: largest.size, depth: largest.y / height }
}

const EMPTY: TextItem = { text: '', x: 0, y: 0, width: 0, size: 0, font: '' }
