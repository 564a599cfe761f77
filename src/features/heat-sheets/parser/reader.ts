/**
 * Reads a sheet's lines in order and keeps, as it goes, what a row means but does not say: its event, heat, session, relay
 * team and column headings.
 */
import type { EventHeading, HeatHeading } from './headings.ts'
import { isAlternatesHeading, readClockLine, readEventHeading, readHeatHeading } from './headings.ts'
import type { Line } from './lines.ts'
import { Program } from './program.ts'
import { isNumberedLegs, type Leg, readNumberedLegs, readPlainLegs, readWrappedLeg, secondColumnOf } from './relays.ts'
import { isTime, leadOf, type Row, readRelayRow, readRow, written } from './rows.ts'
import type { SheetEntry, SheetEvent } from './sheet.ts'
import { find, findSeed, isRelayTable, readTable, type Table } from './table.ts'

/** A relay team whose legs may follow. */
interface Team {
  readonly place: Omit<SheetEntry, 'name'>
  readonly row: Row
  /** Number of legs that lines without numbers have taken. */
  legs: number
  /** The last line of numbered legs and the entries they became. */
  last?: { readonly line: Line; readonly legs: readonly Leg[]; readonly entries: readonly SheetEntry[] }
}

/** A mark behind a leg's name, until it is known whether the sheet prints ages or school years. */
interface Mark {
  readonly entry: SheetEntry
  readonly text: string
  readonly table: Table | null
}

/** A line that looks like a row and was read as none, for those who look after the parser. */
export interface Leftover {
  readonly page: number
  readonly text: string
}

/** Events and entries that have been read, with counts of the lines they were read from. */
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
  /** Events that print fewer or more heats than a heading of theirs says there are. */
  readonly incomplete: readonly string[]
  /** Rows that hold times under both a seed's and a result's heading. */
  readonly results: number
}

/** Reads lines in the order they are printed. One reader a sheet. */
export class SheetReader implements Reading {
  readonly entries: SheetEntry[] = []
  readonly leftovers: Leftover[] = []
  rows = 0
  teams = 0
  headings = 0
  results = 0

  readonly #program = new Program()
  readonly #tables: { rows: Table | null; relays: Table | null } = { rows: null, relays: null }
  readonly #marks: Mark[] = []
  #firstTable: Table | null = null
  #relays = false
  #team: Team | null = null
  /** Left edge of the second column of legs without numbers, as last seen. */
  #second: number | null = null
  /** The entry that a line below may carry on, and the line it stands on. */
  #last: { entry: SheetEntry; line: Line } | null = null
  #heading: Line | null = null

  get events(): SheetEvent[] {
    return this.#program.events
  }

  get incomplete(): string[] {
    return this.#program.incomplete()
  }

  /** Takes the next line; `session` is that of its page. */
  read(line: Line, session: number): void {
    this.#program.session = session
    const isLine = this.#readHeading(line) || this.#readBelow(line)
    if (!isLine && looksLikeRow(line)) this.leftovers.push({ page: line.page, text: line.text })
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

  /** The rest of a heading that was wrapped: a heat's start, or the end of an event's name. */
  #carryHeading(line: Line): boolean {
    const above = this.#heading
    this.#heading = null
    if (!above || !follows(line, above)) return false
    const start = readClockLine(line.text)
    if (start !== null && /^heat/i.test(above.text)) return this.#program.startHeat(start)
    const { event } = this.#program
    const sameType = line.font === above.font && line.size === above.size && Math.abs(line.x - above.x) < 2
    if (!event || !sameType || !/^\(?(?:event|#)/i.test(above.text) || !/^[\p{L}(]/u.test(line.text)) return false
    const [first] = line.words
    const wrapped = first !== undefined && above.right + (first.right - first.x) > line.end - 2 * line.size
    if (!(wrapped || event.name === '') || /[:.]|\d{3}/.test(line.text) || line.words.length > 6) return false
    event.name = `${event.name} ${line.text}`.trim().replace(/\)$/, '')
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
    this.#team = null
    this.#heading = null
  }

  #readBelow(line: Line): boolean {
    if (!this.#program.event) return false
    if (this.#relays) return this.#readRelay(line)
    return this.#readSwimmer(line) || this.#carryName(line)
  }

  #readSwimmer(line: Line): boolean {
    const table = this.#tables.rows
    const row = readRow(line, table)
    if (!row) return false
    this.rows++
    this.#last = null
    if (row.name === '') return true
    if (isResult(line, table)) this.results++
    const entry: SheetEntry = {
      ...this.#program.place(row),
      name: row.name,
      ...(row.full ? { full: true } : {}),
      ...(row.age === undefined ? {} : { age: row.age }),
      ...(row.grade === undefined ? {} : { grade: row.grade }),
      ...(row.team === undefined ? {} : { team: row.team }),
    }
    this.entries.push(entry)
    this.#last = { entry, line }
    return true
  }

  /** The rest of a name that was wrapped: letters only, under the name and nothing else. */
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
    delete last.entry.full
    return true
  }

  #nameLimit(line: Line): number {
    const table = this.#tables.rows
    const next = find(table, 'age') ?? find(table, 'grade') ?? find(table, 'team')
    return next ? line.left + next.right : line.right
  }

  #readRelay(line: Line): boolean {
    if (isNumberedLegs(line)) {
      const legs = readNumberedLegs(line)
      const entries = this.#addLegs(legs, line)
      if (this.#team) this.#team.last = { line, legs, entries }
      return true
    }
    return this.#readTeam(line) || this.#readMoreLegs(line)
  }

  #readTeam(line: Line): boolean {
    const table = this.#tables.relays
    const row = readRelayRow(line, table)
    if (!row) return false
    this.rows++
    this.#team = null
    if (row.name === '') return true
    this.teams++
    if (isResult(line, table)) this.results++
    this.#team = { place: this.#program.place(row), row, legs: 0 }
    return true
  }

  /** Reads a line without a number below a relay team: legs, or the end of a leg that was wrapped. */
  #readMoreLegs(line: Line): boolean {
    const team = this.#team
    const table = this.#tables.relays
    if (!team || leadOf(line.words, line.left, table) !== null) return false
    if (team.last) return this.#carryLeg(line, team.last)
    this.#second = secondColumnOf(line) ?? this.#second
    const legs = readPlainLegs(line, team.legs, this.#second ?? (find(table, 'relay')?.x ?? 110) + 10)
    if (!legs) return false
    team.legs = Math.ceil((legs.at(-1)?.leg ?? team.legs) / 2) * 2
    this.#addLegs(legs, line)
    return true
  }

  #carryLeg(line: Line, above: NonNullable<Team['last']>): boolean {
    if (!follows(line, above.line)) return false
    const rest = readWrappedLeg(line, above.legs)
    const entry = rest ? above.entries[above.legs.indexOf(rest.leg)] : undefined
    if (!rest || !entry) return false
    entry.name = `${entry.name} ${rest.name}`.trim()
    if (rest.mark !== undefined) this.#marks.push({ entry, text: rest.mark, table: this.#tables.rows })
    return true
  }

  #addLegs(legs: readonly Leg[], line: Line): SheetEntry[] {
    const team = this.#team
    if (!team) {
      if (legs.length > 0) this.leftovers.push({ page: line.page, text: line.text })
      return []
    }
    const { name, letter } = team.row
    return legs.map((leg) => {
      const entry: SheetEntry = {
        ...team.place,
        name: leg.name,
        team: name,
        relay: { team: name, ...(letter === undefined ? {} : { letter }), leg: leg.leg },
      }
      this.entries.push(entry)
      if (leg.mark !== undefined) this.#marks.push({ entry, text: leg.mark, table: this.#tables.rows })
      return entry
    })
  }

  /** To be called after the last line. What stands behind a leg's name is what other rows print there: an age, or a school year. */
  finish(): void {
    for (const { entry, text, table } of this.#marks) {
      const isGrade = !/^\d+$/.test(text) || find(table ?? this.#firstTable, 'grade') !== undefined
      if (isGrade) entry.grade = text
      else entry.age = Number(text)
    }
    this.#marks.length = 0
  }
}

/** Tells whether a line stands right below another in the same column. */
function follows(line: Line, above: Line): boolean {
  return line.page === above.page && line.column === above.column && line.y - above.y < 1.9 * above.size
}

function isFragment(text: string): boolean {
  return /^[\p{L}'’-]+[.,]?$/u.test(text)
}

/** Tells whether a row has a time under a result's heading: on sheets that column is left blank. */
function isResult(line: Line, table: Table | null): boolean {
  const finals = find(table, 'finals')
  if (!finals) return false
  const times = line.words.filter(({ text }) => isTime(text) && /\d/.test(text))
  const under = times.some(({ right }) => right - line.left > finals.x)
  return under && (times.length > 1 || findSeed(table) === undefined)
}

/** A number, words and a time on one line: whoever reads the page would call it a row. */
function looksLikeRow(line: Line): boolean {
  const [first, ...rest] = written(line)
  const numbered = first !== undefined && /^[*T]?\d{1,3}[.)]?$/.test(first.text)
  const worded = rest.some(({ text }) => /\p{L}{2}/u.test(text) && !isTime(text))
  return numbered && worded && rest.some(({ text }) => isTime(text))
}
