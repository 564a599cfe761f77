/** Documents that are something else, refused by what they are; and packets that hold a sheet beside it. */
import { describe, expect, it } from 'vitest'
import parseTask from '../../../../src/features/heat-sheets/parse-task.ts'
import { findSwimmer } from '../../../../src/features/heat-sheets/parser/match.ts'
import { parseSheet } from '../../../../src/features/heat-sheets/parser/parse.ts'
import {
  headOf,
  type Print,
  type PrintedLine,
  pagesOf,
  printPdf,
  readPrinted,
} from '../../../support/printed-sheets.ts'
import { item, page } from './pages.ts'

const HEADINGS: PrintedLine = [
  [20, 'Lane'],
  [42, 'Name'],
  [150, 'Age', 'right'],
  [156, 'Team'],
  [260, 'Seed Time', 'right'],
]

const row = (lane: number, name: string, seed = '1:00.10'): PrintedLine => [
  [30, String(lane), 'right'],
  [42, name],
  [150, '12', 'right'],
  [156, 'MILL'],
  [260, seed, 'right'],
]

const heats = (event: number, ...starts: string[]): PrintedLine[] => [
  [[20, `Event ${event} Girls 11-12 100 Yard Freestyle`]],
  HEADINGS,
  ...['Quill, Ada', 'Reed, Bo'].flatMap((name, i): PrintedLine[] => [
    [[20, `Heat ${i + 1} of 2 Finals${starts[i] === undefined ? '' : ` Starts at ${starts[i]}`}`]],
    row(3, name),
  ]),
]

const text = (...lines: string[]): PrintedLine[] => lines.map((line) => [[40, line]])

const refusal = (pages: readonly (readonly PrintedLine[])[], print?: Print) =>
  readPrinted(pages, print).then(
    () => null,
    (error: unknown) => error,
  )

describe('a document that is no sheet', () => {
  const standards = text(
    '2031 Mill Valley Short Course Time Standards',
    'Girls Event Boys',
    ...[100, 200, 500].flatMap((far, i) => [
      `1:0${i}.29 ${far} Free 59.1${i}`,
      `${i + 1} ${far} Free 1:0${i}.29 59.1${i}`,
      `${i + 1} ${far} Back 1:1${i}.29 1:02.1${i}`,
    ]),
  )
  const flyer = text(
    'Millpond Spring Open, March 7-9, 2031',
    'Held under the sanction of Mill Valley Swimming, Sanction # MV31-007',
    'Meet Director: Ambrose Pellworth. Entry deadline: February 20.',
    'Entry fees: 5.00 a swim. Warm-up 7:30 AM, meet starts 9:00 AM. Lane assignments will be posted.',
    'Order of Events',
    'Event 1 Girls 11-12 100 Free',
    'Event 2 Boys 11-12 100 Free',
    'Event 3 Girls 13-14 100 Free',
    'Heat 1 and heat 2 of the 1500 swim in the morning. Scoring: individual events 20-17-16.',
  )
  const results = text(
    'Millpond Open, Ergebnisliste',
    'Wettkampf 1 100 m Freistil weiblich',
    'Platz Name Jahrgang Verein Zeit Punkte',
    '1. Quill, Ada 2019 Mühle 1:02,10 412 Punkte',
    '2. Reed, Bo 2019 Teich 1:03,10 398 Punkte',
  )
  const athletics = [
    ...headOf({ title: 'Meet Program' }),
    ...['Girls 100 Meter Dash', 'Boys 110 Meter Hurdles', 'Girls Shot Put'].flatMap((name, i): PrintedLine[] => [
      [[20, `Event ${i + 1} ${name}`]],
      HEADINGS,
      [[20, 'Heat 1 of 1 Finals']],
      row(3, 'Quill, Ada', '14.20'),
      row(4, 'Reed, Bo', '14.30'),
    ]),
  ]
  const checkIn: PrintedLine[] = [
    ...headOf({ title: 'Positive Check-In' }),
    [[20, '#3 Girls 13-14 100 Yard Butterfly']],
    HEADINGS.slice(1),
    [[20, '_____'], ...row(3, 'Quill, Ada').slice(1)],
  ]
  it.each([
    ['time standards', standards, /time standards/],
    ['an announcement', flyer, /announcement/],
    ['results of another program', results, /results/],
    ['athletics', athletics, /track-and-field/],
    ['a check-in sheet', checkIn, /check-in/],
    ['a session report', headOf({ title: 'Session Report' }), /session report/],
  ])('%s', async (_, lines, is) => {
    expect(await refusal([lines])).toMatchObject({ code: 'NOT_A_HEAT_SHEET', message: expect.stringMatching(is) })
  })

  it('because its fonts map to no letters', () => {
    const shown = [...'Event 1 Girls 100 Free Heat 1 Lane Name Seed'].map((letter) => letter.codePointAt(0) ?? 32)
    const privateUse = String.fromCodePoint(...shown.map((code) => 0xe000 + code))
    const shifted = String.fromCodePoint(...shown.map((code) => (code === 32 ? 32 : code - 29)))
    for (const unreadable of [privateUse, shifted]) {
      const pages = [page([item(20, 80, unreadable), item(20, 91, unreadable)], { head: [] })]
      expect(() => parseSheet(pages)).toThrow(expect.objectContaining({ code: 'UNREADABLE_TEXT' }))
    }
  })

  it('by its first pages where it is long', async () => {
    const pdf = await printPdf(
      Array.from({ length: 60 }, (_, i) => text(`Chapter ${i}`, 'The mill stood by the pond.')),
    )
    let read = 0
    const progress = () => {
      read++
    }
    await expect(parseTask({ pdf }, { progress })).rejects.toMatchObject({ code: 'NOT_A_HEAT_SHEET' })
    expect(read).toBe(20)
  })

  it('unless its first pages hold rows of one, or it is short', async () => {
    const rules = Array.from({ length: 19 }, (_, i) => text(`Chapter ${i}`, 'The mill stood by the pond.'))
    const sheet = [...headOf(), ...heats(1)]
    const long = await printPdf([...rules, sheet, ...rules, ...rules])
    expect(await parseTask({ pdf: long }, { progress: () => {} })).toMatchObject({ entries: { length: 2 } })
    const short = await printPdf([...rules, ...rules.slice(0, 10), sheet])
    expect(await parseTask({ pdf: short }, { progress: () => {} })).toMatchObject({ entries: { length: 2 } })
  })
})

describe('a packet of a session report and a program', () => {
  const report = (...rows: string[]): PrintedLine[] => [
    ...headOf({ title: 'Session Report' }),
    [[230, 'Session: 1 Friday Evening']],
    [[120, 'Day of Meet: 1 Starts at 05:00 PM Heat Interval: 30 Seconds / Back +15 Seconds']],
    [
      [20, 'Round'],
      [150, 'Event'],
      [320, 'Entries'],
      [380, 'Heats'],
      [430, 'Starts at'],
    ],
    ...rows.map((line): PrintedLine => {
      const [round = '', number = '', name = '', clock = ''] = line.split('|')
      return [
        [20, round],
        [140, number, 'right'],
        [150, name],
        [345, '24', 'right'],
        [400, '2', 'right'],
        [430, `${clock} _______`],
      ]
    }),
  ]
  const starts = async (pages: readonly (readonly PrintedLine[])[]) => {
    const { sheet, reading } = await readPrinted(pages)
    expect(reading.leftovers).toEqual([])
    return sheet.entries.map(({ heat, start, estimated }) => [heat, estimated ? `about ${start}` : start])
  }

  it('has the start of an event from the report, for its first heat', async () => {
    const pages = [
      report('Finals|1|Girls 11-12 100 Freestyle|05:00 PM', 'Finals|2|Boys 11-12 100 Freestyle|05:08 PM'),
      [...headOf(), ...heats(2)],
    ]
    expect(await starts(pages)).toEqual([
      [1, '17:08'],
      [2, 'about 17:09'],
    ])
    expect(await starts(pages.toReversed())).toEqual([
      [1, '17:08'],
      [2, 'about 17:09'],
    ])
  })

  it('keeps the times that the program prints', async () => {
    const pages = [report('Finals|1|Girls 11-12 100 Freestyle|05:00 PM'), [...headOf(), ...heats(1, '05:03 PM')]]
    expect(await starts(pages)).toEqual([
      [1, '17:03'],
      [2, 'about 17:04'],
    ])
  })

  it('takes the start of a first heat from the report where the program prints a later one alone', async () => {
    const pages = [report('Finals|1|Girls 11-12 100 Freestyle|05:00 PM')]
    const program = heats(1).map((line, i) =>
      i === 4 ? ([[20, 'Heat 2 of 2 Finals Starts at 05:02 PM']] as const) : line,
    )
    expect(await starts([...pages, [...headOf(), ...program]])).toEqual([
      [1, '17:00'],
      [2, '17:02'],
    ])
    const before = heats(1).map((line, i) =>
      i === 4 ? ([[20, 'Heat 2 of 2 Finals Starts at 04:58 PM']] as const) : line,
    )
    expect(await starts([...pages, [...headOf(), ...before]])).toEqual([
      [1, 'about 16:56'],
      [2, '16:58'],
    ])
  })

  it('takes the start of the round that is swum', async () => {
    const pages = [
      report('Prelims|1|Girls 11-12 100 Freestyle|09:00 AM', 'Finals|1|Girls 11-12 100 Freestyle|05:00 PM'),
      [...headOf(), ...heats(1)],
    ]
    expect((await starts(pages))[0]).toEqual([1, '17:00'])
  })
})

describe('a page that is turned', () => {
  it.each([
    ['by its content', { turned: 90 }],
    ['by its content', { turned: 180 }],
    ['by its content', { turned: 270 }],
    ['by the page', { rotate: 90 }],
    ['by the page', { rotate: 180 }],
    ['by the page', { rotate: 270 }],
    ['by both', { turned: 270, rotate: 90 }],
  ] as const)('%s, %j, is read', async (_, print) => {
    const { sheet, reading } = await readPrinted(
      [
        [...headOf(), ...heats(1)],
        [...headOf(), ...heats(2)],
      ],
      print,
    )
    expect(reading.leftovers).toEqual([])
    expect(sheet.meet).toMatchObject({ name: 'Millpond Open', start: '2031-03-07' })
    expect(findSwimmer(sheet, 'Ada Quill').events).toMatchObject([
      { eventNumber: 1, heatNumber: 1, lane: 3, age: 12, team: 'MILL', seedTime: '1:00.10' },
      { eventNumber: 2 },
    ])
  })

  it('is read among others that are not', async () => {
    const upright = await pagesOf(await printPdf([[...headOf(), ...heats(1)]]))
    const turned = await pagesOf(await printPdf([[...headOf(), ...heats(2)]], { turned: 180 }))
    expect(parseSheet([...upright, ...turned]).entries).toHaveLength(4)
  })
})
