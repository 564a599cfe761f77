/**
 * Reads a sheet's lines in order and tracks the context of rows: event, heat, session, relay team and column headings.
 */
import { AgeLetters } from './age-letters.ts'
import type { EventHeading, HeatHeading } from './headings.ts'
import {
  goesOnBelow,
  isAlternatesHeading,
  isEventHeading,
  readClockLine,
  readEventHeading,
  readHeatHeading,
} from './headings.ts'
import { boxAround, follows, type Line, positionOnPage } from './lines.ts'
import { Program } from './program.ts'
import { RelayReader, type Tables } from './relay-reader.ts'
import { isResult, isTime, readRow, written } from './rows.ts'
import type { SheetEntry, SheetEvent } from './sheet.ts'
import { find, isRelayTable, readTable, type Table } from './table.ts'

/** A line that looks like a row and could not be read, for maintenance of the parser. */
export interface Leftover {
  readonly page: number
  readonly text: string
}

/** Events and entries read, with counts of their lines. */
export interface Reading {
  readonly events: readonly SheetEvent[]
  readonly entries: readonly SheetEntry[]
  readonly leftovers: readonly Leftover[]
  /** Numbered rows read, relay teams and empty lanes among them. */
  readonly rows: number
  /** Relay teams among them. */
  readonly teams: number
  /** Event and heat headings read. */
  readonly headings: number
  /** Events with fewer or more heats than their heading says. */
  readonly incomplete: readonly string[]
  /** Rows with times under headings of both seeds and results. */
  readonly results: number
}

/** Reads lines in the order they are printed. One reader a sheet. */
export class SheetReader implements Reading {
  readonly entries: SheetEntry[] = []
  readonly leftovers: Leftover[] = []
  headings = 0

  readonly #counts = { rows: 0, results: 0 }
  readonly #program = new Program()
  readonly #tables: Tables = { rows: null, relays: null }
  readonly #letters = new AgeLetters()
  readonly #relay = new RelayReader({
    program: this.#program,
    tables: this.#tables,
    letters: this.#letters,
    entries: this.entries,
    leave: (line) => this.#leave(line),
  })
  #firstTable: Table | null = null
  #relays = false
  /** Last entry, which the next line may continue, and its line. */
  #last: { entry: SheetEntry; line: Line } | null = null
  #heading: Line | null = null

  get events(): SheetEvent[] {
    return this.#program.events
  }

  get incomplete(): string[] {
    return this.#program.incomplete()
  }

  get rows(): number {
    return this.#counts.rows + this.#relay.counts.rows
  }

  get teams(): number {
    return this.#relay.counts.teams
  }

  get results(): number {
    return this.#counts.results + this.#relay.counts.results
  }

  /** Reads the next line; `session` is that of its page. */
  read(line: Line, session: number): void {
    this.#program.session = session
    const isLine = this.#readHeading(line) || this.#readBelow(line)
    if (!isLine && looksLikeRow(line)) this.#leave(line)
  }

  #leave({ page, text }: Line): void {
    this.leftovers.push({ page, text })
  }

  #readHeading(line: Line): boolean {
    const event = readEventHeading(line.text)
    if (event) {
      this.headings++
      this.#openEvent(event)
      this.#heading = line
      return true
    }
    const heat = readHeatHeading(line.text)
    if (heat) {
      this.headings++
      this.#openHeat(heat)
      this.#heading = line
      return true
    }
    const table = readTable(line)
    if (table) {
      const relays = isRelayTable(table)
      this.#tables[relays ? 'relays' : 'rows'] = table
      if (!relays) this.#firstTable ??= table
      this.#relays = relays
    } else if (isAlternatesHeading(line.text)) {
      this.#program.openAlternates()
    } else return this.#carryHeading(line)
    this.#close()
    return true
  }

  /** Reads the rest of a wrapped heading: a heat's start, or the end of an event's name. */
  #carryHeading(line: Line): boolean {
    const above = this.#heading
    this.#heading = null
    if (!above || !follows(line, above)) return false
    const start = readClockLine(line.text)
    if (start !== null && /^heat/i.test(above.text)) return this.#program.startHeat(start)
    const { event } = this.#program
    if (!event || line.font !== above.font || line.size !== above.size || !isEventHeading(above.text)) return false
    if (!goesOnBelow(event.name, line, above)) return false
    event.name = `${event.name} ${line.text}`.trim().replace(/\)$/, '')
    // A name may continue on a third line.
    this.#heading = { ...line, text: above.text }
    return true
  }

  #openEvent(heading: EventHeading): void {
    if (this.#program.openEvent(heading)) {
      this.#relays = /\brelay\b/i.test(this.#program.event?.name ?? '')
      this.#close()
    } else this.#last = null
  }

  #openHeat(heading: HeatHeading): void {
    if (heading.event) this.#openEvent({ ...heading.event, continued: true })
    if (this.#program.openHeat(heading)) this.#close()
  }

  #close(): void {
    this.#last = null
    this.#relay.close()
    this.#heading = null
  }

  #readBelow(line: Line): boolean {
    if (!this.#program.event) return false
    if (this.#relays) return this.#relay.read(line)
    return this.#readSwimmer(line) || this.#carryName(line)
  }

  #readSwimmer(line: Line): boolean {
    const table = this.#tables.rows
    const row = readRow(line, table)
    if (!row) return false
    this.#counts.rows++
    this.#last = null
    if (row.name === '') return true
    if (isResult(line, table)) this.#counts.results++
    const entry: SheetEntry = {
      ...this.#program.positionOf(row),
      name: row.name,
      ...(row.full ? { full: true } : {}),
      ...(row.age === undefined ? {} : { age: row.age }),
      ...(row.grade === undefined ? {} : { grade: row.grade }),
      ...(row.team === undefined ? {} : { team: row.team }),
      ...positionOnPage(line),
    }
    this.entries.push(entry)
    if (row.age !== undefined || row.grade !== undefined) {
      this.#letters.add(entry, this.#program.event?.name ?? '', row.letterBefore)
    }
    this.#last = { entry, line }
    return true
  }

  /** Reads the rest of a wrapped name: letters only, under the name and nothing else. */
  #carryName(line: Line): boolean {
    const last = this.#last
    this.#last = null
    if (!last || !follows(line, last.line) || line.font !== last.line.font) return false
    const words = written(line)
    const lead = last.line.words[0]
    const limit = this.#nameLimit(last.line)
    const fits = words.length <= 4 && words.every(({ text, right }) => isFragment(text) && right <= limit)
    if (!fits || !lead || line.x < lead.right) return false
    last.entry.name = `${last.entry.name} ${line.text}`
    if (last.entry.line) last.entry.line = boxAround(last.entry.line, line)
    delete last.entry.full
    return true
  }

  #nameLimit(line: Line): number {
    const table = this.#tables.rows
    const next = find(table, 'age') ?? find(table, 'grade') ?? find(table, 'team')
    return next ? line.left + next.right : line.right
  }

  /** Completes the sheet after the last line. */
  finish(): void {
    for (const entry of this.#letters.settle()) if (!entry.relay) entry.full = true
    this.#relay.finish(this.#firstTable)
  }
}

function isFragment(text: string): boolean {
  return /^[\p{L}'’-]+[.,]?$/u.test(text)
}

/** Lines that name swimmers who are not entered: records, standards, champions. */
const NOT_ENTERED = /record|standard|champion|qualif|\bcuts?\b|:(?: |$)/i
const FULL_NAME = /\p{L}{2}, ?\p{L}/u

/** Returns true for a line with two of a number, a name and a time, which probably is a row. */
function looksLikeRow(line: Line): boolean {
  const [first, ...rest] = written(line)
  if (!first || line.words.length < 3) return false
  const numbered = /^[*T]?\d{1,3}[.)]?$/.test(first.text)
  const worded = rest.some(({ text }) => /\p{L}{2}/u.test(text) && !isTime(text))
  const timed = rest.some(({ text }) => isTime(text))
  if (numbered && worded && timed) return true
  return (numbered || timed) && FULL_NAME.test(line.text) && !NOT_ENTERED.test(line.text)
}
