/** What a meet is, before anybody prints it: sessions, events, heats, who swims in which lane. */
import type { Swimmer, Team } from './people.ts'

/** The time that somebody is entered with. */
export interface Seed {
  /** `1:02.34`, `X27.10` for exhibition, `NT`, `NP`. */
  readonly time: string
  /** Set where the time was swum in a course that is not the meet's. */
  readonly course?: 'L' | 'S' | 'Y'
  /** A mark after it: `B`, `D2`, `ALL*`. */
  readonly tag?: string
}

/** Somebody in an individual event. */
export interface Entry {
  readonly kind: 'entry'
  readonly swimmer: Swimmer
  readonly seed: Seed
}

/** A relay team. */
export interface RelayTeam {
  readonly kind: 'relay'
  readonly team: Team
  readonly letter: string
  readonly seed: Seed
  /** Null where nobody is named. Empty where the sheet names no legs. */
  readonly legs: readonly (Swimmer | null)[]
}

export type Contender = Entry | RelayTeam

export interface Heat {
  /** Running number in its event. */
  readonly number: number
  readonly of?: number
  /** `Finals`, `A - Final`. */
  readonly round?: string
  /** `HH:MM`, 24 h. */
  readonly start?: string
  /** Which heat of which event a heat of a combined event is: `Heat 3 Girls 800 Free`. */
  readonly within?: string
  /** From lane 1 on; null where nobody swims. */
  readonly lanes: readonly (Contender | null)[]
}

export interface MeetEvent {
  readonly number: number
  /** The other number of a combined event. */
  readonly second?: number
  readonly name: string
  readonly relay: boolean
  /** A record and who holds it, who need not swim here. */
  readonly record?: { readonly label: string; readonly time: string; readonly date: string; readonly holder: string }
  /** A time to qualify by and its name. */
  readonly standard?: { readonly time: string; readonly label: string }
  readonly heats: readonly Heat[]
  /** In order of seed, where there are no heats yet. */
  readonly ranked: readonly { readonly rank: number; readonly contender: Contender }[]
  readonly alternates: readonly Entry[]
}

export interface Session {
  /** What stands below the meet's name: `Meet Program - Saturday Morning`. */
  readonly title: string
  /** `YYYY-MM-DD`, where the title says the day. */
  readonly date?: string
  readonly events: readonly MeetEvent[]
}

export interface Meet {
  readonly name: string
  /** Who the program is licensed to; stands top left. */
  readonly licence: string
  /** `YYYY-MM-DD`. */
  readonly start: string
  readonly end: string
  /** Printed between the meet's name and the session. */
  readonly place?: string
}

/** What one document prints. */
export interface Program {
  readonly meet: Meet
  readonly sessions: readonly Session[]
}
