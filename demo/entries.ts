/** Makes the events of a meet: who enters, with what time, and how they are seeded into heats, finals and lists. */
import type { Chance } from './chance.ts'
import type { Swimmer, Team } from './people.ts'
import type { Contender, Entry, Heat, MeetEvent, RelayTeam, Seed } from './program.ts'

/** Seconds that a good swimmer needs for 50 metres. */
const STROKES = {
  Freestyle: 27,
  Backstroke: 31,
  Breaststroke: 35,
  Butterfly: 29,
  IM: 32,
  'Medley Relay': 30,
  'Freestyle Relay': 27,
}
export type Stroke = keyof typeof STROKES

/** How an event's entries are made. */
export interface EventPlan {
  readonly number: number
  /** Everything before the distance: `Girls 11-12`. */
  readonly group: string
  readonly distance: number
  /** `Yard`, `LC Meter`, `SC Meter`. */
  readonly course: string
  readonly stroke: Stroke
  readonly record?: MeetEvent['record']
  readonly standard?: MeetEvent['standard']
}

/** What seeds look like. Shares are between 0 and 1. */
export interface SeedHabits {
  /** Swum in another course, and which. */
  readonly foreign?: readonly [share: number, course: 'L' | 'S' | 'Y']
  readonly exhibition?: number
  readonly none?: readonly [share: number, word: string]
  readonly tags?: readonly string[]
}

function clock(seconds: number): string {
  const hundredths = Math.round(seconds * 100)
  const minutes = Math.floor(hundredths / 6000)
  const rest = ((hundredths % 6000) / 100).toFixed(2)
  return minutes === 0 ? rest : `${minutes}:${rest.padStart(5, '0')}`
}

function seed(chance: Chance, plan: EventPlan, habits: SeedHabits): { seconds: number; seed: Seed } {
  const [noShare, word] = habits.none ?? [0, 'NT']
  if (chance.sometimes(noShare)) return { seconds: Number.POSITIVE_INFINITY, seed: { time: word } }
  const seconds = STROKES[plan.stroke] * (plan.distance / 50) ** 1.07 * chance.between(1, 1.35)
  const [share, course] = habits.foreign ?? [0, 'L' as const]
  const foreign = chance.sometimes(share) ? { course } : {}
  const tag = habits.tags && chance.sometimes(0.4) ? { tag: chance.pick(habits.tags) } : {}
  const mark = chance.sometimes(habits.exhibition ?? 0) ? 'X' : ''
  return { seconds, seed: { time: `${mark}${clock(seconds)}`, ...foreign, ...tag } }
}

/** Entries of an event, fastest first, those without a time last. Two neighbours in nine have the same time. */
export function enter(chance: Chance, plan: EventPlan, swimmers: readonly Swimmer[], habits: SeedHabits = {}): Entry[] {
  const timed = swimmers
    .map((swimmer) => ({ swimmer, ...seed(chance, plan, habits) }))
    .toSorted((a, b) => a.seconds - b.seconds || (a.swimmer.last < b.swimmer.last ? -1 : 1))
  return timed.map(({ swimmer, seed }, i) => {
    const tied = i % 9 === 4 ? timed[i - 1]?.seed : undefined
    return { kind: 'entry', swimmer, seed: tied && /\d/.test(seed.time) ? tied : seed }
  })
}

/** How relay teams are made. */
export interface RelayHabits {
  readonly habits?: SeedHabits
  /** Share of legs that nobody is named for. */
  readonly missing?: number
  /** No legs are named at all. */
  readonly unnamed?: boolean
}

/** Relay teams of an event, fastest first; a club's first four swimmers are its A team. */
export function enterRelays(
  chance: Chance,
  plan: EventPlan,
  swimmers: readonly Swimmer[],
  options: RelayHabits = {},
): RelayTeam[] {
  const clubs = new Map<Team, Swimmer[]>()
  for (const swimmer of swimmers) clubs.set(swimmer.team, [...(clubs.get(swimmer.team) ?? []), swimmer])
  const teams = [...clubs].flatMap(([team, members]) =>
    [...'ABC'].flatMap((letter, nth) => {
      const four = members.slice(nth * 4, nth * 4 + 4)
      if (four.length < 4 && nth > 0) return []
      const legs = options.unnamed ? [] : four.map((one) => (chance.sometimes(options.missing ?? 0) ? null : one))
      return [{ team, letter, legs, ...seed(chance, plan, options.habits ?? {}) }]
    }),
  )
  return teams
    .toSorted((a, b) => a.seconds - b.seconds || (a.team.code < b.team.code ? -1 : 1))
    .map(({ team, letter, legs, seed }) => ({ kind: 'relay', team, letter, legs, seed }))
}

function named({ number, group, distance, course, stroke, record, standard }: EventPlan, relay: boolean) {
  return {
    number,
    name: `${group} ${distance} ${course} ${stroke}`,
    relay,
    ...(record === undefined ? {} : { record }),
    ...(standard === undefined ? {} : { standard }),
    heats: [],
    ranked: [],
    alternates: [],
  }
}

function isRelay(contenders: readonly Contender[]): boolean {
  return contenders.some(({ kind }) => kind === 'relay')
}

/** An event as a list in order of seed. Equal times share a rank. */
export function listed(plan: EventPlan, contenders: readonly Contender[]): MeetEvent {
  let rank = 0
  const ranked = contenders.map((contender, i) => {
    const { seed } = contender
    const tied = i > 0 && /\d/.test(seed.time) && contenders[i - 1]?.seed.time === seed.time
    rank = tied ? rank : i + 1
    return { rank, contender }
  })
  return { ...named(plan, isRelay(contenders)), ranked }
}

/** Lanes from the middle outwards: 4 5 3 6 2 7 1 8. */
function laneOrder(lanes: number): number[] {
  const middle = (lanes + 1) / 2
  return Array.from({ length: lanes }, (_, i) => i + 1).toSorted(
    (a, b) => Math.abs(a - middle) - Math.abs(b - middle) || a - b,
  )
}

function inLanes(contenders: readonly Contender[], lanes: number): (Contender | null)[] {
  const places = Array.from({ length: lanes }, (): Contender | null => null)
  const order = laneOrder(lanes)
  for (const [i, contender] of contenders.entries()) places[(order[i] ?? 1) - 1] = contender
  return places
}

/** How heats are made. */
export interface HeatPlan {
  readonly lanes: number
  readonly round: string
  /** `HH:MM` of the first heat; heats have no times without it. */
  readonly start?: string
  readonly minutesEach?: number
}

function later(start: string, minutes: number): string {
  const [hours = 0, past = 0] = start.split(':').map(Number)
  const all = hours * 60 + past + Math.round(minutes)
  return `${String(Math.floor(all / 60)).padStart(2, '0')}:${String(all % 60).padStart(2, '0')}`
}

/** An event in heats, the slowest first; the first heat has the lanes that stay empty. */
export function inHeats(
  plan: EventPlan,
  contenders: readonly Contender[],
  { lanes, round, ...times }: HeatPlan,
): MeetEvent {
  const count = Math.max(1, Math.ceil(contenders.length / lanes))
  const slowestFirst = contenders.toReversed()
  const short = contenders.length - (count - 1) * lanes
  const heats = Array.from({ length: count }, (_, i): Heat => {
    const from = i === 0 ? 0 : short + (i - 1) * lanes
    const swimming = slowestFirst.slice(from, i === 0 ? short : from + lanes).toReversed()
    const start = times.start === undefined ? {} : { start: later(times.start, i * (times.minutesEach ?? 2)) }
    return { number: i + 1, of: count, round, lanes: inLanes(swimming, lanes), ...start }
  })
  return { ...named(plan, isRelay(contenders)), heats }
}

/** An event's finals, `C - Final` before `A - Final`, and two alternates. */
export function inFinals(plan: EventPlan, entries: readonly Entry[], finals: number, lanes: number): MeetEvent {
  const heats = Array.from({ length: finals }, (_, i): Heat => {
    const place = finals - 1 - i
    const round = `${'ABCD'.charAt(place)} - Final`
    return { number: i + 1, round, lanes: inLanes(entries.slice(place * lanes, (place + 1) * lanes), lanes) }
  })
  return { ...named(plan, false), heats, alternates: entries.slice(finals * lanes, finals * lanes + 2) }
}

/** Two events swum together, their heats in turn: numbered by both, called by both. */
export function combined(first: MeetEvent, second: MeetEvent, short: string): MeetEvent {
  const [one = '', other = ''] = [first, second].map(({ name }) => name.split(' ')[0])
  const group = first.name.split(' ')[1] ?? ''
  const heats = [
    ...first.heats.map((heat) => ({ ...heat, within: `Heat ${heat.number} ${one} ${short}` })),
    ...second.heats.map((heat) => ({ ...heat, within: `Heat ${heat.number} ${other} ${short}` })),
  ].map(({ number: _, of: __, ...heat }, i) => ({ ...heat, number: i + 1 }))
  return { ...first, second: second.number, name: `${one} / ${other} ${group} ${short}`, heats }
}
