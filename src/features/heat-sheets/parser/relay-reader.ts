/** Reads relay teams and their legs, and tracks the team of a line of legs. */
import type { AgeLetters } from './age-letters.ts'
import { LegCells } from './leg-cells.ts'
import { boxAround, follows, type Line, positionOnPage, type Word } from './lines.ts'
import type { Program } from './program.ts'
import {
  hasNumberedLeg,
  isNumberedLegs,
  type Leg,
  readNumberedLegs,
  readPlainLegs,
  readWrappedLegs,
  secondColumnOf,
} from './relays.ts'
import { isResult, leadOf, type Row, readRelayRow, written } from './rows.ts'
import type { SheetEntry } from './sheet.ts'
import { find, type Table } from './table.ts'

/** Column headings that apply to the current lines. */
export interface Tables {
  rows: Table | null
  relays: Table | null
}

/** A relay team whose legs may follow. */
interface Team {
  readonly position: Omit<SheetEntry, 'name'>
  readonly row: Row
  /** Number of legs on lines without numbers so far. */
  legs: number
  /** Last line of numbered legs, with their entries. */
  last?: { readonly line: Line; readonly legs: readonly Leg[]; readonly entries: ReadonlyMap<number, SheetEntry> }
}

/** A mark after a leg's name, until it is known whether the sheet prints ages or school years. */
interface Mark {
  readonly entry: SheetEntry
  readonly text: string
  readonly table: Table | null
}

/** State of the sheet's reader that the relay reader uses. */
export interface RelayContext {
  readonly program: Program
  readonly tables: Tables
  readonly letters: AgeLetters
  readonly entries: SheetEntry[]
  /** Records a line that could not be read. */
  leave(line: Line): void
}

/** Reads the lines below the heading of a relay event. */
export class RelayReader {
  /** Counts of rows of teams and empty lanes, of named teams among them, and of rows with results. */
  readonly counts = { rows: 0, teams: 0, results: 0 }

  readonly #sheet: RelayContext
  readonly #marks: Mark[] = []
  readonly #cells = new LegCells()
  #team: Team | null = null
  /** Left edge of the second column of legs without numbers, as last seen. */
  #second: number | null = null

  constructor(sheet: RelayContext) {
    this.#sheet = sheet
  }

  /** Ends the team: no legs follow. */
  close(): void {
    this.#team = null
  }

  /** Reads the next line; false when it is none of a relay. */
  read(line: Line): boolean {
    if (isNumberedLegs(line) || (this.#team?.last && follows(line, this.#team.last.line) && hasNumberedLeg(line))) {
      this.#readNumbered(line)
      return true
    }
    return this.#readTeam(line) || this.#readMoreLegs(line)
  }

  #readNumbered(line: Line): void {
    const { before, legs } = readNumberedLegs(line)
    const last = this.#team?.last
    if (before.length > 0 && !(last && this.#carryLegs(before, line, last))) this.#sheet.leave(line)
    const entries = this.#addLegs(legs, line)
    if (this.#team) this.#team.last = { line, legs, entries }
  }

  #readTeam(line: Line): boolean {
    const table = this.#sheet.tables.relays
    const row = readRelayRow(line, table)
    if (!row) return false
    this.counts.rows++
    this.#team = null
    if (row.name === '') return true
    this.counts.teams++
    if (isResult(line, table)) this.counts.results++
    this.#team = { position: this.#sheet.program.positionOf(row), row, legs: 0 }
    return true
  }

  /** Reads a line without a number below a relay team: legs, or the end of a leg that was wrapped. */
  #readMoreLegs(line: Line): boolean {
    const team = this.#team
    const table = this.#sheet.tables.relays
    if (!team || leadOf(line.words, line.left, table) !== null) return false
    if (team.last) return follows(line, team.last.line) && this.#carryLegs(written(line), line, team.last)
    this.#second = secondColumnOf(line) ?? this.#second
    const legs = readPlainLegs(line, team.legs, this.#second ?? (find(table, 'relay')?.x ?? 110) + 10)
    if (!legs) return false
    team.legs = Math.ceil((legs.at(-1)?.leg ?? team.legs) / 2) * 2
    this.#addLegs(legs, line)
    return true
  }

  /** Appends the rest of wrapped names to legs, from the line below. */
  #carryLegs(words: readonly Word[], line: Line, above: NonNullable<Team['last']>): boolean {
    const rests = readWrappedLegs(words, above.legs, line.size)
    if (!rests) return false
    for (const rest of rests) {
      const entry = above.entries.get(rest.leg.leg)
      if (entry) {
        entry.name = `${entry.name} ${rest.name}`.trim()
        if (entry.line) entry.line = boxAround(entry.line, line)
        this.#mark(entry, rest)
      } else this.#addLegs([{ ...rest.leg, ...rest, leg: rest.leg.leg }], line)
    }
    const open = rests.filter(({ mark, name }) => mark === undefined && name.endsWith(',')).map(({ leg }) => leg)
    if (this.#team) this.#team.last = { line, legs: open, entries: above.entries }
    return true
  }

  #addLegs(legs: readonly Leg[], line: Line): Map<number, SheetEntry> {
    const team = this.#team
    const named = legs.filter(({ name }) => name !== '')
    if (!team) {
      if (named.length > 0) this.#sheet.leave(line)
      return new Map()
    }
    const count = legsOf(this.#sheet.program.event?.name ?? '')
    this.#cells.add(line, legs)
    return new Map(
      named.map((leg) => {
        const entry: SheetEntry = { ...team.position, ...legFields(team.row, leg, count), ...positionOnPage(line) }
        this.#cells.fill(leg, entry)
        this.#sheet.entries.push(entry)
        this.#mark(entry, leg)
        return [leg.leg, entry]
      }),
    )
  }

  #mark(entry: SheetEntry, { mark, letterBefore }: Pick<Leg, 'mark' | 'letterBefore'>): void {
    if (mark === undefined) return
    this.#marks.push({ entry, text: mark, table: this.#sheet.tables.rows })
    this.#sheet.letters.add(entry, this.#sheet.program.event?.name ?? '', letterBefore)
  }

  /** Completes the legs after the last line. Marks after their names are ages or school years, as in the other rows. */
  finish(firstTable: Table | null): void {
    for (const { entry, text, table } of this.#marks) {
      const isGrade = !/^\d+$/.test(text) || find(table ?? firstTable, 'grade') !== undefined
      if (isGrade) entry.grade = text
      else entry.age = Number(text)
    }
    this.#marks.length = 0
    this.#cells.markFull()
  }
}

/** Returns the number of legs: four unless the event's name says more, as `8 x 50`. */
function legsOf(eventName: string): number {
  return Math.max(4, Number(/\b(\d{1,2}) ?[x×] ?\d/i.exec(eventName)?.[1] ?? 0))
}

/** Makes the relay fields of an entry; names after the last leg are alternates. */
function legFields(
  row: Row,
  { leg, name }: Leg,
  legs: number,
): Pick<SheetEntry, 'name' | 'team' | 'relay' | 'alternate'> {
  const { name: team, letter } = row
  const relay = { team, ...(letter === undefined ? {} : { letter }) }
  return leg > legs ? { name, team, alternate: leg - legs, relay } : { name, team, relay: { ...relay, leg } }
}
