/** Splits each page into its head, which names the meet, its days and the session, and its body. */
import type { TextItem, TextPage } from '../../../formats/pdf-text.ts'
import { type DateRange, type DayOrder, findDates, readDayOrder } from './date-texts.ts'
import { sessionDay } from './dates.ts'
import { readEventHeading, readHeatHeading } from './headings.ts'
import { groupsOf, type Line, toLines } from './lines.ts'
import type { Sheet, SheetSession } from './sheet.ts'
import { readTable } from './table.ts'

/** A split page: the lines of its head as text, and the text runs below. */
export interface SplitPage<Page extends TextPage = TextPage> {
  readonly page: Page
  readonly head: readonly string[]
  /** True where events, heats or rows are below the head; a cover has none. */
  readonly hasRows: boolean
  readonly body: readonly TextItem[]
}

const MAX_HEAD_LINES = 8
const MAX_FOOT_LINES = 4
const PRINTED_BY = /MEET MANAGER|HY-?TEK|\bPage:? ?\d+/i
/** Lines of the software that prints or shows sheets, which name no meet. */
const OTHER_PROGRAM =
  /\b(?:printed|generated|created|powered|exported) (?:by|on|with|from|at)\b|\blicen[cs]ed? to\b|https?:|www\.|^\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4},? \d{1,2}:\d{2}|\bv(?:ersion )?\d+(?:\.\d+)+|\p{L} \d{1,2}\.\d(?:\.\d+)?$/iu
const DOCUMENT =
  /^(meet program|psych sheet|heat sheet|program|start ?list|entry list|session|results|session report)\b/i
const TITLE = /\b(?:meet program|psych sheet|heat sheet|start list|results|session report|performance list)\b/i

/** Checks whether a line belongs to the table below rather than to the head. */
function beginsBody(line: Line): boolean {
  return (
    readEventHeading(line.text) !== null ||
    readHeatHeading(line.text) !== null ||
    readTable(line) !== null ||
    /^\*?\d{1,3} .*(?:\d[.,]\d\d|\bX?NT\b)/.test(line.text) ||
    /^[1-8]\) ?\p{L}/u.test(line.text)
  )
}

/** Returns the positions that a head may be centred on: of the page, its content, and its first line, because pages may be larger than their content. */
function middlesOf(page: TextPage, lines: readonly Line[]): number[] {
  const stamp = lines.slice(0, MAX_HEAD_LINES).find(({ text }) => PRINTED_BY.test(text))
  const left = lines.reduce((least, { x }) => Math.min(least, x), Number.POSITIVE_INFINITY)
  const right = lines.reduce((most, line) => Math.max(most, line.right), Number.NEGATIVE_INFINITY)
  return [page.width / 2, (left + right) / 2, ...(stamp ? [(stamp.x + stamp.right) / 2] : [])]
}

function isCentred(line: Line, middles: readonly number[], width: number): boolean {
  const whole = groupsOf(line.words, 1.6 * line.size).length === 1
  return whole && middles.some((middle) => Math.abs((line.x + line.right) / 2 - middle) < 0.035 * width)
}

/** Any order, where only the presence of a date matters. */
const ANY_ORDER: DayOrder = { slash: false, dash: true }

const isTold = ({ text }: Line) => PRINTED_BY.test(text) || TITLE.test(text) || findDates(text, ANY_ORDER) !== null

/** Selects the lines of a head: those on top that are centred or describe the document, and those between them. */
function headLines(page: TextPage, lines: readonly Line[]): Line[] {
  const body = lines.slice(0, MAX_HEAD_LINES).findIndex(beginsBody)
  const top = lines.slice(0, body < 0 ? MAX_HEAD_LINES : body)
  // The document's title and session come last.
  const title = top.findIndex(({ text }) => DOCUMENT.test(text))
  if (title >= 0) return top.slice(0, title + 1)
  const middles = middlesOf(page, lines)
  const isHead = (line: Line) => isTold(line) || isCentred(line, middles, page.width)
  const first = top.findIndex((line) => !isHead(line))
  return first < 0 ? top : top.slice(0, Math.max(first, top.findLastIndex(isTold) + 1))
}

/** Splits the head of a page from its body. */
export function splitPage<Page extends TextPage>(page: Page): SplitPage<Page> {
  const lines = toLines(page.items, { page: page.number, column: 0, left: 0, end: page.width })
  const head = headLines(page, lines)
  const last = head.at(-1)
  const from = last ? last.y + 0.4 * last.size : Number.NEGATIVE_INFINITY
  const footers = lines
    .slice(-MAX_FOOT_LINES)
    .filter((line) => line.y > from && PRINTED_BY.test(line.text) && !beginsBody(line))
  const isFooter = (item: TextItem) => footers.some(({ y, size }) => Math.abs(item.y - y) < 0.35 * size)
  const body = page.items.filter((item) => item.y > from && !isFooter(item))
  const hasRows = lines.some((line) => line.y > from && beginsBody(line))
  return { page, head: head.map((line) => line.text), hasRows, body }
}

/** Facts that the head of one page states. */
interface Head {
  readonly meet: string
  readonly dates: DateRange | null
  readonly venue: string | null
  /** Name of the session or document; null where the page has neither. */
  readonly session: string | null
  /** Line with the licence holder and the name of the software. */
  readonly printed: string
}

function sessionName(line: string): string {
  const title = DOCUMENT.exec(line)?.[1] ?? ''
  if (/^session/i.test(title) && !/report/i.test(title)) return line
  const rest = line.slice(title.length).replace(/^[\s:–—-]+/, '')
  return rest === '' ? title : rest
}

function isOffice(line: string): boolean {
  return /\b(?:sanction|referee|director|approval|licen[cs]e|entries|phone|email)\b|@|https?:/i.test(line)
}

function readHead(head: readonly string[], order: DayOrder): Head {
  const printed = head.find((line) => PRINTED_BY.test(line)) ?? ''
  const lines = head.filter((line) => !PRINTED_BY.test(line) && !OTHER_PROGRAM.test(line))
  const titleAt = lines.findIndex((line) => DOCUMENT.test(line))
  const session = titleAt < 0 ? null : sessionName(lines[titleAt] ?? '')
  let meet = ''
  let dates: DateRange | null = null
  let venue: string | null = null
  for (const [i, line] of lines.entries()) {
    if (i === titleAt) continue
    const found = findDates(line, order)
    dates ??= found?.range ?? null
    const rest = found?.rest ?? line
    if (meet === '') meet = rest
    else if (venue === null && rest !== '' && !isOffice(rest) && (found || isPlace(rest))) venue = rest
  }
  return { meet, dates, venue, session, printed }
}

function isPlace(line: string): boolean {
  return /\b(?:pool|natatorium|aquatics? cent(?:er|re)|leisure cent(?:er|re)|ymca|complex|university)\b/i.test(line)
}

/** Reads the pool from a site licence; other licences name clubs. */
function siteIn(printed: string): string | null {
  return /^(.{3,80}?) - Site License\b/i.exec(printed)?.[1] ?? null
}

/** Facts of the heads of all pages: the meet, its sessions, and the session of each page. */
export interface Heads {
  readonly meet: Sheet['meet']
  readonly sessions: readonly SheetSession[]
  /** Index in `sessions`, by page. */
  readonly ofPage: readonly number[]
}

/** Returns the most frequent value; the first of equally frequent ones. */
function most(values: readonly string[]): string | undefined {
  const counts = new Map<string, number>()
  for (const value of values) if (value !== '') counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].reduce<[string, number] | undefined>(
    (best, one) => (best && best[1] >= one[1] ? best : one),
    undefined,
  )?.[0]
}

/** Reads the meet from the pages with events, for covers and notes may name it differently; from covers where no other page names it. */
function readMeet(heads: readonly Head[], pages: readonly SplitPage[]): Sheet['meet'] {
  const printed = heads.filter((_, i) => pages[i]?.hasRows)
  const name = most(printed.map(({ meet }) => meet)) ?? most(heads.map(({ meet }) => meet)) ?? ''
  const named = heads.filter(({ meet }) => meet === name)
  const inOrder = [...named, ...printed, ...heads]
  const dates = inOrder.find((head) => head.dates !== null)?.dates ?? null
  const venue = inOrder.find((head) => head.venue !== null)?.venue ?? siteIn(heads[0]?.printed ?? '')
  return { name, start: dates?.start ?? null, end: dates?.end ?? null, venue }
}

/** Reads the heads of all pages. A page without one continues the session before it. */
export function readHeads(pages: readonly SplitPage[]): Heads {
  const lines = [...new Set(pages.flatMap(({ head }) => head))]
  const [stamps, others] = [
    lines.filter((line) => PRINTED_BY.test(line)),
    lines.filter((line) => !PRINTED_BY.test(line)),
  ]
  const order = readDayOrder(others, stamps)
  const heads = pages.map(({ head }) => readHead(head, order))
  const meet = { ...readMeet(heads, pages), ...(order.unsure === undefined ? {} : { unsure: order.unsure }) }
  const year = Number(/\b20\d{2}\b/.exec(stamps.join(' '))?.[0]) || undefined
  const dates = meet.start !== null && meet.end !== null ? { start: meet.start, end: meet.end } : null
  const sessions: SheetSession[] = []
  const titled = heads.find((head, i) => head.session !== null && pages[i]?.hasRows)
  let current = (titled ?? heads.find((head) => head.session !== null))?.session ?? ''
  const ofPage = heads.map((head, i) => {
    current = pages[i]?.hasRows === false ? current : (head.session ?? current)
    const at = sessions.findIndex(({ name }) => name === current)
    if (at >= 0) return at
    sessions.push({ name: current, date: sessionDay(current, dates, order, year) })
    return sessions.length - 1
  })
  return { meet, sessions, ofPage }
}
