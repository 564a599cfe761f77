/** Legs of relays that are wrapped anywhere, cut by their cells, or no legs but alternates; each on a printed sheet. */
import { describe, expect, it } from 'vitest'
import { findSwimmer } from '../../../../src/features/heat-sheets/parser/match.ts'
import { headOf, type PrintedLine, readPrinted } from '../../../support/printed-sheets.ts'

const RELAY_HEADINGS: PrintedLine = [
  [20, 'Lane'],
  [42, 'Team'],
  [150, 'Relay'],
  [260, 'Seed Time', 'right'],
]
const HEAT: PrintedLine = [[20, 'Heat 1 of 1 Finals']]

const team = (lane: number, name: string): PrintedLine => [
  [30, String(lane), 'right'],
  [42, name],
  [156, 'A'],
  [260, '1:50.00', 'right'],
]

const event = (name: string, lines: readonly PrintedLine[]): PrintedLine[] => [
  [[20, name]],
  RELAY_HEADINGS,
  HEAT,
  ...lines,
]
const RELAY = 'Event 9 Girls 13-14 200 Yard Medley Relay'

async function legsOf(lines: readonly PrintedLine[], name = RELAY) {
  const { sheet, reading } = await readPrinted([[...headOf(), ...event(name, lines)]])
  expect(reading.leftovers).toEqual([])
  return sheet.entries
    .map((entry) => [entry.relay?.team, entry.relay?.leg, entry.name, entry.age] as const)
    .toSorted((a, b) => String(a[0]).localeCompare(String(b[0])) || (a[1] ?? 0) - (b[1] ?? 0))
}

describe('legs of a list that is wrapped anywhere', () => {
  const all = [
    ['Mill', 1, 'Quill, Ada', 13],
    ['Mill', 2, 'Van Herk, Eve', 14],
    ['Mill', 3, 'Martin-Reed, Stephanie', 13],
    ['Mill', 4, "O'Dell, Bo", 14],
    ['Pond', 1, 'Teal, Dora', 13],
  ]
  it.each([
    ['after a number', ['1) Quill, Ada 13 2) Van Herk, Eve 14 3) Martin-Reed, Stephanie 13 4)', "O'Dell, Bo 14"]],
    ['within a name', ['1) Quill, Ada 13 2) Van Herk, Eve 14 3) Martin-Reed,', "Stephanie 13 4) O'Dell, Bo 14"]],
    ['before an age', ['1) Quill, Ada 13 2) Van Herk, Eve 14 3) Martin-Reed, Stephanie', "13 4) O'Dell, Bo 14"]],
    ['twice', ['1) Quill, Ada 13 2) Van Herk,', 'Eve 14 3) Martin-Reed,', "Stephanie 13 4) O'Dell, Bo 14"]],
    ['at the last name', ['1) Quill, Ada 13 2) Van Herk, Eve 14 3) Martin-Reed, Stephanie 13', "4) O'Dell,", 'Bo 14']],
  ])('%s', async (_, lines) => {
    const wrapped = lines.map((text): PrintedLine => [[48, text]])
    const found = await legsOf([team(2, 'Mill'), ...wrapped, team(3, 'Pond'), [[48, '1) Teal, Dora 13']]])
    expect(found).toEqual(all)
  })

  it('of a typewriter', async () => {
    const lines = ['1) Quill, Ada 13 2) Van Herk, Eve 14 3) Martin-Reed, Stephanie 13 4)', "O'Dell, Bo 14"]
    const typed = [
      ...['Millpond Open - 3/7/2031', 'Meet Program', RELAY, 'Lane Team            Relay    Seed Time'],
      ...['Heat 1 of 1 Finals', '  2 Mill             A          1:50.00', ...lines.map((line) => `    ${line}`)],
    ]
    const { sheet, reading } = await readPrinted([typed.map((line): PrintedLine => [[18, line]])], { font: 'Courier' })
    expect(reading.leftovers).toEqual([])
    expect(sheet.entries.map(({ name }) => name)).toEqual([
      'Quill, Ada',
      'Van Herk, Eve',
      'Martin-Reed, Stephanie',
      "O'Dell, Bo",
    ])
  })

  it('in cells beside each other', async () => {
    const lines: PrintedLine[] = [
      [
        [48, '1) Mallard-Heronsgate,'],
        [150, '2) Van Herk-Quillington,'],
      ],
      [
        [58, 'Ada 13'],
        [160, 'Eve Lou 14'],
      ],
    ]
    expect((await legsOf([team(2, 'Mill'), ...lines])).map(([, leg, name, age]) => [leg, name, age])).toEqual([
      [1, 'Mallard-Heronsgate, Ada', 13],
      [2, 'Van Herk-Quillington, Eve Lou', 14],
    ])
  })
})

describe('alternates of a relay', () => {
  it('are no legs', async () => {
    const { sheet } = await readPrinted([
      [
        ...headOf(),
        ...event(RELAY, [
          team(2, 'Mill'),
          [
            [48, '1) Quill, Ada'],
            [150, '2) Reed, Eve'],
          ],
          [
            [48, '3) Sedge, Cy'],
            [150, '4) Teal, Dora'],
          ],
          [
            [48, '5) Wren, Flo'],
            [150, '6) Heron, Gia'],
          ],
        ]),
      ],
    ])
    expect(sheet.entries.filter(({ relay }) => relay?.leg !== undefined)).toHaveLength(4)
    expect(findSwimmer(sheet, 'Gia Heron').events).toMatchObject([
      { eventNumber: 9, heatNumber: 1, lane: 2, alternate: 2, relay: { team: 'Mill', letter: 'A' } },
    ])
    expect(findSwimmer(sheet, 'Gia Heron').events[0]?.relay).not.toHaveProperty('leg')
  })

  it('begin after the eighth leg where the event says that eight swim', async () => {
    const found = await legsOf(
      [
        team(2, 'Mill'),
        [
          [48, '7) Wren, Flo'],
          [150, '8) Heron, Gia'],
        ],
      ],
      'Event 9 Mixed 8 x 50 Yard Freestyle Relay',
    )
    expect(found.map(([, leg]) => leg)).toEqual([7, 8])
  })
})

describe('legs that are cut by their cells', () => {
  const HEADINGS: PrintedLine = [
    [20, 'Lane'],
    [42, 'Name'],
    [150, 'Age', 'right'],
    [156, 'Team'],
    [260, 'Seed Time', 'right'],
  ]
  const row = (lane: number, name: string): PrintedLine => [
    [30, String(lane), 'right'],
    [42, name],
    [150, '13', 'right'],
    [156, 'Mill'],
    [260, '1:00.00', 'right'],
  ]
  const sheetOf = (legs: readonly (readonly [string, string])[], names: readonly string[]) =>
    readPrinted([
      [
        ...headOf(),
        ...event(RELAY, [
          team(2, 'Mill'),
          ...legs.map(
            ([one, other]): PrintedLine => [
              [48, one],
              [130, other],
            ],
          ),
        ]),
        [[20, 'Event 10 Girls 13-14 100 Yard Freestyle']],
        HEADINGS,
        HEAT,
        ...names.map((name, i) => row(i + 1, name)),
      ],
    ])
  const CUT = [
    ['1) Williams, Charl', '2) Johnson, Elena'],
    ['3) Sedgemoor, Oria', '4) Teal, Dora'],
  ] as const

  it('are the swimmer of the sheet whose name they begin, and a warning says so', async () => {
    const { sheet } = await sheetOf(CUT, ['Williams, Charlotte A', 'Johnson, Elena', 'Teal, Dora'])
    const found = findSwimmer(sheet, 'Charlotte Williams')
    expect(found.events.map(({ eventNumber, relay }) => [eventNumber, relay?.leg])).toEqual([
      [9, 1],
      [10, undefined],
    ])
    expect(found.warnings).toContainEqual(expect.stringContaining("The sheet prints 'Williams, Charl', cut off"))
  })

  it('are whom one asks for, where nobody else begins so', async () => {
    const { sheet } = await sheetOf(CUT, ['Johnson, Elena'])
    expect(findSwimmer(sheet, 'Oriane Sedgemoor').events).toHaveLength(1)
    expect(findSwimmer(sheet, 'Dorabella Teal').events).toEqual([])
  })

  it('are nobody where two swimmers begin so', async () => {
    const { sheet } = await sheetOf(CUT, ['Williams, Charlotte', 'Williams, Charlene'])
    const found = findSwimmer(sheet, 'Charlotte Williams')
    expect(found.events.map(({ eventNumber }) => eventNumber)).toEqual([10])
    expect(found.warnings).toContainEqual(expect.stringContaining("could be 'Williams, Charlene'"))
  })
})
