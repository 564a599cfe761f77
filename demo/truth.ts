/** What a generated sheet says of each swimmer, noted down while it is printed: what tests hold a reader of sheets against. */
import { type Swimmer, spokenName } from './people.ts'

/** One entry as the sheet prints it. */
export interface TruthEvent {
  readonly eventNumber: number
  readonly eventName: string
  /** Null on lists without heats. */
  readonly heat: number | null
  readonly lane: number | null
  /** As printed, course letter joined. */
  readonly seedTime: string
  readonly team: string
  readonly rank?: number
  readonly alternate?: number
  readonly age?: number
  readonly grade?: string
  /** `HH:MM`, 24 h. */
  readonly heatStartTime?: string
  readonly round?: string
  readonly relay?: { readonly team: string; readonly letter: string; readonly leg: number }
  /** `YYYY-MM-DD`, where the sheet says which day the session is on. */
  readonly sessionDate?: string
}

/** All that a sheet says of one swimmer. */
export interface SwimmerTruth {
  /** `First Last`. */
  readonly swimmer: string
  /** Every way in which the sheet prints the name; more than one only where some are cut off. */
  readonly printedAs: readonly string[]
  readonly events: readonly TruthEvent[]
}

/** All that a sheet says. */
export interface Truth {
  readonly meet: { readonly meetName: string; readonly start: string; readonly end: string }
  /** Session names in the order of their pages. */
  readonly sessions: readonly string[]
  readonly swimmers: readonly SwimmerTruth[]
  /** People the sheet names without entering them: holders of records. */
  readonly absent: readonly string[]
}

/** Collects what is printed. */
export class TruthBook {
  readonly #swimmers = new Map<Swimmer, { printedAs: Set<string>; events: TruthEvent[] }>()
  readonly #named = new Set<string>()

  /** Notes an entry. */
  add(swimmer: Swimmer, printedAs: string, event: TruthEvent): void {
    const known = this.#swimmers.get(swimmer) ?? { printedAs: new Set(), events: [] }
    known.printedAs.add(printedAs)
    known.events.push(event)
    this.#swimmers.set(swimmer, known)
  }

  /** Notes that somebody is named, `First Last`, without being entered by it. */
  name(person: string): void {
    this.#named.add(person)
  }

  /** Every swimmer so far, by name. */
  swimmers(): SwimmerTruth[] {
    return [...this.#swimmers]
      .map(([swimmer, { printedAs, events }]) => ({ swimmer: spokenName(swimmer), printedAs: [...printedAs], events }))
      .toSorted((a, b) => (a.swimmer < b.swimmer ? -1 : 1))
  }

  /** Those who are named but not entered anywhere. */
  absent(): string[] {
    const entered = new Set(this.swimmers().map(({ swimmer }) => swimmer))
    return [...this.#named].filter((person) => !entered.has(person))
  }
}
