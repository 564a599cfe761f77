/** Finds the columns that a page is printed in, by where headings and numbered rows begin, and reads its lines column by column. */
import type { TextItem, TextPage } from '../../../formats/pdf-text.ts'
import { groupsOf, type Line, textOf, toLines, type Word } from './lines.ts'

/** Columns closer than this, in points, are one: no printed row is narrower. */
const NARROWEST = 110
/** Points that the first word of a column may stand left of its edge. */
const OVERHANG = 4
/** A numbered list this long is believed to be a column of rows. */
const SHORTEST_LIST = 4

/** Words closer than this, in points, are read together; the gutter between two columns is wider. */
const TOGETHER = 8

const BEGINS_COLUMN = /^\(?(?:(?:[Ee]vent|EVENT|#) ?\d|(?:Heat|HEAT) \d|Lane(?= |$)|Alternates$)/
const LEADING_NUMBER = /^\*?\d{1,3}$/

/** A stretch of words that stands apart on its line. */
interface Start {
  readonly text: string
  readonly first: Word
  readonly y: number
}

function startsOf(items: readonly TextItem[]): Start[] {
  return toLines(items, { page: 0, column: 0, left: 0, end: 0 }).flatMap((line) =>
    groupsOf(line.words, TOGETHER).flatMap((words) => {
      const [first] = words
      return first ? [{ text: textOf(words), first, y: line.y }] : []
    }),
  )
}

/** Left edges that lie far enough apart, leftmost first. */
function apart(edges: readonly number[]): number[] {
  const kept: number[] = []
  for (const edge of edges.toSorted((a, b) => a - b)) {
    const last = kept.at(-1)
    if (last === undefined || edge - last >= NARROWEST) kept.push(edge)
  }
  return kept
}

interface Numbered {
  readonly value: number
  readonly y: number
  readonly right: number
}

function leadingNumbers(starts: readonly Start[]): Numbered[] {
  return starts
    .filter(({ first }) => LEADING_NUMBER.test(first.text))
    .map(({ first, y }) => ({ value: Number(first.text.replace('*', '')), y, right: first.right }))
}

/** From each number of a list down to the next. */
function stepsOf(list: readonly Numbered[]): { up: number; down: number }[] {
  const sorted = list.toSorted((a, b) => a.y - b.y)
  return sorted
    .slice(1)
    .map(({ value, y }, i) => ({ up: value - (sorted[i]?.value ?? 0), down: y - (sorted[i]?.y ?? 0) }))
}

/** Computes the median distance between the numbers of a list, downwards. */
function pitchOf(list: readonly Numbered[]): number {
  const gaps = stepsOf(list).map(({ down }) => down)
  return gaps.toSorted((a, b) => a - b)[gaps.length >> 1] ?? Number.POSITIVE_INFINITY
}

/**
 * Tells whether numbers mostly count up by one from row to row, as lanes and ranks do. Ages do so only now and then, and where few are
 * printed, those that do stand far apart.
 */
function countsUp(list: readonly Numbered[], pitch: number): boolean {
  const counting = stepsOf(list).filter(({ up, down }) => up === 1 && down <= 2.5 * pitch)
  return list.length >= SHORTEST_LIST && counting.length >= 0.6 * (list.length - 1)
}

/** Right edges of the lists of lanes or ranks on a page: numbers are set flush right. */
function numberedLists(starts: readonly Start[]): number[] {
  const numbers = leadingNumbers(starts).toSorted((a, b) => a.right - b.right)
  const lists: Numbered[][] = []
  for (const number of numbers) {
    const list = lists.at(-1)
    const last = list?.at(-1)
    if (list && last && number.right - last.right < 1.5) list.push(number)
    else lists.push([number])
  }
  const pitch = Math.min(...lists.filter((list) => list.length >= SHORTEST_LIST).map(pitchOf))
  const rights = lists.filter((list) => countsUp(list, pitch)).map((list) => list.at(-1)?.right ?? 0)
  return apart(rights)
}

/** Left edges of the columns that a page shows by itself. */
function ownEdges(starts: readonly Start[]): number[] {
  const headings = apart(starts.filter(({ text }) => BEGINS_COLUMN.test(text)).map(({ first }) => first.x))
  const lists = numberedLists(starts)
  const [firstList] = lists
  if (firstList === undefined) return headings
  // A list belongs to the nearest heading on its left; lists tell of columns in which no heading stands.
  const owner = headings.findLast((edge) => edge <= firstList) ?? firstList - 20
  const shift = firstList - owner
  const fromLists = lists.map((right) => right - shift)
  return apart([...headings, ...fromLists])
}

/** Tells whether a page could be printed in these columns: nothing runs across an edge, and something begins a column's line. */
function fits(items: readonly TextItem[], starts: readonly Start[], edges: readonly number[]): boolean {
  const inner = edges.slice(1).map((edge) => edge - OVERHANG)
  const crossed = items.some((item) => inner.some((edge) => item.x < edge - 2 && item.x + item.width > edge + 2))
  if (crossed) return false
  const from = inner[0] ?? Number.POSITIVE_INFINITY
  return starts.some(({ text, first }) => {
    const begins = LEADING_NUMBER.test(first.text) || BEGINS_COLUMN.test(text)
    return first.x >= from && begins
  })
}

/**
 * Left edges of the columns of each page, leftmost first. A page that shows fewer columns than its neighbours may be the
 * short last one of the same layout, so it is held against theirs.
 */
export function columnEdges(bodies: readonly (readonly TextItem[])[]): number[][] {
  const starts = bodies.map(startsOf)
  const own = starts.map(ownEdges)
  return own.map((edges, i) => {
    const items = bodies[i] ?? []
    for (const near of [own[i - 1], own[i + 1], own[i - 2]]) {
      if (!near || near.length <= edges.length) continue
      const sameLeft = edges.every((edge) => near.some((other) => Math.abs(other - edge) < 15))
      if (sameLeft && fits(items, starts[i] ?? [], near)) return near
    }
    return edges
  })
}

/** A page's lines, column by column, each from the top down. */
export function readColumns(page: TextPage, items: readonly TextItem[], edges: readonly number[]): Line[] {
  const columns: TextItem[][] = Array.from({ length: Math.max(edges.length, 1) }, () => [])
  for (const item of items) {
    const at = edges.findLastIndex((edge) => item.x >= edge - OVERHANG)
    columns[Math.max(at, 0)]?.push(item)
  }
  return columns.flatMap((column, i) => {
    const [left, end] = [edges[i] ?? 0, edges[i + 1] ?? page.width]
    return toLines(column, { page: page.number, column: i, left, end })
  })
}
