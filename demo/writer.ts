/** Prints a program as a heat or psych sheet in one of Meet Manager's layouts, and notes down what it printed. */
import type { Layout } from './layout.ts'
import { type Head, Press } from './press.ts'
import type { Contender, Heat, MeetEvent, Program, Session } from './program.ts'
import { type Place, RowWriter } from './rows.ts'
import { type Truth, TruthBook } from './truth.ts'

/** A document and what it says. */
export interface Sheet {
  readonly name: string
  readonly bytes: Uint8Array
  readonly truth: Truth
}

/** Rows that an event or heat is not begun without. */
const ROWS_BELOW_HEADING = 3
const PRINTED_AT = '7:45 PM'

/**
 * Writes one document.
 * @param name what to call it, without an ending
 */
export async function writeSheet(name: string, program: Program, layout: Layout): Promise<Sheet> {
  const writer = new SheetWriter(program, layout)
  for (const session of program.sessions) writer.session(session)
  return { name, ...(await writer.finish()) }
}

class SheetWriter {
  readonly #program: Program
  readonly #layout: Layout
  readonly #press: Press
  readonly #book = new TruthBook()
  readonly #rows: RowWriter
  #session: Session | null = null

  constructor(program: Program, layout: Layout) {
    this.#program = program
    this.#layout = layout
    this.#press = new Press(layout)
    this.#rows = new RowWriter(this.#press, layout, this.#book)
  }

  async finish(): Promise<{ bytes: Uint8Array; truth: Truth }> {
    const { meet, sessions } = this.#program
    const { name, start, end } = meet
    const bytes = await this.#press.finish()
    const truth: Truth = {
      meet: { meetName: name, start, end },
      sessions: sessions.map(({ title }) => title),
      swimmers: this.#book.swimmers(),
      absent: this.#book.absent(),
    }
    return { bytes, truth }
  }

  session(session: Session): void {
    this.#session = session
    this.#press.openPage(headOf(this.#program, session, this.#layout))
    for (const event of session.events) this.#event(event)
  }

  #event(event: MeetEvent): void {
    const { grid } = this.#press
    const notes = (event.record ? 1 : 0) + (event.standard ? 1 : 0)
    const [first] = event.heats
    const below = first ? this.#heatHeight(first) : ROWS_BELOW_HEADING * grid.step
    const needed = (2 + notes) * grid.step + below
    if (this.#press.room < needed) this.#press.openColumn()
    this.#heading(this.#numbered(event), event.name)
    this.#notes(event)
    this.#columnHeadings(event)
    for (const { rank, contender } of event.ranked) this.#listed(event, rank, contender)
    for (const heat of event.heats) this.#heat(event, heat)
    this.#alternates(event)
    this.#press.feed(0.7 * grid.step)
  }

  #numbered({ number, second }: MeetEvent): string {
    const numbers = second === undefined ? `${number}` : `${number} / ${second}`
    return this.#layout.heading === '#' ? `#${numbers}` : `Event ${numbers}`
  }

  #heading(number: string, name: string): void {
    const setting = { bold: true, size: this.#press.grid.headSize }
    const whole = `${number} ${name}`
    // Narrow columns print the heading as one run.
    if (this.#layout.columns === 3) this.#press.put(whole, 0, setting)
    else this.#press.putInTurn([number, name], 0, setting)
    this.#press.underline()
    this.#press.feed()
  }

  #notes({ record, standard }: MeetEvent): void {
    if (record) {
      this.#press.put(`${record.label} Record:`, 19)
      this.#press.put(record.time, 96, { flush: 'right' })
      this.#press.put(record.date, 102, { size: this.#press.grid.rowSize - 0.9 })
      this.#press.put(record.holder, 150)
      this.#book.name(record.holder)
      this.#press.feed()
    }
    if (standard) {
      this.#press.put(`${standard.time} ${standard.label}`, 76)
      this.#press.feed()
    }
  }

  #columnHeadings(event: MeetEvent): void {
    const { grid } = this.#press
    const { mark, affiliation, seed, blanks } = this.#layout
    const setting = { bold: true, size: grid.headSize }
    const right = { ...setting, flush: 'right' } as const
    if (event.heats.length > 0) this.#press.put('Lane', 0, setting)
    if (event.relay) {
      this.#press.put('Team', grid.name + 2, setting)
      this.#press.put('Relay', grid.letter - 6, setting)
    } else {
      this.#press.put('Name', grid.name + 4, setting)
      this.#press.put(mark, grid.markRight - 1, right)
      this.#press.put(affiliation, grid.team, setting)
    }
    this.#press.put(seed, grid.seedRight, right)
    if (blanks === 'finals') {
      this.#press.put('Finals', grid.blank + 54, right)
      this.#press.put('Place', grid.width, right)
    }
    this.#press.underline()
    this.#press.feed()
  }

  /**
   * Makes room for some points. An event that goes on elsewhere is headed again there, where the layout does so; `always`
   * for a heat that is broken in two. Says whether a heading was printed.
   */
  #make(points: number, event: MeetEvent, heat?: Heat, always = false): boolean {
    if (this.#press.room >= points || this.#press.atTop) return false
    const broken = this.#press.openColumn()
    if (!always && broken === 'column' && this.#layout.continued === 'page') return false
    if (heat) this.#heatGoesOn(heat, event)
    else this.#heading(`${this.#numbered(event)} ...`, `(${event.name})`)
    return true
  }

  #listed(event: MeetEvent, rank: number, contender: Contender): void {
    this.#make(this.#rows.heightOf(contender), event)
    this.#rows.write(rank, contender, this.#place(event, { heat: null, lane: null, rank }))
  }

  #heat(event: MeetEvent, heat: Heat): void {
    const headed = this.#make(this.#heatHeight(heat), event, heat)
    if (!headed) this.#heatHeading(heat)
    // What the heading of a heat that goes on drops was never printed when that is its first one.
    const printed = facts(headed ? { ...heat, start: undefined, round: wordOf(heat.round) } : heat)
    for (const [i, contender] of heat.lanes.entries()) {
      this.#make(this.#laneHeight(contender), event, heat, true)
      this.#rows.write(i + 1, contender, this.#place(event, { heat: heat.number, lane: i + 1, ...printed }))
    }
  }

  #laneHeight(contender: Contender | null): number {
    return contender ? this.#rows.heightOf(contender) : this.#press.grid.step
  }

  /** Points that a heat is not begun without: all of it, unless the layout breaks heats. */
  #heatHeight({ lanes }: Heat): number {
    const { step } = this.#press.grid
    const whole = lanes.reduce((sum, contender) => sum + this.#laneHeight(contender), step)
    return this.#layout.splitHeats ? (1 + ROWS_BELOW_HEADING) * step : whole
  }

  #heatHeading({ number, of, round = '', start, within }: Heat): void {
    const counted = of === undefined || within !== undefined ? `${number}` : `${number} of ${of}`
    const begins = start === undefined ? '' : `Starts at ${inHalves(start)}`
    this.#headHeat([counted, within === undefined ? '' : `(${within})`, round, begins])
  }

  #heatGoesOn({ number, round, within }: Heat, event: MeetEvent): void {
    const word = wordOf(round)
    const counted = word === undefined || within !== undefined ? `${number}` : `${number} ${word}`
    const of = event.second === undefined ? `(#${event.number} ${event.name})` : `(#${event.number} / ${event.second} )`
    this.#headHeat([within === undefined ? `${counted} ${of}` : `${counted} (${within}) ${of}`])
  }

  #headHeat(pieces: readonly string[]): void {
    this.#press.putInTurn(['Heat', ...pieces], 0, { bold: true, size: this.#press.grid.headSize })
    this.#press.feed()
  }

  #alternates(event: MeetEvent): void {
    if (event.alternates.length === 0) return
    this.#make(3 * this.#press.grid.step, event)
    this.#press.put('Alternates', 0, { bold: true, size: this.#press.grid.headSize })
    this.#press.feed()
    for (const [i, entry] of event.alternates.entries()) {
      this.#rows.write(i + 1, entry, this.#place(event, { heat: null, lane: null, alternate: i + 1 }))
    }
  }

  #place({ number, name }: MeetEvent, where: Omit<Place, 'eventNumber' | 'eventName'>): Place {
    const date = this.#session?.date
    return { eventNumber: number, eventName: name, ...where, ...(date === undefined ? {} : { sessionDate: date }) }
  }
}

function facts(heat: { readonly round?: string | undefined; readonly start?: string | undefined }) {
  const { round, start } = heat
  return { ...(round === undefined ? {} : { round }), ...(start === undefined ? {} : { heatStartTime: start }) }
}

/** The heading of a heat that goes on keeps rounds of one word. */
function wordOf(round: string | undefined): string | undefined {
  return round !== undefined && /^\w+$/.test(round) ? round : undefined
}

function inHalves(time: string): string {
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  return `${String(((hours + 11) % 12) + 1).padStart(2, '0')}:${String(minutes).padStart(2, '0')} ${hours < 12 ? 'AM' : 'PM'}`
}

const MONTHS = 'January February March April May June July August September October November December'.split(' ')

function day(iso: string, style: Layout['dates']): string {
  const [year = 0, month = 1, date = 1] = iso.split('-').map(Number)
  return style === 'iso' ? iso : `${month}/${date}/${year}`
}

function headOf({ meet }: Program, session: Session, { dates }: Layout): Head {
  const { name, start, end, licence, place } = meet
  const [year = '', month = '1', from = '1'] = start.split('-')
  const days = `${MONTHS[Number(month) - 1]} ${Number(from)}-${Number(end.split('-')[2])}, ${year}`
  const range = start === end ? day(start, dates) : `${day(start, dates)} to ${day(end, dates)}`
  const lines =
    dates === 'words'
      ? [name, place === undefined ? days : `${place} ${days}`]
      : [`${name} - ${range}`, ...(place === undefined ? [] : [place])]
  const printed = `HY-TEK's MEET MANAGER 8.0 - ${PRINTED_AT} ${day(start, dates === 'iso' ? 'iso' : 'us')}`
  return { left: licence, right: printed, lines: [...lines, session.title] }
}
