/** Holds a language model's answer to the text that it was asked about: what is not printed there is left out and counted. */
import * as z from 'zod'
import { normalizeText } from '../../../formats/unicode.ts'
import { SheetEntry } from '../parser/sheet.ts'
import type { Answer, AnsweredEntry, Under } from './question.ts'
import type { TextLine } from './text-task.ts'

/** The rest of an answer that is printed. `event` of an entry is an index in `events`. Stored between runs. */
export const Checked = z.object({
  meetName: z.string().nullable(),
  firstDay: z.string().nullable(),
  lastDay: z.string().nullable(),
  events: z.array(z.object({ number: z.int(), name: z.string(), session: z.string() })),
  entries: z.array(SheetEntry),
  /** Entries that were left out. */
  dropped: z.int(),
})
export type Checked = z.infer<typeof Checked>

/** Lines that an entry, or a heading, may take. */
const MOST_LINES = 2

/** Splits a text into words without case, marks and punctuation. */
function wordsOf(text: string): string[] {
  const plain = normalizeText(text.toLowerCase(), 'NFKD').replace(/\p{M}/gu, '')
  return plain.match(/[\p{L}\p{N}]+/gu) ?? []
}

/** Words of the question, a set of each line. */
class Printed {
  readonly #lines: readonly ReadonlySet<string>[]
  readonly #all: ReadonlySet<string>
  readonly #texts: readonly string[]

  constructor(lines: readonly TextLine[]) {
    this.#texts = lines.map(({ text }) => text)
    this.#lines = this.#texts.map((text) => new Set(wordsOf(text)))
    this.#all = new Set(this.#lines.flatMap((words) => [...words]))
  }

  /** True where all words stand on the line of that number, from 1, and the next. */
  has(line: number, text: string): boolean {
    const words = wordsOf(text)
    const near = this.#lines.slice(Math.max(line - 1, 0), line - 1 + MOST_LINES)
    return line >= 1 && words.length > 0 && words.every((word) => near.some((set) => set.has(word)))
  }

  /** True where all words stand anywhere. */
  hasAnywhere(text: string): boolean {
    const words = wordsOf(text)
    return words.length > 0 && words.every((word) => this.#all.has(word) || this.#all.has(word.replace(/^0+/, '')))
  }

  /** True where a line from `from` to `to` has the number. */
  hasNumber(from: number, to: number, number: number): boolean {
    const word = new RegExp(`(?<!\\d)0*${number}(?!\\d)`)
    return this.#texts.slice(Math.max(from - 1, 0), to - 1 + MOST_LINES).some((text) => word.test(text))
  }

  /** True where a line from `from` to `to` prints the time of day, on either clock. */
  hasTime(from: number, to: number, time: string): boolean {
    const [hours = Number.NaN, minutes = ''] = [Number(time.slice(0, 2)), time.slice(3)]
    const word = new RegExp(`(?<!\\d)0*(?:${hours}|${hours % 12 || 12})[:.h]${minutes}(?!\\d)`)
    return this.#texts.slice(Math.max(from - 1, 0), to - 1 + MOST_LINES).some((text) => word.test(text))
  }
}

const DAY = /^\d{4}-\d{2}-\d{2}$/
const TIME = /^(?:[01]\d|2[0-3]):[0-5]\d$/

/** Checks an answer. @returns what remains, and under which event and heat the next page begins */
export function checkAnswer(
  answer: Answer,
  lines: readonly TextLine[],
  under: Under | null,
): { readonly checked: Checked; readonly under: Under | null } {
  const printed = new Printed(lines)
  const checked: Checked = {
    meetName: answer.meetName !== null && printed.hasAnywhere(answer.meetName) ? answer.meetName.trim() : null,
    firstDay: dayOf(printed, answer.firstDay),
    lastDay: dayOf(printed, answer.lastDay),
    events: [],
    entries: [],
    dropped: 0,
  }
  let last = under
  for (const { line, number, name, session, entries } of answer.events) {
    const continued = line === 0 && under !== null && under.event.number === number
    if (!continued && !(printed.has(line, name) && printed.hasNumber(line, line, number))) {
      checked.dropped += entries.length
      continue
    }
    const event = continued ? under.event : { number, name: name.trim() }
    const isPrinted = session !== null && printed.hasAnywhere(session)
    const index = checked.events.push({ ...event, session: isPrinted ? session.trim() : '' }) - 1
    last = { event, heat: null }
    for (const entry of entries) {
      const since = { line: Math.max(line, 1), heat: continued ? under.heat : null }
      const kept = keptEntry(printed, lines, entry, since)
      if (kept === null) checked.dropped++
      else checked.entries.push({ event: index, ...kept })
      last = { event, heat: kept?.heat ?? last.heat }
    }
  }
  return { checked, under: last }
}

/** A day whose year, and day of the month, are printed. */
function dayOf(printed: Printed, day: string | null): string | null {
  if (day === null || !DAY.test(day) || Number.isNaN(Date.parse(day))) return null
  return printed.hasAnywhere(day.slice(0, 4)) && printed.hasAnywhere(String(Number(day.slice(8)))) ? day : null
}

/** @param since line of the event's heading, and the heat under which the pages begin */
function keptEntry(
  printed: Printed,
  lines: readonly TextLine[],
  { line, swimmer, heat, lane, age, team, seed, start }: AnsweredEntry,
  since: { readonly line: number; readonly heat: number | null },
): Omit<SheetEntry, 'event'> | null {
  const onLine = [swimmer, team, seed].every((text) => text === null || printed.has(line, text))
  const numbers = [lane, age].every((number) => number === null || printed.hasNumber(line, line, number))
  const inHeat = heat === null || heat === since.heat || printed.hasNumber(since.line, line, heat)
  const atTime = start === null || (TIME.test(start) && printed.hasTime(1, line, start))
  const at = lines[line - 1]
  if (!onLine || !numbers || !inHeat || !atTime || at === undefined || !/\p{L}{2}/u.test(swimmer)) return null
  const given = <Name extends string, Value>(name: Name, value: Value | null) =>
    value === null ? {} : { [name]: value }
  return {
    name: swimmer.trim(),
    ...given('heat', heat),
    ...given('lane', lane),
    ...given('age', age),
    ...given('team', team?.trim() ?? null),
    ...given('seed', seed?.trim() ?? null),
    ...given('start', start),
    page: at.page,
    line: [...at.line],
  }
}
