/** A meet in every layout that sheets come in, each document with the truth about it. */
import { Chance } from './chance.ts'
import { combined, type EventPlan, enter, enterRelays, inFinals, inHeats, listed, type SeedHabits } from './entries.ts'
import { type Layout, PLAIN } from './layout.ts'
import { type Swimmer, someSwimmers, someTeams, type Team } from './people.ts'
import type { Meet, MeetEvent, Program, Session } from './program.ts'
import { type Sheet, writeSheet } from './writer.ts'

const MEET: Meet = {
  name: 'Weir Valley Open',
  licence: 'Weirside Natatorium - Site License',
  start: '2031-03-07',
  end: '2031-03-09',
}

/** What the documents of one seed are made of. */
interface Cast {
  readonly chance: Chance
  readonly teams: readonly Team[]
  readonly girls: readonly Swimmer[]
  readonly boys: readonly Swimmer[]
}

function cast(seed: number, count: number, ages: readonly [number, number] = [13, 19]): Cast {
  const chance = new Chance(seed)
  const teams = someTeams(10)
  const all = someSwimmers(chance, { teams, count, ages })
  return { chance, teams, girls: all.filter(({ girl }) => girl), boys: all.filter(({ girl }) => !girl) }
}

const STROKES = ['Freestyle', 'Backstroke', 'Breaststroke', 'Butterfly', 'IM'] as const

/** Plans of events, girls and boys in turn, numbered from `first` on. */
function plans(
  first: number,
  count: number,
  course: string,
  words: readonly [string, string],
  group = '',
): EventPlan[] {
  return Array.from({ length: count }, (_, i) => ({
    number: first + i,
    group: [words[i % 2] ?? '', group].join(' ').trim(),
    distance: [100, 50, 200, 100, 400][(i >> 1) % 5] ?? 100,
    course,
    stroke: STROKES[(i >> 1) % STROKES.length] ?? 'Freestyle',
  }))
}

const GIRLS_BOYS = ['Girls', 'Boys'] as const
const WOMEN_MEN = ['Women', 'Men'] as const

function isGirls({ group }: EventPlan): boolean {
  return /^(?:Girls|Women)/.test(group)
}

/** Most of those who may swim an event, in any order. */
function field({ chance, girls, boys }: Cast, plan: EventPlan, share = 0.8): Swimmer[] {
  return chance.shuffle((isGirls(plan) ? girls : boys).filter(() => chance.sometimes(share)))
}

function individually(
  cast: Cast,
  events: readonly EventPlan[],
  habits: SeedHabits,
  make: (plan: EventPlan, entries: ReturnType<typeof enter>) => MeetEvent,
): MeetEvent[] {
  return events.map((plan) => make(plan, enter(cast.chance, plan, field(cast, plan), habits)))
}

function one(meet: Partial<Meet>, title: string, events: readonly MeetEvent[], date?: string): Program {
  const session: Session = { title, events, ...(date === undefined ? {} : { date }) }
  return { meet: { ...MEET, ...meet }, sessions: [session] }
}

/** Heat sheet in one column: `First Last`, no narrow places, a start for each heat. */
function heatsInOne(seed: number): Promise<Sheet> {
  const people = cast(seed, 44, [13, 14])
  const events = individually(
    people,
    plans(1, 6, 'Yard', GIRLS_BOYS, '13-14'),
    { none: [0.05, 'NT'] },
    (plan, entries) =>
      inHeats(plan, entries, { lanes: 6, round: 'Finals', start: `${String(8 + plan.number).padStart(2, '0')}:05` }),
  )
  const layout: Layout = { ...PLAIN, columns: 1, names: 'first-last' }
  return writeSheet('heats-1-column', one({}, 'Meet Program - Friday Evening', events, '2031-03-07'), layout)
}

/** Heat sheet in two columns: records, qualifiers, course letters, club names cut off, prelims beside timed finals. */
function heatsInTwo(seed: number): Promise<Sheet> {
  const people = cast(seed, 96, [11, 12])
  const [holder] = people.girls
  const habits: SeedHabits = { foreign: [0.15, 'Y'], tags: ['B'], none: [0.04, 'NT'] }
  const events = individually(people, plans(5, 6, 'LC Meter', GIRLS_BOYS, '11-12'), habits, (plan, entries) => {
    const holders = [holder ? `${holder.first} ${holder.last}` : '', 'Perpetua V Sandholm']
    const record = { label: 'WV', time: '1:02.18', date: '8/5/2025', holder: holders[plan.number % 2] ?? '' }
    const round = plan.number < 7 ? 'Finals - Swimming with Finals' : 'Prelims'
    return inHeats({ ...plan, record }, entries, { lanes: 8, round })
  })
  const meet = { name: '2031 Weir Valley Age Group Championships, Sanction #: WV31-007', place: 'Elderford, Noland' }
  const program = one(meet, 'Meet Program - Saturday Prelims', events, '2031-03-08')
  return writeSheet('heats-2-columns', program, { ...PLAIN, dates: 'words' })
}

/** Finals in three narrow columns: `#5 Women …`, lettered finals, alternates, club and time run together. */
function finalsInThree(seed: number): Promise<Sheet> {
  const people = cast(seed, 110)
  const events = individually(people, plans(5, 10, 'LC Meter', WOMEN_MEN, '13 & Over'), {}, (plan, entries) =>
    inFinals(plan, entries, plan.distance > 200 ? 2 : 4, 8),
  )
  const layout: Layout = {
    ...PLAIN,
    columns: 3,
    heading: '#',
    teams: 'code',
    seed: 'Prelims',
    merged: true,
    bottom: 130,
  }
  return writeSheet('finals-3-columns', one({}, 'Meet Program - Sunday Senior Finals', events, '2031-03-09'), layout)
}

/** Heats that break at columns and pages, each headed again there, with starts, long names carried on below. */
function brokenHeats(seed: number): Promise<Sheet> {
  const people = cast(seed, 110)
  const events = individually(
    people,
    plans(21, 8, 'Yard', GIRLS_BOYS, 'Open'),
    { exhibition: 0.1, none: [0.05, 'NP'] },
    (plan, entries) =>
      inHeats(plan, entries, { lanes: 10, round: 'Finals', start: `${String(plan.number - 13).padStart(2, '0')}:40` }),
  )
  const layout: Layout = {
    ...PLAIN,
    splitHeats: true,
    continued: 'column',
    longNames: 'wrap',
    blanks: 'line',
    bottom: 250,
  }
  return writeSheet('heats-broken', one({}, 'Meet Program - Saturday Afternoon', events, '2031-03-08'), layout)
}

/** Two events in one, heats numbered through; a list without heats in the same document; two sessions. */
function combinedAndListed(seed: number): Promise<Sheet> {
  const people = cast(seed, 72, [13, 14])
  const heats = { lanes: 8, round: 'Swimming with Finals' }
  const long = plans(21, 2, 'LC Meter', GIRLS_BOYS, '13-14').map((plan) => ({ ...plan, distance: 800 }))
  const [girls, boys] = individually(people, long, {}, (plan, entries) => inHeats(plan, entries, heats))
  const rest = individually(people, plans(23, 4, 'LC Meter', GIRLS_BOYS, '13-14'), {}, (plan, entries) =>
    plan.number === 24 ? listed(plan, entries) : inHeats(plan, entries, { lanes: 8, round: 'Prelims' }),
  )
  const both = girls && boys ? [combined(girls, boys, '800 Free')] : []
  const sessions: Session[] = [
    { title: 'Meet Program - Friday Distance', date: '2031-03-07', events: both },
    { title: 'Meet Program - Saturday Prelims', date: '2031-03-08', events: rest },
  ]
  return writeSheet('combined-and-listed', { meet: MEET, sessions }, { ...PLAIN, bottom: 200 })
}

/** A school meet: relays with legs on two lines, exhibition seeds, empty lanes, lines to write on, ages known of some. */
function schoolHeats(seed: number): Promise<Sheet> {
  const people = cast(seed, 84, [14, 18])
  const habits: SeedHabits = { exhibition: 0.2, none: [0.1, 'NT'] }
  const [relay, last] = plans(1, 2, 'Yard', ['Girls', 'Girls']).map(
    (plan, i): EventPlan => ({
      ...plan,
      number: i === 0 ? 1 : 8,
      distance: 200,
      stroke: i === 0 ? 'Medley Relay' : 'Freestyle Relay',
    }),
  )
  const single = individually(people, plans(2, 6, 'Yard', ['Girls', 'Girls']), habits, (plan, entries) =>
    inHeats(plan, entries, { lanes: 6, round: 'Finals' }),
  )
  const relays = [relay, last].flatMap((plan) =>
    plan
      ? [
          inHeats(plan, enterRelays(people.chance, plan, people.girls, { habits, missing: 0.05 }), {
            lanes: 6,
            round: 'Finals',
          }),
        ]
      : [],
  )
  const layout: Layout = { ...PLAIN, affiliation: 'School', blanks: 'line', someAges: true, longNames: 'wrap' }
  const events = [...relays.slice(0, 1), ...single, ...relays.slice(1)]
  return writeSheet('school-heats', one({ end: MEET.start }, 'Meet Program - Swimming', events, MEET.start), layout)
}

/** Psych sheet in one column: school years, legs four across, blanks for finals and places. */
function psychInOne(seed: number): Promise<Sheet> {
  const people = cast(seed, 60, [14, 17])
  const events = individually(people, plans(1, 8, 'SC Meter', WOMEN_MEN), { none: [0.06, 'NT'] }, listed)
  const relayPlan: EventPlan = { number: 9, group: 'Men', distance: 200, course: 'SC Meter', stroke: 'Medley Relay' }
  const relay = listed(relayPlan, enterRelays(people.chance, relayPlan, people.boys))
  const layout: Layout = { ...PLAIN, columns: 1, mark: 'Year', affiliation: 'School', legs: 4, blanks: 'finals' }
  const program = one(
    { name: 'Otter Invitational Two', end: MEET.start },
    'Psych Sheet',
    [...events, relay],
    MEET.start,
  )
  return writeSheet('psych-1-column', program, layout)
}

/** Psych sheet in two columns: ISO dates, relays with legs some of whom are missing, qualifying times and tags. */
function psychInTwo(seed: number): Promise<Sheet> {
  const people = cast(seed, 120)
  const relayPlans = plans(1, 2, 'SC Meter', WOMEN_MEN).map(
    (plan): EventPlan => ({ ...plan, distance: 200, stroke: 'Freestyle Relay' }),
  )
  const relays = relayPlans.map((plan) =>
    listed(plan, enterRelays(people.chance, plan, isGirls(plan) ? people.girls : people.boys, { missing: 0.15 })),
  )
  const habits: SeedHabits = { foreign: [0.1, 'L'], tags: ['B', 'D2', 'ALL*'], none: [0.03, 'NT'] }
  const single = individually(people, plans(3, 8, 'SC Meter', WOMEN_MEN), habits, (plan, entries) =>
    listed({ ...plan, standard: { time: '1:12.69', label: 'WVAG Qualifying Time' } }, entries),
  )
  const layout: Layout = { ...PLAIN, dates: 'iso', teams: 'code' }
  return writeSheet('psych-2-columns', one({}, 'Psych Sheet', [...relays, ...single]), layout)
}

/** Psych sheet in two columns of a university: school years in a column `Yr`, set in Helvetica. */
function yearsInTwo(seed: number): Promise<Sheet> {
  const people = cast(seed, 90, [18, 22])
  const events = individually(people, plans(1, 8, 'SC Meter', WOMEN_MEN), { exhibition: 0.1 }, listed)
  const layout: Layout = {
    ...PLAIN,
    mark: 'Yr',
    affiliation: 'School',
    font: 'Helvetica',
    blanks: 'line',
    teams: 'code',
  }
  return writeSheet('psych-2-columns-years', one({}, 'Psych Sheet', events), layout)
}

/** Psych sheet in three columns: many rows, club and time run together, events that go on over pages, relays without legs. */
function psychInThree(seed: number): Promise<Sheet> {
  const people = cast(seed, 130, [13, 18])
  const habits: SeedHabits = { foreign: [0.2, 'Y'], none: [0.03, 'NT'] }
  const single = individually(people, plans(1, 10, 'LC Meter', GIRLS_BOYS, '13 & Over'), habits, listed)
  const mile = plans(11, 2, 'LC Meter', GIRLS_BOYS, '13 & Over').map((plan) => ({ ...plan, distance: 1500 }))
  const long = individually(people, mile, habits, listed)
  const relayPlan: EventPlan = {
    number: 501,
    group: 'Mixed 13-14',
    distance: 200,
    course: 'LC Meter',
    stroke: 'Medley Relay',
  }
  const relay = listed(relayPlan, enterRelays(people.chance, relayPlan, people.girls, { unnamed: true }))
  const layout: Layout = { ...PLAIN, columns: 3, heading: '#', teams: 'code', merged: true }
  const place = 'Meet Referee - Ambrose Pellworth, Sanction #: WV31-008'
  return writeSheet('psych-3-columns', one({ place }, 'Psych Sheet', [...single, ...long, relay]), layout)
}

const LAYOUTS = [
  heatsInOne,
  heatsInTwo,
  finalsInThree,
  brokenHeats,
  combinedAndListed,
  schoolHeats,
  psychInOne,
  psychInTwo,
  yearsInTwo,
  psychInThree,
]

/** A document in each layout. The same seed gives the same bytes. */
export async function allLayouts(seed = 1): Promise<Sheet[]> {
  const sheets: Sheet[] = []
  for (const [i, layout] of LAYOUTS.entries()) sheets.push(await layout(seed * 100 + i))
  return sheets
}
