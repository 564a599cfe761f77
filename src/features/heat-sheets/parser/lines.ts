/** Lines and words out of a page's scattered runs of text, the form in which every later step reads a sheet. */
import type { TextItem } from '../../../formats/pdf-text.ts'

/** A word with its left and right edge. Edges inside a longer run are estimates. */
export interface Word {
  readonly text: string
  readonly x: number
  readonly right: number
  /** Which run of its line it is part of, from 0. */
  readonly run: number
}

/** Words that stand on one baseline, left to right. */
export interface Line {
  readonly page: number
  /** Which column of the page, from 0. */
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

/** Baselines of one line may differ by this part of its font size: smaller type is printed slightly higher. */
const SAME_LINE = 0.35
/** Runs of one font closer than this part of the font size are pieces of one word. */
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

function wordsOf(item: TextItem, run: number): Word[] {
  const parts = item.text.split(/( +)/)
  const unit = item.width / Math.max(totalWeight(item.text), 0.5)
  const words: Word[] = []
  let x = item.x
  for (const part of parts) {
    const right = x + totalWeight(part) * unit
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
type Place = Pick<Line, 'page' | 'column' | 'left' | 'end'>

function toLine(items: readonly TextItem[], place: Place): Line | null {
  const runs = joinRuns(items.toSorted((a, b) => a.x - b.x))
  const [first] = runs
  if (!first) return null
  const words = runs.flatMap((item, run) => wordsOf(item, run))
  const text = words.map((word) => word.text).join(' ')
  const right = Math.max(...runs.map((item) => item.x + item.width))
  return { ...place, y: first.y, x: first.x, right, size: first.size, font: first.font, words, text }
}

/** Groups runs of one page, or of one column of it, into lines from the top down. */
export function toLines(items: readonly TextItem[], place: Place): Line[] {
  const lines: Line[] = []
  let open: TextItem[] = []
  let base = 0
  const close = () => {
    const line = toLine(open, place)
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

/** Words as groups that stand apart by more than `gap` points. */
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

/** Words as one text. */
export function textOf(words: readonly Word[]): string {
  return words.map((word) => word.text).join(' ')
}
