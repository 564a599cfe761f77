/** Reads session reports in the document of a program: they state the start of each event. */

import type { SplitPage } from './header.ts'
import { readClockLine } from './headings.ts'
import { toLines } from './lines.ts'
import type { Sheet, SheetEntry } from './sheet.ts'

/** Start of an event. */
export interface ReportedStart {
  readonly event: number
  /** `Finals`, `Prelims`; empty where the report prints none. */
  readonly round: string
  readonly start: string
}

const REPORT = /^session report\b|^(?:meet )?timeline\b/i
/** `Prelims 13 Girls 13 & Over 50 Freestyle 21 3 u 08:04 AM`. */
const ROW =
  /^(?:(prelims?|semis?|semi-finals?|finals?|timed finals?|swim-?offs?) )?(\d{1,4})[a-z]? .*?\p{L}.* (\d{1,2}:\d{2} ?[ap]\.?m\.?|\d{1,2}:\d{2})(?: _*)?$/iu

/** Checks whether a page belongs to a session report. */
export function isReport({ head }: SplitPage): boolean {
  return head.some((line) => REPORT.test(line))
}

/** Reads the starts of events from the pages of session reports. */
export function readReports(pages: readonly SplitPage[]): ReportedStart[] {
  return pages.flatMap(({ page }) =>
    toLines(page.items, { page: page.number, column: 0, left: 0, end: page.width }).flatMap(({ text }) => {
      const [, round = '', event, clock = ''] = ROW.exec(text) ?? []
      const start = readClockLine(clock.trim())
      return event === undefined || start === null ? [] : [{ event: Number(event), round, start }]
    }),
  )
}

/** Normalizes the first word of a round. */
const roundOf = (round: string | undefined) =>
  /^(?:timed )?(prelim|semi|final|swim)/i.exec(round ?? '')?.[1]?.toLowerCase()

/**
 * Sets the starts of first heats and of lists without heats from reports, where the sheet prints none for them. Printed starts take
 * precedence: none is set that is after the printed start of a later heat. Reports have no starts of later heats. An event with several
 * rounds has the start of its round.
 */
export function addStarts(
  sheet: Pick<Sheet, 'events'> & { readonly entries: readonly SheetEntry[] },
  starts: readonly ReportedStart[],
): void {
  if (starts.length === 0) return
  const byEvent = Map.groupBy(starts, ({ event }) => event)
  const firstHeats = new Map<number, number>()
  const earliest = new Map<number, string>()
  for (const { event, heat, start } of sheet.entries) {
    if (start !== undefined && start < (earliest.get(event) ?? '~')) earliest.set(event, start)
    if (heat !== undefined) firstHeats.set(event, Math.min(heat, firstHeats.get(event) ?? heat))
  }
  for (const entry of sheet.entries) {
    const { event, heat, round } = entry
    if (entry.start !== undefined || heat !== firstHeats.get(event)) continue
    const reported = byEvent.get(sheet.events[event]?.number ?? -1) ?? []
    const ofRound = reported.filter((one) => roundOf(one.round) === roundOf(round))
    const [first, second] = ofRound.length > 0 ? ofRound : reported
    const isSure = first !== undefined && (!second || second.start === first.start)
    if (isSure && first.start <= (earliest.get(event) ?? '~')) entry.start = first.start
  }
}
