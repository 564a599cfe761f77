/** Tracks the reader's position in the meet's program: which session, event and heat the next row belongs to. */
import type { EventHeading, HeatHeading } from './headings.ts'
import type { Row } from './rows.ts'
import type { SheetEntry, SheetEvent } from './sheet.ts'

interface Heat {
  readonly number: number
  start?: string
  round?: string
}

/** Kind of the rows being read: places in a list, lanes of a heat, or alternates. */
type Mode = 'list' | 'heats' | 'alternates'

/** Follows the headings of one sheet. */
export class Program {
  readonly events: SheetEvent[] = []
  /** Of the page being read, a place in the sheet's sessions. */
  session = 0

  #at: number | null = null
  #mode: Mode = 'list'
  #heat: Heat | null = null
  /** Events by session and number. */
  readonly #known = new Map<string, number>()
  /** Heats by event and number, so that one that goes on over a break keeps its start and round. */
  readonly #heats = new Map<string, Heat>()
  /** Number of heats seen of an event, and the number that its heading states. */
  readonly #counts = new Map<number, { seen: number; said?: number }>()

  /** The event that rows belong to, or undefined before the first. */
  get event(): SheetEvent | undefined {
    return this.#at === null ? undefined : this.events[this.#at]
  }

  /** Goes on to an event; false when it is the one that rows belong to already, as at the top of a column. */
  openEvent({ number, name, continued }: EventHeading): boolean {
    const key = `${this.session}/${number}`
    const known = this.#known.get(key)
    const same = known !== undefined && (continued || this.events[known]?.name === name || name === '')
    if (same && known === this.#at) return false
    this.#at = same ? known : this.events.push({ number, name, session: this.session }) - 1
    this.#known.set(key, this.#at)
    this.#mode = 'list'
    this.#heat = null
    return true
  }

  /** Goes on to a heat; false when it is the one that rows belong to already. */
  openHeat(heading: HeatHeading): boolean {
    const key = `${this.#at ?? ''}/${heading.heat}`
    const count = this.#counts.get(this.#at ?? -1) ?? { seen: 0 }
    let heat = this.#heats.get(key)
    if (!heat) {
      heat = { number: heading.heat }
      count.seen++
      this.#heats.set(key, heat)
    }
    if (heading.start !== undefined) heat.start = heading.start
    if (heading.round !== undefined) heat.round ??= heading.round
    if (heading.of !== undefined) count.said = heading.of
    this.#counts.set(this.#at ?? -1, count)
    const goesOn = this.#mode === 'heats' && this.#heat === heat
    this.#heat = heat
    this.#mode = 'heats'
    return !goesOn
  }

  /** Goes on to the alternates of the event. */
  openAlternates(): void {
    this.#mode = 'alternates'
    this.#heat = null
  }

  /** Gives the open heat a start unless it has one; false when no heat is open. */
  startHeat(start: string): boolean {
    if (!this.#heat) return false
    this.#heat.start ??= start
    return true
  }

  /** Returns the fields of an entry that state its place, for a row that stands here. */
  place(row: Row): Omit<SheetEntry, 'name'> {
    const seed = row.seed === undefined ? {} : { seed: row.seed }
    return { event: this.#at ?? 0, ...this.#where(row.lead), ...seed }
  }

  #where(lead: number): Partial<SheetEntry> {
    if (this.#mode === 'alternates') return { alternate: lead }
    const heat = this.#heat
    if (!heat) return { rank: lead }
    return {
      heat: heat.number,
      lane: lead,
      ...(heat.start === undefined ? {} : { start: heat.start }),
      ...(heat.round === undefined ? {} : { round: heat.round }),
    }
  }

  /** Events that print fewer or more heats than a heading of theirs says there are, in words. */
  incomplete(): string[] {
    return [...this.#counts].flatMap(([at, { seen, said }]) =>
      said === undefined || said === seen ? [] : [`event ${this.events[at]?.number ?? 0}: ${seen} of ${said} heats`],
    )
  }
}
