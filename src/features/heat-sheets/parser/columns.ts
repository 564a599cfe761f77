/** Detects the columns of a page from the left edges of headings and numbered rows, and reads its lines column by column. */
import type { TextItem, TextPage } from '../../../formats/pdf-text.ts'
import { groupsOf, type Line, textOf, toLines, type Word } from './lines.ts'

/** Narrowest column, in points: no printed row is narrower. */
const NARROWEST = 110
/** Points by which the first word of a column may begin left of its edge. */
const OVERHANG = 4
/** Rows of a numbered list from which it counts as a column. */
const SHORTEST_LIST = 4

/** Most lanes of nearly every pool; few swimmers have ages as low as that. */
const MAX_LANES = 8

/** Gap, in points, up to which words are grouped; the gutter between two columns is wider. */
const TOGETHER = 8

const BEGINS_COLUMN = /^\(?(?:(?:[Ee]vent|EVENT|#) ?\d|(?:Heat|HEAT) \d|Lane(?= |$)|Alternates$)/
const AGE_HEADING = /^(?:Age|AGE|Yr|Year|Gr|Grade|Class)$/
const LEADING_NUMBER = /^\*?\d{1,3}$/

/** A group of words, separated by gaps on its line. */
interface Start {
  readonly text: string
  readonly first: Word
  readonly words: readonly Word[]
  readonly y: number
}

function startsOf(items: readonly TextItem[]): Start[] {
  return toLines(items, { page: 0, column: 0, left: 0, end: 0 }).flatMap((line) =>
    groupsOf(line.words, TOGETHER).flatMap((words) => {
      const [first] = words
      return first ? [{ text: textOf(words), first, words, y: line.y }] : []
    }),
  )
}

/** Filters left edges that are far enough apart, leftmost first. */
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

/** Computes the step from each number of a list down to the next. */
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
 * Checks whether numbers mostly count up by one from row to row, as lanes and ranks do. Ages do so only now and then, and where few are
 * printed, those that do stand far apart.
 */
function countsUp(list: readonly Numbered[], pitch: number): boolean {
  const counting = stepsOf(list).filter(({ up, down }) => up === 1 && down <= 2.5 * pitch)
  // Lanes restart with each heat; a list of greater numbers alone is continued ranks, or ages.
  const areLanes = list.some(({ value }) => value <= 2) || list.every(({ value }) => value <= MAX_LANES)
  const share = areLanes ? 0.6 : 0.85
  return list.length >= SHORTEST_LIST && counting.length >= share * (list.length - 1)
}

/** Checks whether a list stands under a heading of ages or school years, which may count up by chance. */
function isUnderAge(right: number, ages: readonly Word[]): boolean {
  return ages.some((age) => right > age.x - 4 && right < age.right + 6)
}

/** Finds the right edges of the lists of lanes or ranks on a page: numbers are right-aligned. */
function numberedLists(starts: readonly Start[], ages: readonly Word[]): number[] {
  const numbers = leadingNumbers(starts).toSorted((a, b) => a.right - b.right)
  const lists: Numbered[][] = []
  for (const number of numbers) {
    const list = lists.at(-1)
    const last = list?.at(-1)
    if (list && last && number.right - last.right < 1.5) list.push(number)
    else lists.push([number])
  }
  const pitch = Math.min(...lists.filter((list) => list.length >= SHORTEST_LIST).map(pitchOf))
  const rights = lists
    .filter((list) => countsUp(list, pitch))
    .map((list) => list.at(-1)?.right ?? 0)
    .filter((right) => !isUnderAge(right, ages))
  return apart(rights)
}

/** Finds the left edges of the columns of one page, without its neighbours. */
function ownEdges(starts: readonly Start[], ages: readonly Word[]): number[] {
  const headings = apart(starts.filter(({ text }) => BEGINS_COLUMN.test(text)).map(({ first }) => first.x))
  const lists = numberedLists(starts, ages)
  const [firstList] = lists
  if (firstList === undefined) return headings
  // A list belongs to the nearest heading on its left; a list without one is a column without a heading.
  const owner = headings.findLast((edge) => edge <= firstList) ?? firstList - 20
  const shift = firstList - owner
  const fromLists = lists.map((right) => right - shift)
  return apart([...headings, ...fromLists])
}

/** Checks whether a page could be printed in these columns: nothing runs across an edge, and something begins a column's line. */
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
 * Finds the left edges of the columns of each page, leftmost first. A page with fewer columns than its neighbours may be the
 * short last one of the same layout, so their columns are tried on it.
 */
export function columnEdges(bodies: readonly (readonly TextItem[])[]): number[][] {
  const starts = bodies.map(startsOf)
  // A page may have no headings and continue under those of the pages before.
  let ages: readonly Word[] = []
  const own = starts.map((ofPage) => {
    const headed = ofPage.flatMap(({ words }) => words.filter(({ text }) => AGE_HEADING.test(text)))
    if (headed.length > 0) ages = headed
    return ownEdges(ofPage, ages)
  })
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

/** Reads a page's lines, column by column, each from the top down. */
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
