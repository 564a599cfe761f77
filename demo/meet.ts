/** The meet of the demo: a weekend in March with five documents, in all of which one swimmer is found. */
import { Chance } from './chance.ts'
import { type EventPlan, enter, enterRelays, inFinals, inHeats, listed, type SeedHabits } from './entries.ts'
import { type Layout, PLAIN } from './layout.ts'
import { type Swimmer, someSwimmers, someTeams, spokenName } from './people.ts'
import type { Entry, Meet, MeetEvent } from './program.ts'
import { type Sheet, writeSheet } from './writer.ts'

/** A document to be handed over. */
export interface DemoDocument {
  readonly filename: string
  readonly bytes: Uint8Array
}

/** The whole meet. */
export interface DemoMeet {
  readonly meetName: string
  /** Swims in every document. */
  readonly swimmer: string
  readonly documents: readonly DemoDocument[]
  /** How many entries the swimmer has in all documents together. */
  readonly entries: number
}

const MEET: Meet = {
  name: 'Spring Splash Invitational',
  licence: 'Elderford Aquatic Center - Site License',
  start: '2027-03-05',
  end: '2027-03-07',
}
const FEATURED = 'Mara Lindqvist'
/** Of the first hundred, one in which the featured swimmer is in two finals. */
const SEED = 20_270_388

const PROGRAM = [
  '100 Freestyle',
  '50 Backstroke',
  '200 IM',
  '100 Breaststroke',
  '50 Butterfly',
  '200 Freestyle',
  '100 Backstroke',
] as const

/** Events of the meet, girls and boys in turn. */
function plans(): EventPlan[] {
  const strokes = ['Freestyle', 'Backstroke', 'Breaststroke', 'Butterfly', 'IM'] as const
  return PROGRAM.flatMap((name, i) => {
    const [distance, word] = name.split(' ')
    const stroke = strokes.find((one) => one === word) ?? 'Freestyle'
    const plan = { distance: Number(distance), course: 'Yard', stroke }
    return [
      { ...plan, number: 2 * i + 1, group: 'Girls 13-14' },
      { ...plan, number: 2 * i + 2, group: 'Boys 13-14' },
    ]
  })
}

function isFeatured(swimmer: Swimmer): boolean {
  return spokenName(swimmer) === FEATURED
}

/** Who swims an event: many, the featured swimmer in four of the girls' seven. */
function field(chance: Chance, plan: EventPlan, swimmers: readonly Swimmer[]): Swimmer[] {
  const girls = plan.group.startsWith('Girls')
  const featured = plan.number % 4 === 1
  return swimmers.filter((swimmer) => {
    const comes = chance.sometimes(0.75)
    if (isFeatured(swimmer)) return featured
    return swimmer.girl === girls && comes
  })
}

/** A title, the day it is on, the events and the layout of one document. */
interface Part {
  readonly filename: string
  readonly title: string
  readonly date?: string
  readonly events: readonly MeetEvent[]
  readonly layout: Layout
}

interface Entered {
  readonly plan: EventPlan
  readonly entries: readonly Entry[]
}

function enterAll(chance: Chance, swimmers: readonly Swimmer[]): Entered[] {
  const habits: SeedHabits = { none: [0.03, 'NT'], foreign: [0.1, 'L'], tags: ['B'] }
  return plans().map((plan) => ({ plan, entries: enter(chance, plan, field(chance, plan, swimmers), habits) }))
}

/** Some events in heats, half an hour for each. */
function heats(entered: readonly Entered[], round: string): MeetEvent[] {
  return entered.map(({ plan, entries }, i) => {
    const start = `${String(9 + (i >> 1)).padStart(2, '0')}:${i % 2 ? '35' : '05'}`
    return inHeats(plan, entries, { lanes: 8, round, start })
  })
}

function relays(chance: Chance, swimmers: readonly Swimmer[]): MeetEvent[] {
  return (['Medley Relay', 'Freestyle Relay'] as const).flatMap((stroke, i) =>
    [true, false].map((girls, j) => {
      const group = girls ? 'Girls 13-14' : 'Boys 13-14'
      const plan: EventPlan = { number: 15 + 2 * i + j, group, distance: 200, course: 'Yard', stroke }
      // Whoever comes first swims in the A team of their club.
      const order = chance.shuffle(swimmers).toSorted((a, b) => Number(isFeatured(b)) - Number(isFeatured(a)))
      const those = order.filter((swimmer) => swimmer.girl === girls)
      const teams = enterRelays(chance, plan, those, { missing: 0.04 })
      return inHeats(plan, teams, { lanes: 8, round: 'Finals', start: `${16 + i}:${j ? '45' : '15'}` })
    }),
  )
}

function parts(chance: Chance, swimmers: readonly Swimmer[]): Part[] {
  const entered = enterAll(chance, swimmers)
  const friday = entered.filter(({ plan }) => plan.number <= 8)
  const saturday = entered.filter(({ plan }) => plan.number > 8)
  const narrow: Layout = { ...PLAIN, columns: 3, heading: '#', teams: 'code', merged: true }
  return [
    {
      filename: 'psych-sheet.pdf',
      title: 'Psych Sheet',
      events: entered.map(({ plan, entries }) => listed(plan, entries)),
      layout: narrow,
    },
    {
      filename: 'friday-heats.pdf',
      title: 'Meet Program - Friday Prelims',
      date: '2027-03-05',
      events: heats(friday, 'Prelims'),
      layout: PLAIN,
    },
    {
      filename: 'saturday-heats.pdf',
      title: 'Meet Program - Saturday Timed Finals',
      date: '2027-03-06',
      events: heats(saturday, 'Finals'),
      layout: { ...PLAIN, splitHeats: true, longNames: 'wrap' },
    },
    {
      filename: 'saturday-relays.pdf',
      title: 'Meet Program - Saturday Relays',
      date: '2027-03-06',
      events: relays(chance, swimmers),
      layout: PLAIN,
    },
    {
      filename: 'sunday-finals.pdf',
      title: 'Meet Program - Sunday Finals',
      date: '2027-03-07',
      events: friday.map(({ plan, entries }) => inFinals(plan, entries, 4, 8)),
      layout: { ...narrow, seed: 'Prelims' },
    },
  ]
}

/** The meet's sheets with the truth about them. */
export async function theDemoSheets(): Promise<readonly (Sheet & { readonly filename: string })[]> {
  const chance = new Chance(SEED)
  const swimmers = someSwimmers(chance, { teams: someTeams(10), count: 150, ages: [13, 14] })
  const sheets: (Sheet & { filename: string })[] = []
  for (const { filename, title, date, events, layout } of parts(chance, swimmers)) {
    const session = { title, events, ...(date === undefined ? {} : { date }) }
    const sheet = await writeSheet(filename.replace('.pdf', ''), { meet: MEET, sessions: [session] }, layout)
    sheets.push({ ...sheet, filename })
  }
  return sheets
}

/** The meet as the demo hands it over. Always the same bytes. */
export async function theDemoMeet(): Promise<DemoMeet> {
  const sheets = await theDemoSheets()
  const entries = sheets.flatMap(
    ({ truth }) => truth.swimmers.find(({ swimmer }) => swimmer === FEATURED)?.events ?? [],
  )
  return {
    meetName: MEET.name,
    swimmer: FEATURED,
    documents: sheets.map(({ filename, bytes }) => ({ filename, bytes })),
    entries: entries.length,
  }
}
