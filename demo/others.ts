/** Documents that are no heat sheets, or none that can be opened, for tests of how they are refused. */
import { Chance } from './chance.ts'
import { type EventPlan, enter } from './entries.ts'
import { PLAIN } from './layout.ts'
import { printedName, someSwimmers, someTeams } from './people.ts'
import { type Head, Press } from './press.ts'
import type { Entry } from './program.ts'

/** A document and why it is refused. */
export interface OtherDocument {
  readonly name: string
  readonly bytes: Uint8Array
  /** The code that a reader of heat sheets refuses it with. */
  readonly code: 'NOT_A_HEAT_SHEET' | 'NO_TEXT' | 'INVALID_PDF'
}

const ONE_COLUMN = { ...PLAIN, columns: 1 } as const

function head(title: string): Head {
  return {
    left: 'Weirside Natatorium - Site License',
    right: "HY-TEK's MEET MANAGER 8.0 - 9:12 PM 3/9/2031",
    lines: ['Weir Valley Open - 3/7/2031 to 3/9/2031', title],
  }
}

const RESULT_HEADINGS = [
  ['Name', 40],
  ['Age', 190],
  ['Team', 210],
  ['Seed Time', 360],
  ['Finals Time', 440],
  ['Points', 520],
] as const

/** A place and its splits. The times swum are anything that looks like one. */
function putResult(press: Press, place: number, { swimmer, seed }: Entry): void {
  const swum = `1:0${place % 9}.${10 + place}`
  press.put(`${place}`, 19, { flush: 'right' })
  press.put(printedName(swimmer, 'last-first'), 36)
  press.put(`${swimmer.age}`, 203, { flush: 'right' })
  press.put(swimmer.team.name, 210)
  press.put(seed.time, 396, { flush: 'right' })
  press.put(swum, 480, { flush: 'right' })
  press.put(`${Math.max(0, 21 - place)}`, 540, { flush: 'right' })
  press.feed()
  press.put(`29.${10 + place}   ${swum} (31.${20 + place})`, 60)
  press.feed()
}

/** Results as Meet Manager prints them: places, seeds, times swum, splits. */
async function results(seed: number): Promise<Uint8Array> {
  const chance = new Chance(seed)
  const swimmers = someSwimmers(chance, { teams: someTeams(8), count: 32, ages: [13, 18] })
  const girls = swimmers.filter(({ girl }) => girl)
  const press = new Press(ONE_COLUMN)
  press.openPage(head('Results - Sunday Finals'))
  for (const [i, stroke] of (['Freestyle', 'Backstroke'] as const).entries()) {
    const plan: EventPlan = { number: 11 + i, group: 'Girls 13 & Over', distance: 100, course: 'Yard', stroke }
    press.put(`Event ${plan.number} ${plan.group} 100 Yard ${stroke}`, 0, { bold: true })
    press.underline()
    press.feed()
    for (const [text, x] of RESULT_HEADINGS) press.put(text, x, { bold: true })
    press.feed()
    for (const [at, entry] of enter(chance, plan, girls).entries()) putResult(press, at + 1, entry)
    press.feed()
  }
  return press.finish()
}

/** A session report: when each event begins, and how many swim it. */
async function sessionReport(): Promise<Uint8Array> {
  const press = new Press(ONE_COLUMN)
  press.openPage(head('Session Report'))
  for (const [number, name, hour] of [
    [1, 'Friday Distance', 1],
    [2, 'Saturday Prelims', 8],
  ] as const) {
    press.put(`Session: ${number} ${name}`, 230, { bold: true })
    press.feed()
    press.put(
      `Day of Meet: ${number} Starts at 0${hour}:00 ${hour === 1 ? 'PM' : 'AM'} Heat Interval: 30 Seconds / Back +15 Seconds`,
      120,
    )
    press.feed()
    for (const [text, x] of [
      ['Round', 0],
      ['Event', 130],
      ['Entries', 320],
      ['Heats', 380],
      ['Starts at', 430],
    ] as const) {
      press.put(text, x, { bold: true })
    }
    press.feed()
    for (let i = 1; i <= 12; i++) {
      press.put('Prelims', 0)
      press.put(`${number * 12 + i}`, 120, { flush: 'right' })
      press.put(`${i % 2 ? 'Girls' : 'Boys'} 13 & Over ${50 * (1 + (i % 4))} Freestyle`, 130)
      press.put(`${20 + i}`, 345, { flush: 'right' })
      press.put(`${3 + (i % 4)} u`, 400, { flush: 'right' })
      press.put(`0${hour}:${String(i * 4).padStart(2, '0')} ${hour === 1 ? 'PM' : 'AM'} _______`, 430)
      press.feed()
    }
    press.put('Finish Time 03:05 PM', 300)
    press.feed(24)
  }
  return press.finish()
}

/** Two pages that are pictures, as a scanner makes them. */
async function scan(): Promise<Uint8Array> {
  const press = new Press(ONE_COLUMN)
  for (let page = 0; page < 2; page++) {
    press.openBlankPage()
    press.picture()
  }
  return press.finish()
}

/** A bill: numbered lines with names and amounts that look a little like times. */
async function invoice(): Promise<Uint8Array> {
  const press = new Press(ONE_COLUMN)
  press.openBlankPage()
  const lines = [
    ['Sandholm & Daughters, Pool Supplies'],
    ['Invoice No. 2031-0042', 'Date: 3/1/2031'],
    ['Bill to: Millrace Marlins, 7 Penstock Lane, Elderford'],
    ['Pos', 'Description', 'Qty', 'Price', 'Amount'],
    ['1', 'Lane rope, 25 m', '4', '189.50', '758.00'],
    ['2', 'Backstroke flags, set', '2', '42.10', '84.20'],
    ['3', 'Stopwatch', '12', '19.95', '239.40'],
    ['Total', '', '', '', '1,081.60'],
    ['Payable within 30 days. Thank you for your business.'],
  ]
  for (const cells of lines) {
    for (const [i, text] of cells.entries()) press.put(text, [40, 90, 330, 380, 450][i] ?? 500)
    press.feed(18)
  }
  return press.finish()
}

/** A heat sheet's worth of text behind a password. */
async function locked(): Promise<Uint8Array> {
  const press = new Press(ONE_COLUMN, { userPassword: 'penstock' })
  press.openPage(head('Meet Program - Saturday Morning'))
  press.put('Event 1 Girls 11-12 100 Yard Freestyle', 0)
  return press.finish()
}

/**
 * A copy of a PDF whose inner tables point nowhere and whose second half is missing, as a download that broke off leaves it.
 * It still begins as a PDF does.
 */
export function damage(bytes: Uint8Array): Uint8Array {
  const kept = bytes.slice(0, Math.floor(bytes.length / 2))
  for (let i = 64; i < kept.length; i += 3) kept[i] = (kept[i] ?? 0) ^ 0xa5
  return kept
}

/** One of each kind. The same seed gives the same bytes, but for the one that is locked: its key is new each time. */
export async function otherDocuments(seed = 1): Promise<OtherDocument[]> {
  const swum = await results(seed)
  return [
    { name: 'results', bytes: swum, code: 'NOT_A_HEAT_SHEET' },
    { name: 'session-report', bytes: await sessionReport(), code: 'NOT_A_HEAT_SHEET' },
    { name: 'invoice', bytes: await invoice(), code: 'NOT_A_HEAT_SHEET' },
    { name: 'scan', bytes: await scan(), code: 'NO_TEXT' },
    { name: 'locked', bytes: await locked(), code: 'INVALID_PDF' },
    { name: 'damaged', bytes: damage(swum), code: 'INVALID_PDF' },
  ]
}
