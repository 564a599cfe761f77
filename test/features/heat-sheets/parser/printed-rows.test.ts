/** Printed sheets whose headings, numbers and seeds look like something else, and lines that are nothing known. */
import { describe, expect, it } from 'vitest'
import { findSwimmer } from '../../../../src/features/heat-sheets/parser/match.ts'
import { headOf, type PrintedLine, readPrinted } from '../../../support/printed-sheets.ts'

const HEADINGS: PrintedLine = [
  [20, 'Lane'],
  [42, 'Name'],
  [150, 'Age', 'right'],
  [156, 'Team'],
  [260, 'Seed Time', 'right'],
]
const HEAT: PrintedLine = [[20, 'Heat 1 of 1 Finals']]

function row(lane: number, name: string, age: number, seed = '1:00.10', team = 'MILL'): PrintedLine {
  return [
    [30, String(lane), 'right'],
    [42, name],
    [150, String(age), 'right'],
    [156, team],
    [260, seed, 'right'],
  ]
}

const shifted = (lines: readonly PrintedLine[], by: number): PrintedLine[] =>
  lines.map((cells) => cells.map(([x, ...rest]) => [x + by, ...rest] as const))

const beside = (one: readonly PrintedLine[], other: readonly PrintedLine[]): PrintedLine[] =>
  Array.from({ length: Math.max(one.length, other.length) }, (_, i) => [...(one[i] ?? []), ...(other[i] ?? [])])

const print = (...lines: PrintedLine[]) => readPrinted([[...headOf(), ...lines]])

describe('an event heading on two lines', () => {
  it.each([
    ['#30 Women 100 Yard', 'Backstroke', 'Women 100 Yard Backstroke'],
    ['#30 Women', '13-14 100 Yard Backstroke', 'Women 13-14 100 Yard Backstroke'],
    ['Event 30', 'Women 13 & Over 1500 LC Meter Freestyle', 'Women 13 & Over 1500 LC Meter Freestyle'],
    ['Event 30 Mixed 10 & Under 200 Yard Medley', 'Relay', 'Mixed 10 & Under 200 Yard Medley Relay'],
    ['Event 30 Women 200 LC Meter Individual', '  Medley', 'Women 200 LC Meter Individual Medley'],
  ])('%s / %s', async (first, second, name) => {
    const { sheet } = await print([[20, first]], [[20, second]], HEADINGS, HEAT, row(1, 'Quill, Ada', 13))
    expect(sheet.events).toMatchObject([{ number: 30, name }])
  })

  it('on three lines', async () => {
    const lines: PrintedLine[] = [[[20, 'Event 30 Women']], [[20, '13-14 200 Yard']], [[20, 'Backstroke']]]
    const { sheet } = await print(...lines, HEADINGS, HEAT, row(1, 'Quill, Ada', 13))
    expect(sheet.events).toMatchObject([{ name: 'Women 13-14 200 Yard Backstroke' }])
  })

  it('does not take a round for it', async () => {
    const lines: PrintedLine[] = [[[20, 'Event 30 Women 100 Yard Backstroke']], [[20, 'Prelims']]]
    const { sheet } = await print(...lines, HEADINGS, HEAT, row(1, 'Quill, Ada', 13))
    expect(sheet.events).toMatchObject([{ name: 'Women 100 Yard Backstroke' }])
  })

  it('does not take a note or a record for it', async () => {
    const lines: PrintedLine[] = [
      [[20, 'Event 30 Women 100 Yard Backstroke']],
      [[20, 'Mill Record: 59.10 Una Mallard']],
    ]
    const { sheet } = await print(...lines, HEADINGS, HEAT, row(1, 'Quill, Ada', 13))
    expect(sheet.events).toMatchObject([{ name: 'Women 100 Yard Backstroke' }])
    expect(sheet.unread).toBe(0)
  })
})

describe('ages that count up', () => {
  const names = ['Quill, Ada', 'Reed, Bo', 'Sedge, Cy', 'Teal, Dora', 'Wren, Flo', 'Heron, Gia']
  const column = (event: number, ages: readonly number[]): PrintedLine[] => [
    [[20, `Event ${event} Girls 9-14 100 Yard Freestyle`]],
    HEADINGS,
    HEAT,
    ...ages.map((age, i) => row(i + 1, names[i] ?? '', age)),
  ]
  it.each([[[9, 10, 11, 12, 13, 14]], [[11, 12, 13, 12]], [[9, 9, 10, 11, 12, 13]]])(
    '%s are no lanes',
    async (ages) => {
      const { sheet } = await print(...beside(column(1, ages), shifted(column(2, ages), 290)))
      const expected = ages.map((age, i) => [i + 1, names[i], age])
      expect(sheet.entries.map(({ lane, name, age }) => [lane, name, age])).toEqual([...expected, ...expected])
    },
  )

  it('are none on a page that goes on without headings', async () => {
    const on = (ages: readonly number[]) => ages.map((age, i) => row(i + 1, names[i] ?? '', age))
    const heat = (number: number): PrintedLine => [[20, `Heat ${number} of 9 Finals`]]
    const { sheet } = await readPrinted([
      [...headOf(), ...column(1, [9, 10, 11, 12])],
      [...headOf(), heat(2), ...on([9, 10, 11, 12]), heat(3), ...on([10, 11, 12, 13])],
    ])
    expect(sheet.entries.map(({ age }) => age)).toEqual([9, 10, 11, 12, 9, 10, 11, 12, 10, 11, 12, 13])
  })
})

describe('a word in the column of seeds', () => {
  it.each(['NQT', 'DQ', 'NS', 'SCR', 'EXH', 'WDR', 'BYE', 'NT'])(
    '%s is a seed, and no part of the team',
    async (seed) => {
      const { sheet } = await print(
        [[20, 'Event 3 Girls 100 Yard Freestyle']],
        HEADINGS,
        HEAT,
        row(1, 'Quill, Ada', 12, '59.10'),
        row(2, 'Reed, Bo', 12, seed),
      )
      expect(sheet.entries).toMatchObject([
        { seed: '59.10', team: 'MILL' },
        { seed, team: 'MILL' },
      ])
    },
  )

  it('is none where a team ends in such a word', async () => {
    const { sheet } = await print([[20, 'Event 3 Girls 100 Yard Freestyle']], HEADINGS, HEAT, [
      [30, '1', 'right'],
      [42, 'Quill, Ada'],
      [150, '12', 'right'],
      [156, 'Millpond Aquatic NS'],
    ])
    expect(sheet.entries).toMatchObject([{ team: 'Millpond Aquatic NS' }])
    expect(sheet.entries[0]).not.toHaveProperty('seed')
  })

  it('is one for relay teams too', async () => {
    const headings: PrintedLine = [
      [20, 'Lane'],
      [42, 'Team'],
      [150, 'Relay'],
      [260, 'Seed Time', 'right'],
    ]
    const { sheet } = await print(
      [[20, 'Event 3 Girls 200 Yard Medley Relay']],
      headings,
      HEAT,
      [
        [30, '1', 'right'],
        [42, 'Millpond'],
        [156, 'B'],
        [260, 'NQT', 'right'],
      ],
      [
        [48, '1) Quill, Ada'],
        [150, '2) Reed, Bo'],
      ],
    )
    expect(sheet.entries).toMatchObject([
      { seed: 'NQT', relay: { team: 'Millpond', letter: 'B', leg: 1 } },
      { seed: 'NQT' },
    ])
  })
})

describe('a list of a typewriter', () => {
  const typed = (lines: readonly string[]) =>
    readPrinted([lines.map((line): PrintedLine => [[18, line]])], { font: 'Courier' })

  it('is read by its columns, diving by its scores', async () => {
    const { sheet, reading } = await typed([
      'Millpond Swim Club        MEET MANAGER 8.0 - 9:00 AM 3/1/2031 Page 1',
      '          Millpond Open - 3/7/2031 to 3/9/2031',
      '                      Psych Sheet',
      'Event 5  Girls 13-14 100 Yard Freestyle',
      '    Name                     Age  Team                 Seed Time',
      '  1 Quill, Ada M             13   Millpond Swim Team     1:02.10',
      '  2 Illingworth, Lilli       14   Pond                        NT',
      'Event 9  Girls 1 mtr Diving',
      '    Name                     Age  Team                Seed Score',
      '  1 Reed, Willa-Mae          14   Millpond Swim Team      245.30',
      '  2 Jillings, Lil            13   Pond                       198',
      '  3 Teal, Dora               13   Pond                        NP',
    ])
    expect(reading.leftovers).toEqual([])
    expect(sheet.entries.map(({ event, rank, name, age, team, seed }) => [event, rank, name, age, team, seed])).toEqual(
      [
        [0, 1, 'Quill, Ada M', 13, 'Millpond Swim Team', '1:02.10'],
        [0, 2, 'Illingworth, Lilli', 14, 'Pond', 'NT'],
        [1, 1, 'Reed, Willa-Mae', 14, 'Millpond Swim Team', '245.30'],
        [1, 2, 'Jillings, Lil', 13, 'Pond', '198'],
        [1, 3, 'Teal, Dora', 13, 'Pond', 'NP'],
      ],
    )
  })
})

it('counts rows that have no place, and says on which pages they are', async () => {
  const lost: PrintedLine = [
    [42, 'Heron, Gia'],
    [150, '12', 'right'],
    [260, '59.10', 'right'],
  ]
  const good = [[[20, 'Event 3 Girls 100 Yard Freestyle']] as PrintedLine, HEADINGS, HEAT, row(1, 'Quill, Ada', 12)]
  const { sheet } = await readPrinted([
    [...headOf(), ...good],
    [...headOf(), ...good, lost],
    [...headOf(), ...good, lost, lost],
  ])
  expect(sheet).toMatchObject({ unread: 3, unreadPages: [2, 3] })
  expect(findSwimmer(sheet, 'Ada Quill').warnings).toContain('3 lines of this sheet could not be read (pages 2, 3).')
})
