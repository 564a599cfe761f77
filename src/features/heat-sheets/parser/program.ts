/** Tracks the reader's position in the meet's program: the session, event and heat of the next row. */
import type { EventHeading, HeatHeading } from './headings.ts'
import type { Row } from './rows.ts'
import type { SheetEntry, SheetEvent } from './sheet.ts'

interface Heat {
  readonly number: number
  start?: string
  round?: string
}

/** Kind of the current rows: ranks in a list, lanes of a heat, or alternates. */
type Mode = 'list' | 'heats' | 'alternates'

/** Follows the headings of one sheet. */
export class Program {
  readonly events: SheetEvent[] = []
  /** Session of the current page, as an index in the sheet's sessions. */
  session = 0

  #at: number | null = null
  #mode: Mode = 'list'
  #heat: Heat | null = null
  /** Events by session and number. */
  readonly #known = new Map<string, number>()
  /** Heats by event and number, so that one that continues after a page break keeps its start and round. */
  readonly #heats = new Map<string, Heat>()
  /** Number of heats read of an event, and the number in its heading. */
  readonly #counts = new Map<number, { seen: number; said?: number }>()

  /** Current event; undefined before the first. */
  get event(): SheetEvent | undefined {
    return this.#at === null ? undefined : this.events[this.#at]
  }

  /** Opens an event; false when it is already the current one, as at the top of a column. */
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

  /** Opens a heat; false when it is already the current one. */
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

  /** Opens the alternates of the event. */
  openAlternates(): void {
    this.#mode = 'alternates'
    this.#heat = null
  }

  /** Sets the start of the open heat unless it has one; false when no heat is open. */
  startHeat(start: string): boolean {
    if (!this.#heat) return false
    this.#heat.start ??= start
    return true
  }

  /** Returns the position of a row in the program as fields of its entry. */
  positionOf(row: Row): Omit<SheetEntry, 'name'> {
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

  /** Describes the events with fewer or more heats than their heading says. */
  incomplete(): string[] {
    return [...this.#counts].flatMap(([at, { seen, said }]) =>
      said === undefined || said === seen ? [] : [`event ${this.events[at]?.number ?? 0}: ${seen} of ${said} heats`],
    )
  }
}
