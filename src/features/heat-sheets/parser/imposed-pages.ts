/** Splits sheets of paper with several printed pages, by the head of each of them. */
import type { TextItem, TextPage } from '../../../formats/pdf-text.ts'

/** Stamp at the right end of a page's first line. */
const STAMP = /(?:MEET MANAGER|HY-?TEK).*\bPage:? ?\d+$/i

/** Distance, in points, up to which stamps are in one row, or one column, of pages. */
const SAME_ROW = 12
const SAME_COLUMN = 60

/** Clusters values by `gap`; returns the first of each cluster. */
function distinct(values: readonly number[], gap: number): number[] {
  const kept: number[] = []
  for (const value of values.toSorted((a, b) => a - b)) {
    if (kept.length === 0 || value - (kept.at(-1) ?? 0) > gap) kept.push(value)
  }
  return kept
}

const rightOf = ({ x, width }: TextItem) => x + width

/** Finds the left edges of adjacent pages: the middle between a stamp and the next text on its line. */
function leftEdges(items: readonly TextItem[], stamps: readonly TextItem[]): number[] {
  const rights = distinct(stamps.map(rightOf), SAME_COLUMN)
  const between = rights.slice(0, -1).map((right) => {
    const stamp = stamps.find((one) => Math.abs(rightOf(one) - right) <= SAME_COLUMN)
    const after = items.filter(({ x, y }) => stamp && Math.abs(y - stamp.y) < 3 && x > rightOf(stamp))
    return (right + Math.min(...after.map(({ x }) => x), Number.MAX_VALUE)) / 2
  })
  return [0, ...between.filter((edge) => edge < 1e6)]
}

/** A page, or a part of one, with the offset by which its text was moved to the left. */
export interface PagePart extends TextPage {
  readonly movedLeft: number
}

/** Splits a page into the pages printed on it, in reading order: row by row. */
export function partPage(page: TextPage): PagePart[] {
  const whole = { ...page, movedLeft: 0 }
  const stamps = page.items.filter(({ text }) => STAMP.test(text))
  if (stamps.length < 2) return [whole]
  const tops = distinct(
    stamps.map(({ y }) => y),
    SAME_ROW,
  ).map((y, i) => (i === 0 ? Number.NEGATIVE_INFINITY : y - 10))
  const lefts = leftEdges(page.items, stamps)
  if (tops.length * lefts.length < 2) return [whole]
  return tops.flatMap((top, row) =>
    lefts.flatMap((left, column) => {
      const [bottom, right] = [tops[row + 1] ?? Number.POSITIVE_INFINITY, lefts[column + 1] ?? page.width]
      const isLast = column === lefts.length - 1
      const inside = page.items.filter(({ x, y }) => y >= top && y < bottom && x >= left && (isLast || x < right))
      const items = inside.map((item) => ({ ...item, x: item.x - left }))
      return items.length === 0 ? [] : [{ ...page, width: right - left, items, movedLeft: left }]
    }),
  )
}
