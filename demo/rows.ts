/** Sets the rows of a sheet: a lane or rank, who has it, their age or school year, club, seed; below relay teams, their legs. */
import type { Layout } from './layout.ts'
import { printedName, type Swimmer, type Team } from './people.ts'
import type { Press } from './press.ts'
import type { Contender, Entry, RelayTeam, Seed } from './program.ts'
import type { TruthBook, TruthEvent } from './truth.ts'

/** Where on the sheet a row stands: what it has in common with whoever is in it. */
export type Place = Omit<TruthEvent, 'seedTime' | 'team' | 'age' | 'grade' | 'relay'>

/** Clubs are cut at this many letters where columns leave room for no more. */
const TEAM_LETTERS: Readonly<Record<Layout['columns'], number>> = { 1: 40, 2: 16, 3: 12 }
/** A club closer to its time than this becomes one run with it. */
const MERGES_WITHIN = 4

/** Sets rows and notes who is in them. */
export class RowWriter {
  readonly #press: Press
  readonly #layout: Layout
  readonly #book: TruthBook

  constructor(press: Press, layout: Layout, book: TruthBook) {
    this.#press = press
    this.#layout = layout
    this.#book = book
  }

  /** Points that a row takes with what belongs below it. */
  heightOf(contender: Contender): number {
    const { step } = this.#press.grid
    if (contender.kind === 'entry') return this.#nameLines(contender.swimmer).length * step
    return (1 + this.#legLines(contender).length) * step
  }

  /** Sets a row; null is a lane that nobody swims in. */
  write(lead: number, contender: Contender | null, place: Place): void {
    if (contender?.kind === 'entry') this.#entry(lead, contender, place)
    else if (contender) this.#relay(lead, contender, place)
    else this.#endLine(lead)
  }

  /** Sets what each line has, the lane last: Meet Manager sets a line's pieces in an order that is not that of reading. */
  #endLine(lead: number): void {
    const { grid } = this.#press
    if (this.#layout.blanks === 'finals') {
      this.#press.put('_________________', grid.blank)
      this.#press.put('_______', grid.width, { flush: 'right' })
    }
    this.#press.put(String(lead), grid.leadRight, { flush: 'right' })
    if (this.#layout.blanks === 'line') this.#press.put('_____', grid.blank)
    this.#press.feed()
  }

  #entry(lead: number, { swimmer, seed }: Entry, place: Place): void {
    const { grid } = this.#press
    const [name = '', rest] = this.#nameLines(swimmer)
    const team = this.#teamOf(swimmer.team)
    const mark = this.#mark(swimmer)
    this.#seedAndTeam(team, seed)
    this.#press.put(String(mark.age ?? mark.grade ?? ''), grid.markRight, { flush: 'right' })
    this.#press.put(name, grid.name)
    this.#endLine(lead)
    if (rest !== undefined) {
      this.#press.put(rest, grid.name)
      this.#press.feed()
    }
    const printedAs = rest === undefined ? name : `${name} ${rest}`
    this.#book.add(swimmer, printedAs, { ...place, seedTime: seedTime(seed), team, ...mark })
  }

  #seedAndTeam(team: string, seed: Seed): void {
    const { grid } = this.#press
    const size = grid.rowSize - (this.#layout.columns === 2 ? 0.9 : 0)
    const gap = grid.seedRight - this.#press.width(seed.time, { size }) - grid.team - this.#press.width(team, { size })
    const together = this.#layout.merged && gap < MERGES_WITHIN
    if (together) {
      this.#press.put(`${team} ${seed.time}`, grid.team, { size })
    } else {
      this.#press.put(team, grid.team, { size })
      this.#press.put(seed.time, grid.seedRight, { flush: 'right', size })
    }
    this.#press.put(seed.course ?? '', grid.seedRight + 0.7)
    if (grid.tag !== null) this.#press.put(seed.tag ?? '', grid.tag)
  }

  #relay(lead: number, relay: RelayTeam, place: Place): void {
    const { grid } = this.#press
    const { letter, seed } = relay
    const size = grid.rowSize - (this.#layout.columns === 2 ? 0.9 : 0)
    const team = this.#layout.columns === 3 ? relay.team.code : relay.team.name
    this.#press.put(letter, grid.letter, { size })
    this.#press.put(seed.time, grid.seedRight, { flush: 'right', size })
    this.#press.put(seed.course ?? '', grid.seedRight + 0.7)
    if (grid.tag !== null) this.#press.put(seed.tag ?? '', grid.tag)
    this.#press.put(team, grid.name)
    this.#endLine(lead)
    for (const legs of this.#legLines(relay)) {
      for (const { leg, swimmer, text, x } of legs) {
        this.#press.put(text, x)
        const mark = this.#layout.legMarks ? this.#mark(swimmer) : {}
        const event = { ...place, seedTime: seedTime(seed), team, ...mark, relay: { team, letter, leg } }
        this.#book.add(swimmer, printedName(swimmer, this.#layout.names), event)
      }
      this.#press.feed()
    }
  }

  /** Legs by line; those that nobody is named for leave their place empty. */
  #legLines({ legs }: RelayTeam): { leg: number; swimmer: Swimmer; text: string; x: number }[][] {
    const all = legs.flatMap((swimmer, i) => {
      if (!swimmer) return []
      const mark = this.#layout.legMarks ? this.#mark(swimmer) : {}
      const name = printedName(swimmer, this.#layout.names)
      const text = [`${i + 1})`, name, mark.age ?? mark.grade ?? ''].join(' ').trim()
      return [{ leg: i + 1, swimmer, text, x: this.#press.grid.legs[i % this.#layout.legs] ?? 24 }]
    })
    const lines = [all.filter(({ leg }) => leg <= this.#layout.legs), all.filter(({ leg }) => leg > this.#layout.legs)]
    return lines.filter((line) => line.length > 0)
  }

  /** The age or school year that a row prints, if any. */
  #mark({ age, grade, ageKnown }: Swimmer): Pick<TruthEvent, 'age' | 'grade'> {
    if (this.#layout.mark !== 'Age') return { grade }
    return this.#layout.someAges && !ageKnown ? {} : { age }
  }

  #teamOf({ name, code }: Team): string {
    const team = this.#layout.teams === 'code' ? code : name
    return team.slice(0, TEAM_LETTERS[this.#layout.columns]).trim()
  }

  /** A name as its column takes it: cut where it would reach the ages, or carried on below. */
  #nameLines(swimmer: Swimmer): string[] {
    const { grid } = this.#press
    const name = printedName(swimmer, this.#layout.names)
    const most = grid.markRight - this.#press.width('00') - 2.5 - grid.name
    const fits = (text: string) => this.#press.width(text) <= most
    if (fits(name)) return [name]
    if (this.#layout.longNames === 'wrap') {
      const words = name.split(' ')
      for (let kept = words.length - 1; kept > 0; kept--) {
        const line = words.slice(0, kept).join(' ')
        if (fits(line)) return [line, words.slice(kept).join(' ')]
      }
    }
    let length = name.length
    while (!fits(name.slice(0, length))) length--
    return [name.slice(0, length).trim()]
  }
}

function seedTime({ time, course }: Seed): string {
  return `${time}${course ?? ''}`
}
