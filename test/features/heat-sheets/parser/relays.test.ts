/** Relays as HY-TEK sheets print them: legs with and without numbers, two or four on a line, wrapped and run together. */
import { describe, expect, it } from 'vitest'
import type { TextItem, TextPage } from '../../../../src/formats/pdf-text.ts'
import { type Cells, EVENT, entriesOf, flush, HEADINGS, HEAT, item, lines, page, row, sheetOf } from './pages.ts'

describe('relays', () => {
  const RELAY: Cells = [[0, 'Event 9 Girls 200 Yard Medley Relay']]
  const RELAY_HEADINGS: Cells = [
    [0, 'Lane'],
    [24, 'Team'],
    [110, 'Relay'],
    [146, 'Seed Time'],
  ]
  const team = (lead: number, name: string, letter: string, seed: string): Cells => [
    flush(13, String(lead)),
    [20, name],
    [114, letter],
    flush(180, seed),
  ]
  const legs = (pages: readonly TextPage[]) =>
    entriesOf(pages).map(({ name, age, relay }) => [relay?.team, relay?.letter, relay?.leg, name, age])

  it('reads numbered legs, two on a line, with some missing', () => {
    const rows: Cells[] = [
      team(2, 'Mill High', 'B', 'X2:33.70'),
      [
        [20, '1) Quill, Ada 16'],
        [100, '2) Reed, Bo'],
      ],
      [[100, '4) Sedge, Cy W14']],
      team(3, 'Pond', 'A', 'NT'),
      [
        [20, '1) Teal, Dov'],
        [100, '2) '],
      ],
    ]
    expect(legs(sheetOf([RELAY, RELAY_HEADINGS, HEAT, ...rows]))).toEqual([
      ['Mill High', 'B', 1, 'Quill, Ada', 16],
      ['Mill High', 'B', 2, 'Reed, Bo', undefined],
      ['Mill High', 'B', 4, 'Sedge, Cy W', 14],
      ['Pond', 'A', 1, 'Teal, Dov', undefined],
    ])
  })

  it('reads four across, and text that runs into its neighbour', () => {
    const across: TextItem[] = [item(38, 180, '1) Quill, Ada 16 2) Reed, Bo 153) Sedge-Mallard, Cyd4) Teal, Dov 17')]
    const pages = [
      page([...lines([RELAY, RELAY_HEADINGS, HEAT, team(2, 'Mill', 'A', '1:50.00')], { left: 18 }), ...across]),
    ]
    expect(legs(pages)).toEqual([
      ['Mill', 'A', 1, 'Quill, Ada', 16],
      ['Mill', 'A', 2, 'Reed, Bo', 15],
      ['Mill', 'A', 3, 'Sedge-Mallard, Cyd', undefined],
      ['Mill', 'A', 4, 'Teal, Dov', 17],
    ])
  })

  it('reads two columns without numbers', () => {
    const rows: Cells[] = [
      team(2, 'Mill', 'A', '1:50.00'),
      [
        [20, 'Quill, Ada 16'],
        [100, 'Reed, Bo 15'],
      ],
      [
        [20, 'Sedge, Cy 14'],
        [100, 'Teal, Dov 17'],
      ],
    ]
    expect(legs(sheetOf([RELAY, RELAY_HEADINGS, HEAT, ...rows]))).toEqual([
      ['Mill', 'A', 1, 'Quill, Ada', 16],
      ['Mill', 'A', 2, 'Reed, Bo', 15],
      ['Mill', 'A', 3, 'Sedge, Cy', 14],
      ['Mill', 'A', 4, 'Teal, Dov', 17],
    ])
  })

  it('reads legs without numbers that the text layer runs together', () => {
    const rows: Cells[] = [team(2, 'Mill W109', 'A', '1:50.00'), [[20, 'Quill, Ada M 16 Reed, Bo 15']]]
    expect(legs(sheetOf([RELAY, RELAY_HEADINGS, HEAT, ...rows]))).toEqual([
      ['Mill', 'A', 1, 'Quill, Ada M', 16],
      ['Mill', 'A', 2, 'Reed, Bo', 15],
    ])
  })

  it('parts names without numbers that run into each other', () => {
    const rows: Cells[] = [
      team(2, 'Mill', 'A', '1:50.00'),
      [
        [20, 'Quill, Ada'],
        [100, 'Reed, Bo'],
      ],
      [[20, 'Sedge-Mallard, MaryLouMcTeal, Dov']],
      team(3, 'Pond', 'A', '1:51.00'),
      [[20, 'Wren-Mallard, Eve Lou Van Reed, Cy']],
      [[100, 'Heron, Flo']],
    ]
    expect(legs(sheetOf([RELAY, RELAY_HEADINGS, HEAT, ...rows])).map(([, , leg, name]) => [leg, name])).toEqual([
      [1, 'Quill, Ada'],
      [2, 'Reed, Bo'],
      [3, 'Sedge-Mallard, MaryLou'],
      [4, 'McTeal, Dov'],
      [1, 'Wren-Mallard, Eve Lou'],
      [2, 'Van Reed, Cy'],
      [4, 'Heron, Flo'],
    ])
  })

  it('joins a leg wrapped onto the next line', () => {
    const rows: Cells[] = [
      team(2, 'Mill', 'A', '1:50.00'),
      [
        [20, '1) Van Mallard-Heron,'],
        [100, '2) Reed, Bo 15'],
      ],
      [[20, 'Ada Lou 16']],
      [[20, '3) Sedge, Cy 14']],
    ]
    expect(
      legs(sheetOf([RELAY, RELAY_HEADINGS, HEAT, ...rows])).map(([, , leg, name, age]) => [leg, name, age]),
    ).toEqual([
      [1, 'Van Mallard-Heron, Ada Lou', 16],
      [2, 'Reed, Bo', 15],
      [3, 'Sedge, Cy', 14],
    ])
  })

  it('takes a number behind a leg for a school year where later headings say Yr', () => {
    const year: Cells = [...HEADINGS.slice(0, 2), [96, 'Yr'], [112, 'School'], [146, 'Seed Time']]
    const rows: Cells[] = [
      team(2, 'Mill', 'A', '1:50.00'),
      [
        [20, '1) Quill, Ada 11'],
        [100, '2) Reed, Bo SR'],
      ],
    ]
    const pages = sheetOf([
      RELAY,
      RELAY_HEADINGS,
      HEAT,
      ...rows,
      EVENT,
      year,
      HEAT,
      row(1, 'Sedge, Cy', 9, 'Mill', 'NT'),
    ])
    expect(entriesOf(pages).map(({ age, grade }) => [age, grade])).toEqual([
      [undefined, '11'],
      [undefined, 'SR'],
      [undefined, '9'],
    ])
  })

  it('keeps a team over a column break', () => {
    const pages = sheetOf(
      [
        RELAY,
        RELAY_HEADINGS,
        HEAT,
        team(2, 'Mill', 'A', '1:50.00'),
        [
          [20, '1) Quill, Ada'],
          [100, '2) Reed, Bo'],
        ],
      ],
      [
        [[0, 'Heat 1 (Event 9 Girls 200 Yard Medley Relay)']],
        [
          [20, '3) Sedge, Cy'],
          [100, '4) Teal, Dov'],
        ],
      ],
    )
    expect(legs(pages).map(([, , leg, name]) => [leg, name])).toEqual([
      [1, 'Quill, Ada'],
      [2, 'Reed, Bo'],
      [3, 'Sedge, Cy'],
      [4, 'Teal, Dov'],
    ])
  })
})
