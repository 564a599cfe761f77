/** Assembles a page's scattered text runs into words and lines, which all later steps read. */
import type { TextItem } from '../../../formats/pdf-text.ts'

/** A word with its left and right edge. Edges inside a longer run are estimates. */
export interface Word {
  readonly text: string
  readonly x: number
  readonly right: number
  /** Index of its run in the line, from 0. */
  readonly run: number
}

/** Words on one baseline, left to right. */
export interface Line {
  readonly page: number
  /** Index of its column on the page, from 0. */
  readonly column: number
  /** Left edge of that column. */
  readonly left: number
  /** Left edge of the next column, else the page's right edge. */
  readonly end: number
  readonly y: number
  readonly x: number
  readonly right: number
  /** Size and font of its first run. */
  readonly size: number
  readonly font: string
  readonly words: readonly Word[]
  readonly text: string
}

/** Most distance of baselines within a line, by the font size: smaller type is printed slightly higher. */
const SAME_LINE = 0.35
/** Gap, by the font size, below which runs of one font are parts of one word. */
const SAME_WORD = 0.06

function weight(letter: string): number {
  if (/[iljtfI.,':;|! ()[\]/’-]/.test(letter)) return 0.5
  if (/[mwMW_]/.test(letter)) return 1.4
  return /\p{Lu}/u.test(letter) ? 1.2 : 1
}

function totalWeight(text: string): number {
  let sum = 0
  for (const letter of text) sum += weight(letter)
  return sum
}

/** Width of monospaced letters, by the font size. */
const TYPEWRITTEN = 0.6

function wordsOf(item: TextItem, run: number): Word[] {
  const parts = item.text.split(/( +)/)
  const even = Math.abs(item.width / item.text.length - TYPEWRITTEN * item.size) < 0.002 * item.size
  const weigh = even ? (text: string) => text.length : totalWeight
  const unit = item.width / Math.max(weigh(item.text), 0.5)
  const words: Word[] = []
  let x = item.x
  for (const part of parts) {
    const right = x + weigh(part) * unit
    if (part.trim() !== '') words.push({ text: part, x, right, run })
    x = right
  }
  return words
}

function joinRuns(items: readonly TextItem[]): TextItem[] {
  const runs: TextItem[] = []
  for (const item of items) {
    const last = runs.at(-1)
    const gap = last ? item.x - (last.x + last.width) : Number.POSITIVE_INFINITY
    if (last && last.font === item.font && last.size === item.size && Math.abs(gap) < SAME_WORD * item.size) {
      runs[runs.length - 1] = { ...last, text: last.text + item.text, width: item.x + item.width - last.x }
    } else runs.push(item)
  }
  return runs
}

/** Position of lines: the page, the column of it, that column's edges. */
type Position = Pick<Line, 'page' | 'column' | 'left' | 'end'>

function toLine(items: readonly TextItem[], position: Position): Line | null {
  const runs = joinRuns(items.toSorted((a, b) => a.x - b.x))
  const [first] = runs
  if (!first) return null
  const words = runs.flatMap((item, run) => wordsOf(item, run))
  const text = words.map((word) => word.text).join(' ')
  const right = Math.max(...runs.map((item) => item.x + item.width))
  return { ...position, y: first.y, x: first.x, right, size: first.size, font: first.font, words, text }
}

/** Groups text runs of one page, or of one column of it, into lines from the top down. */
export function toLines(items: readonly TextItem[], position: Position): Line[] {
  const lines: Line[] = []
  let open: TextItem[] = []
  let base = 0
  const close = () => {
    const line = toLine(open, position)
    if (line) lines.push(line)
    open = []
  }
  for (const item of items.toSorted((a, b) => a.y - b.y)) {
    if (open.length > 0 && item.y - base > SAME_LINE * item.size) close()
    if (open.length === 0) base = item.y
    open.push(item)
  }
  close()
  return lines
}

/** Groups words that are separated by more than `gap` points. */
export function groupsOf(words: readonly Word[], gap: number): Word[][] {
  const groups: Word[][] = []
  for (const word of words) {
    const group = groups.at(-1)
    const last = group?.at(-1)
    if (group && last && word.x - last.right <= gap) group.push(word)
    else groups.push([word])
  }
  return groups
}

/** Joins words to one text. */
export function textOf(words: readonly Word[]): string {
  return words.map((word) => word.text).join(' ')
}

/** Checks whether a line is right below another in the same column. */
export function follows(line: Line, above: Line): boolean {
  const down = line.y - above.y
  return line.page === above.page && line.column === above.column && down > 0 && down < 1.9 * above.size
}

/** Ascent and height of a line, by the font size. */
const ASCENT = 1
const LINE_HEIGHT = 1.25

const tenth = (points: number) => Math.round(points * 10) / 10

/** Left, top, width and height, in points from the top left of the page. */
export type Box = [x: number, y: number, width: number, height: number]

/** Makes the position of a line, as entries store it. */
export function positionOnPage({ page, x, y, right, size }: Line): { page: number; line: Box } {
  return { page, line: [tenth(x), tenth(y - ASCENT * size), tenth(right - x), tenth(LINE_HEIGHT * size)] }
}

/** Extends a box to include a line of its page. */
export function boxAround([x, y, width, height]: Box, line: Line): Box {
  const [left, top, more, down] = positionOnPage(line).line
  const from = [Math.min(x, left), Math.min(y, top)] as const
  const to = [Math.max(x + width, left + more), Math.max(y + height, top + down)] as const
  return [from[0], from[1], tenth(to[0] - from[0]), tenth(to[1] - from[1])]
}
