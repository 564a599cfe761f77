/** The head of each page, which names the meet, its days and the session, and what remains of the page below it. */
import type { TextItem, TextPage } from '../../../formats/pdf-text.ts'
import { type DateRange, findDates, putsDayFirst, sessionDay } from './dates.ts'
import { readEventHeading, readHeatHeading } from './headings.ts'
import { groupsOf, type Line, toLines } from './lines.ts'
import type { Sheet, SheetSession } from './sheet.ts'
import { readTable } from './table.ts'

/** A page taken apart: the lines of its head as text, and the runs below. */
export interface SplitPage {
  readonly page: TextPage
  readonly head: readonly string[]
  readonly body: readonly TextItem[]
}

const MAX_HEAD_LINES = 8
const MAX_FOOT_LINES = 4
const PRINTED_BY = /MEET MANAGER|HY-?TEK|\bPage:? ?\d+/i
const DOCUMENT =
  /^(meet program|psych sheet|heat sheet|program|start ?list|entry list|session|results|session report)\b/i
const TITLE = /\b(?:meet program|psych sheet|heat sheet|start list|results|session report|performance list)\b/i

/** Tells whether a line belongs to the table below rather than to the head. */
function beginsBody(line: Line): boolean {
  return (
    readEventHeading(line.text) !== null ||
    readHeatHeading(line.text) !== null ||
    readTable(line) !== null ||
    /^\*?\d{1,3} .*(?:\d[.,]\d\d|\bX?NT\b)/.test(line.text) ||
    /^[1-8]\) ?\p{L}/u.test(line.text)
  )
}

function isCentred(line: Line, page: TextPage): boolean {
  const whole = groupsOf(line.words, 1.6 * line.size).length === 1
  return whole && Math.abs((line.x + line.right) / 2 - page.width / 2) < 0.035 * page.width
}

/** Parts the head of a page from the rest. The head is what stands on top, centred or telling of the document itself. */
export function splitPage(page: TextPage): SplitPage {
  const lines = toLines(page.items, { page: page.number, column: 0, left: 0, end: page.width })
  const head: Line[] = []
  for (const line of lines) {
    if (head.length >= MAX_HEAD_LINES || beginsBody(line)) break
    const told = PRINTED_BY.test(line.text) || TITLE.test(line.text) || findDates(line.text, false) !== null
    if (!told && !isCentred(line, page)) break
    head.push(line)
    // The document's title and session stand last.
    if (DOCUMENT.test(line.text)) break
  }
  const last = head.at(-1)
  const from = last ? last.y + 0.4 * last.size : Number.NEGATIVE_INFINITY
  const footers = lines
    .slice(-MAX_FOOT_LINES)
    .filter((line) => line.y > from && PRINTED_BY.test(line.text) && !beginsBody(line))
  const isFooter = (item: TextItem) => footers.some(({ y, size }) => Math.abs(item.y - y) < 0.35 * size)
  const body = page.items.filter((item) => item.y > from && !isFooter(item))
  return { page, head: head.map((line) => line.text), body }
}

/** Facts that the head of one page states. */
interface Head {
  readonly meet: string
  readonly dates: DateRange | null
  readonly venue: string | null
  /** Null where the page names no session nor document. */
  readonly session: string | null
  /** The line that the licence holder and the program's name are printed on. */
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

function readHead(head: readonly string[], dayFirst: boolean): Head {
  const printed = head.find((line) => PRINTED_BY.test(line)) ?? ''
  const lines = head.filter((line) => !PRINTED_BY.test(line))
  const titleAt = lines.findIndex((line) => DOCUMENT.test(line))
  const session = titleAt < 0 ? null : sessionName(lines[titleAt] ?? '')
  let meet = ''
  let dates: DateRange | null = null
  let venue: string | null = null
  for (const [i, line] of lines.entries()) {
    if (i === titleAt) continue
    const found = findDates(line, dayFirst)
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

/** A site licence is held by a pool; others are held by clubs. */
function siteIn(printed: string): string | null {
  return /^(.{3,80}?) - Site License\b/i.exec(printed)?.[1] ?? null
}

/** Facts that the heads of all pages state together: the meet, its sessions, and which of them each page belongs to. */
export interface Heads {
  readonly meet: Sheet['meet']
  readonly sessions: readonly SheetSession[]
  /** By page, a place in `sessions`. */
  readonly ofPage: readonly number[]
}

/** Reads the heads of all pages. A page without one goes on with the session before it. */
export function readHeads(pages: readonly (readonly string[])[]): Heads {
  const dayFirst = putsDayFirst(pages.flat())
  const heads = pages.map((head) => readHead(head, dayFirst))
  const dates = heads.find((head) => head.dates !== null)?.dates ?? null
  const sessions: SheetSession[] = []
  let current = heads.find((head) => head.session !== null)?.session ?? ''
  const ofPage = heads.map((head) => {
    current = head.session ?? current
    const at = sessions.findIndex(({ name }) => name === current)
    if (at >= 0) return at
    sessions.push({ name: current, ...sessionDay(current, dates, dayFirst) })
    return sessions.length - 1
  })
  const venue = heads.find((head) => head.venue !== null)?.venue ?? siteIn(heads[0]?.printed ?? '')
  const name = heads.find((head) => head.meet !== '')?.meet ?? ''
  return { meet: { name, start: dates?.start ?? null, end: dates?.end ?? null, venue }, sessions, ofPage }
}
