/**
 * Estimates the starts of heats without a printed one: a heat takes as long as its slowest seed and the pause until the next one, scaled by
 * the pace of the printed starts.
 */
import { clockOf, minutesOf, secondsOf } from './seed-times.ts'
import type { Sheet, SheetEntry } from './sheet.ts'

/** Default seconds from the last touch of a heat to the start of the next. */
const PAUSE_SECONDS = 30
/** Default seconds a metre or yard of an event, where no row has a time. */
const SECONDS_A_UNIT = 1
const DEFAULT_UNITS = 100
/** Limits of the pace of consecutive heats; beyond them is a break, or another session. */
const PACE = { least: 0.6, most: 2.5 }

/** A heat, in the order in which heats are printed. */
interface Heat {
  readonly event: number
  readonly entries: SheetEntry[]
  /** Start in minutes of the day; null where the sheet prints none. */
  start: number | null
  seconds: number
}

/** Sets estimated starts of heats, where printed ones around them, or others of the event, allow it. */
export function estimateStarts(sheet: Pick<Sheet, 'events'> & { readonly entries: readonly SheetEntry[] }): void {
  const heats = new Map<string, Heat>()
  for (const entry of sheet.entries) {
    if (entry.heat === undefined) continue
    const key = `${entry.event}/${entry.heat}`
    const known = heats.get(key) ?? { event: entry.event, entries: [], start: null, seconds: 0 }
    known.entries.push(entry)
    if (entry.start !== undefined) known.start = minutesOf(entry.start)
    heats.set(key, known)
  }
  const bySession = Map.groupBy(heats.values(), ({ event }) => sheet.events[event]?.session ?? 0)
  for (const inOrder of bySession.values()) {
    const isOpen = inOrder.some(({ start }) => start === null) && inOrder.some(({ start }) => start !== null)
    if (isOpen) estimateSession(inOrder, (event) => sheet.events[event]?.name ?? '')
  }
}

function estimateSession(heats: readonly Heat[], nameOf: (event: number) => string): void {
  setSeconds(heats, nameOf)
  const printed = heats.flatMap(({ start }, i) => (start === null ? [] : [i]))
  const pace = paceOf(heats, printed)
  const ends: readonly (number | undefined)[] = [undefined, ...printed]
  for (const [at, from] of ends.entries()) {
    const to = printed[at]
    const own = from === undefined || to === undefined ? null : spanPace(heats, from, to)
    if (from !== undefined && own !== null) goOn(heats, from, to ?? from, own)
    else {
      if (from !== undefined) goOn(heats, from, endOfEvent(heats, from, to), pace)
      if (to !== undefined) goBack(heats, to, from ?? -1, pace)
    }
  }
}

/** Sets each heat's seconds until the next: from its slowest seed, else its event's other heats, else the event's length. */
function setSeconds(heats: readonly Heat[], nameOf: (event: number) => string): void {
  for (const [event, own] of Map.groupBy(heats, (heat) => heat.event)) {
    const slowest = own.map(({ entries }) => Math.max(0, ...entries.map(({ seed }) => secondsOf(seed) ?? 0)))
    const timed = slowest.filter((seconds) => seconds > 0)
    const units = Number(
      /(?<![\d-])(\d{2,4})(?! ?[-&]| ?(?:over|under|o\b|u\b))/i.exec(nameOf(event))?.[1] ?? DEFAULT_UNITS,
    )
    const usual = timed.length === 0 ? units * SECONDS_A_UNIT : timed.reduce((sum, one) => sum + one, 0) / timed.length
    for (const [i, heat] of own.entries()) heat.seconds = (slowest[i] || usual) + PAUSE_SECONDS
  }
}

const reckoned = (heats: readonly Heat[], from: number, to: number) =>
  heats.slice(from, to).reduce((sum, { seconds }) => sum + seconds, 0)

/** Computes the pace between two printed starts; null where a break is between them. */
function spanPace(heats: readonly Heat[], from: number, to: number): number | null {
  const [first, last] = [heats[from], heats[to]]
  if (!first || !last || first.start === null || last.start === null) return null
  const span = (last.start - first.start) * 60
  const pace = span / reckoned(heats, from, to)
  if (span <= 0) return null
  // Starts are printed in whole minutes, whose rounding is large for short spans.
  return first.event === last.event || (pace >= PACE.least && pace <= PACE.most) ? pace : null
}

/** Computes the pace of all printed starts together; 1 where there are too few. */
function paceOf(heats: readonly Heat[], printed: readonly number[]): number {
  let [span, seconds] = [0, 0]
  for (const [i, from] of printed.entries()) {
    const to = printed[i + 1]
    const pace = to === undefined ? null : spanPace(heats, from, to)
    if (to === undefined || pace === null) continue
    const reckon = reckoned(heats, from, to)
    span += pace * reckon
    seconds += reckon
  }
  return seconds === 0 ? 1 : Math.min(PACE.most, Math.max(PACE.least, span / seconds))
}

/** Returns the heat after the last consecutive one of the same event, at most `to`. */
function endOfEvent(heats: readonly Heat[], from: number, to = heats.length): number {
  const next = heats.findIndex(({ event }, i) => i > from && event !== heats[from]?.event)
  return next < 0 ? to : Math.min(next, to)
}

function goOn(heats: readonly Heat[], from: number, to: number, pace: number): void {
  let start = heats[from]?.start ?? 0
  for (let at = from + 1; at < to; at++) {
    start += ((heats[at - 1]?.seconds ?? 0) * pace) / 60
    mark(heats[at], start)
  }
}

/** Estimates backwards to the first heat of the same event. */
function goBack(heats: readonly Heat[], from: number, after: number, pace: number): void {
  let start = heats[from]?.start ?? 0
  for (let at = from - 1; at > after && heats[at]?.event === heats[from]?.event; at--) {
    start -= ((heats[at]?.seconds ?? 0) * pace) / 60
    mark(heats[at], start)
  }
}

/** Sets an estimated start, rounded down so that it is rather too early than too late. */
function mark(heat: Heat | undefined, start: number): void {
  if (!heat || start < 0 || start >= 24 * 60) return
  for (const entry of heat.entries) {
    entry.start = clockOf(start)
    entry.estimated = true
  }
}
