/** Layouts and pitfalls of HY-TEK sheets, each on a few invented lines. */
import { describe, expect, it } from 'vitest'
import { findSwimmer } from '../../../../src/features/heat-sheets/parser/match.ts'
import { parseSheet, readSheet } from '../../../../src/features/heat-sheets/parser/parse.ts'
import { type Cells, EVENT, entriesOf, flush, HEADINGS, HEAT, lines, page, row, sheetOf } from './pages.ts'

describe('headings of events', () => {
  const number = (text: string) => {
    const sheet = parseSheet(sheetOf([[[0, text]], HEADINGS, HEAT, row(4, 'Quill, Ada', 12, 'MILL', '1:02.10')]))
    return sheet.events.map((event) => [event.number, event.name])
  }
  it.each([
    ['Event 26 Girls 13-14 100 Yard Freestyle', 26, 'Girls 13-14 100 Yard Freestyle'],
    ['Event 26  Girls 13-14 100 Yard Freestyle', 26, 'Girls 13-14 100 Yard Freestyle'],
    ['#5 Women 200 LC Meter IM', 5, 'Women 200 LC Meter IM'],
    ['Event 8 ... (Men 100 Yard Butterfly)', 8, 'Men 100 Yard Butterfly'],
    ['Event 8 ...(Men 100 Yard Butterfly)', 8, 'Men 100 Yard Butterfly'],
    ['(Event 8 Men 100 Yard Butterfly)', 8, 'Men 100 Yard Butterfly'],
    ['Event 21 / 22 Girls / Boys 13-14 800 Free', 21, 'Girls / Boys 13-14 800 Free'],
    ['Event 27A Women 13-14 200 Medley', 27, 'Women 13-14 200 Medley'],
  ])('reads %s', (text, event, name) => {
    expect(number(text)).toEqual([[event, name]])
  })

  it('joins a name that was wrapped at the column edge', () => {
    const sheet = parseSheet(
      sheetOf(
        [
          [[0, '#5 Women 13 & Over 200 LC Meter Individual Medl']],
          [[0, 'Multi-Class']],
          HEADINGS,
          HEAT,
          row(4, 'Quill, Ada', 12, 'MILL', '1:02.10'),
        ],
        [EVENT, HEADINGS, HEAT, row(4, 'Quill, Ada', 12, 'MILL', '1:02.10')],
      ),
    )
    expect(sheet.events[0]?.name).toBe('Women 13 & Over 200 LC Meter Individual Medl Multi-Class')
  })
})

it('reads column headings that stand once over all columns, one of them not known', () => {
  const headings: Cells = [...HEADINGS, [184, 'Imp']]
  const entries = entriesOf(
    sheetOf(
      [headings, EVENT, HEAT, row(4, 'Quill, Ada', 12, 'MILL', '1:02.10')],
      [headings, [[0, '#4 Boys 50 Free']], HEAT, row(5, 'Reed, Bo', '', 'MILL', '1:02.10')],
    ),
  )
  expect(entries).toMatchObject([
    { number: 3, lane: 4, age: 12, team: 'MILL' },
    { number: 4, lane: 5, name: 'Reed, Bo', team: 'MILL' },
  ])
})

describe('headings of heats', () => {
  it('takes the start, and keeps it where the heat goes on over a break', () => {
    const entries = entriesOf(
      sheetOf(
        [EVENT, HEADINGS, [[0, 'Heat 2 of 3 Finals Starts at 02:05 PM']], row(1, 'Quill, Ada', 12, 'MILL', '59.10')],
        [
          [[0, 'Heat 2 (#3 Girls 11-12 100 LC Meter Freestyle)']],
          row(2, 'Reed, Bo', 11, 'MILL', 'NT'),
          [[0, 'Heat 3 of 3 Finals']],
          row(1, 'Sedge, Cy', 11, 'POND', '1:00.00'),
        ],
      ),
    )
    expect(entries).toMatchObject([
      { number: 3, heat: 2, lane: 1, start: '14:05', round: 'Finals' },
      { number: 3, heat: 2, lane: 2, start: '14:05', round: 'Finals', seed: 'NT' },
      { number: 3, heat: 3, lane: 1, start: '14:06', estimated: true },
    ])
    expect(entries.slice(0, 2).filter(({ estimated }) => estimated)).toEqual([])
  })

  it('takes a start that was wrapped onto the next line', () => {
    const heading: Cells[] = [[[0, 'Heat 1 of 1 Timed Finals']], [[0, 'Starts at 12:30 AM']]]
    const entries = entriesOf(sheetOf([EVENT, HEADINGS, ...heading, row(1, 'Quill, Ada', 12, 'MILL', '59.10')]))
    expect(entries).toMatchObject([{ heat: 1, lane: 1, start: '00:30', round: 'Timed Finals' }])
  })

  it('numbers a heat of a combined event by the running heat', () => {
    const entries = entriesOf(
      sheetOf([
        [[0, 'Event 21 / 22 Girls / Boys 13-14 800 Free']],
        HEADINGS,
        [[0, 'Heat 5 (Heat 3 Girls 800 Free)']],
        row(3, 'Quill, Ada', 13, 'MILL', '9:51.30'),
      ]),
    )
    expect(entries).toMatchObject([{ number: 21, heat: 5, lane: 3 }])
  })

  it('knows finals by their letter, and alternates below them', () => {
    const entries = entriesOf(
      sheetOf([
        EVENT,
        HEADINGS,
        [[0, 'Heat 1 C - Final']],
        row(1, 'Quill, Ada', 12, 'MILL', '59.10'),
        [[0, 'Alternates']],
        row(1, 'Reed, Bo', 11, 'MILL', '1:09.10'),
      ]),
    )
    expect(entries).toMatchObject([{ heat: 1, lane: 1, round: 'C - Final' }, { alternate: 1 }])
    expect(entries[1]).not.toHaveProperty('lane')
    expect(entries[1]).not.toHaveProperty('heat')
  })
})

describe('rows', () => {
  it('reads a list without heats by rank, ties included, in the same document as heats', () => {
    const entries = entriesOf(
      sheetOf(
        [EVENT, HEADINGS, HEAT, row(4, 'Quill, Ada', 12, 'MILL', '59.10')],
        [
          [[0, '#4 Boys 11-12 100 LC Meter Freestyle']],
          HEADINGS.slice(1),
          row(1, 'Reed, Bo', 11, 'MILL', '1:00.00'),
          row(2, 'Sedge, Cy', 12, 'POND', '1:01.00'),
          row('*2', 'Teal, Dov', 12, 'POND', '1:01.00'),
        ],
      ),
    )
    expect(entries).toMatchObject([{ heat: 1, lane: 4 }, { rank: 1 }, { rank: 2 }, { rank: 2 }])
  })

  it('reads nothing into empty lanes, blanks to write on and record lines', () => {
    const entries = entriesOf(
      sheetOf([
        EVENT,
        [
          [20, 'Pond Record:'],
          [70, '56.10'],
          [95, '8/5/2015'],
          [135, 'Una V Mallard'],
        ],
        [
          [20, '57.00'],
          [50, '* Open 2029-30'],
        ],
        HEADINGS,
        HEAT,
        [flush(13, '1'), [150, '_____']],
        [...row(2, 'Quill, Ada', 12, 'MILL', '59.10'), [182, '_____']],
      ]),
    )
    expect(entries.map(({ name, lane }) => [name, lane])).toEqual([['Quill, Ada', 2]])
  })

  it('joins course letters, keeps exhibition marks and leaves tags out', () => {
    const tagged: Cells = [...row(1, 'Quill, Ada', 12, 'MILL', '2:53.60'), [180.6, 'L'], [188, 'D2']]
    const entries = entriesOf(
      sheetOf([
        EVENT,
        HEADINGS,
        HEAT,
        tagged,
        row(2, 'Reed, Bo', 11, 'POND', 'X3:17.40'),
        row(3, 'Sedge, Cy', 11, 'POND', 'XNT'),
        row(4, '*Teal, Dov', 11, 'POND', 'NTY'),
      ]),
    )
    expect(entries.map(({ seed }) => seed)).toEqual(['2:53.60L', 'X3:17.40', 'XNT', 'NTY'])
    expect(entries[3]?.name).toBe('Teal, Dov')
  })

  it('parts a team from the time it touches', () => {
    const merged = (text: string): Cells => [flush(13, '1'), [18, 'Quill, Ada'], flush(108, '12'), [114, text]]
    const entries = entriesOf(sheetOf([EVENT, HEADINGS, HEAT, merged('MILL-QZ 22:19.60'), merged('UN-02-QZ1:19.60')]))
    expect(entries.map(({ team, seed }) => [team, seed])).toEqual([
      ['MILL-QZ', '22:19.60'],
      ['UN-02-QZ', '1:19.60'],
    ])
  })

  it('takes a school year for no age, and no age where none is printed', () => {
    const headings: Cells = [...HEADINGS.slice(0, 2), [96, 'Yr'], [112, 'School'], [146, 'Seed Time']]
    const entries = entriesOf(
      sheetOf([
        EVENT,
        headings,
        HEAT,
        row(1, 'Quill, Ada', 'SR', 'Mill High', '59.10'),
        row(2, 'Reed, Bo', '4', 'POND', '59.20'),
        row(3, 'Sedge, Cy', '', 'Pond High', '59.30'),
      ]),
    )
    expect(entries.map(({ age, grade, team }) => [age, grade, team])).toEqual([
      [undefined, 'SR', 'Mill High'],
      [undefined, '4', 'POND'],
      [undefined, undefined, 'Pond High'],
    ])
  })

  it('reads ages with a gender before them, and times with a comma', () => {
    const entries = entriesOf(sheetOf([EVENT, HEADINGS, HEAT, row(0, 'Ada Quill', 'W12', 'MILL', '1:59,10')]))
    expect(entries).toMatchObject([{ lane: 0, name: 'Ada Quill', age: 12, team: 'MILL', seed: '1:59,10' }])
  })

  it('parts a name from the age it touches', () => {
    const touching: Cells = [flush(13, '1'), flush(108, 'Featherstonehaugh, Ada12'), [114, 'MILL'], flush(180, 'NT')]
    expect(entriesOf(sheetOf([EVENT, HEADINGS, HEAT, touching]))).toMatchObject([
      { name: 'Featherstonehaugh, Ada', age: 12, team: 'MILL' },
    ])
  })

  it('takes a name that runs over the next columns for a name', () => {
    const long = 'Featherstonehaugh-Mallard, Maximiliana'
    const rows = [row(1, long, 12, 'MILL', '59.10'), row(2, long, '', 'MILL', '59.20')]
    expect(entriesOf(sheetOf([EVENT, HEADINGS, HEAT, ...rows]))).toMatchObject([
      { name: long, age: 12, team: 'MILL' },
      { name: long, team: 'MILL' },
    ])
  })

  it('keeps ID numbers out of names', () => {
    const headings: Cells = [
      [0, 'Lane'],
      [20, 'ID#'],
      [64, 'Name'],
      [134, 'Age'],
      [152, 'Team'],
    ]
    const withId: Cells = [flush(13, '5'), [20, '040731ADAQ'], [62, 'Quill, Ada'], flush(148, '12'), [154, 'MILL']]
    expect(entriesOf(sheetOf([EVENT, headings, HEAT, withId]))).toMatchObject([
      { lane: 5, name: 'Quill, Ada', age: 12, team: 'MILL' },
    ])
  })

  it('joins a name wrapped onto the next line', () => {
    const entries = entriesOf(
      sheetOf([
        EVENT,
        HEADINGS,
        HEAT,
        row(1, 'Van Mallard-Heron, Ada', 12, 'MILL', '59.10'),
        [[18, 'Q']],
        row(2, 'Reed, Bo', 11, 'POND', '59.20'),
      ]),
    )
    expect(entries.map(({ name }) => name)).toEqual(['Van Mallard-Heron, Ada Q', 'Reed, Bo'])
  })

  it('reads sheets that print first names first', () => {
    const pages = sheetOf([EVENT, HEADINGS, HEAT, row(1, 'Ada van der Quill S9', 12, 'MILL', '59.10')])
    expect(findSwimmer(parseSheet(pages), 'van der Quill, Ada').events).toMatchObject([
      { swimmerName: 'Ada van der Quill', age: 12, team: 'MILL' },
    ])
  })

  it('is not misled by a last name that looks like a heading', () => {
    const entries = entriesOf(
      sheetOf([
        EVENT,
        HEADINGS,
        HEAT,
        row(5, 'Lane, Teal', 12, 'MILL', '59.10'),
        row(6, 'Heat, Bo', 12, 'MILL', '59.10'),
      ]),
    )
    expect(entries.map(({ name }) => name)).toEqual(['Lane, Teal', 'Heat, Bo'])
  })
})

describe('pages and columns', () => {
  it('reads three columns, the middle one all rows, and goes on over the page', () => {
    const many = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) =>
        row(from + i, `Quill, Ada ${'ABCDEFGHIJ'.charAt((from + i) % 10)}`, 12, 'MILL', '59.10'),
      )
    const first = page(
      [
        lines([EVENT, HEADINGS.slice(1), ...many(1, 5)], { left: 18 }),
        lines(many(6, 6), { left: 212, top: 73 }),
        lines([...many(12, 2), [[0, '#4 Boys 50 Free']], HEADINGS.slice(1), ...many(1, 3)], { left: 407 }),
      ].flat(),
    )
    const second = page(lines([[[0, 'Event 4 ... (Boys 50 Free)']], ...many(4, 2)], { left: 18 }), { number: 2 })
    const { sheet } = readSheet([first, second])
    const ranks = (event: number) => sheet.entries.filter((entry) => entry.event === event).map(({ rank }) => rank)
    expect(ranks(0)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])
    expect(ranks(1)).toEqual([1, 2, 3, 4, 5])
    expect(sheet.events).toHaveLength(2)
  })

  it('gives each event the day of its session', () => {
    const heads = (session: string): readonly Cells[] => [
      [
        [18, 'Millpond'],
        [340, "HY-TEK's MEET MANAGER 8.0 Page 1"],
      ],
      [[220, 'Millpond Open - 2031-03-07 to 2031-03-09']],
      [[250, session]],
    ]
    const body = lines([EVENT, HEADINGS, HEAT, row(1, 'Quill, Ada', 12, 'MILL', '59.10')], { left: 18 })
    const pages = ['Meet Program - Sunday Finals', 'Meet Program - Friday Prelims'].map((session, i) =>
      page(body, { number: i + 1, head: heads(session) }),
    )
    const found = findSwimmer(parseSheet(pages), 'Ada Quill')
    expect(found.events.map(({ sessionDate }) => sessionDate)).toEqual(['2031-03-07', '2031-03-09'])
    expect(found).toMatchObject({
      meetName: 'Millpond Open',
      meetDateRange: { start: '2031-03-07', end: '2031-03-09' },
      warnings: [],
    })
  })
})
