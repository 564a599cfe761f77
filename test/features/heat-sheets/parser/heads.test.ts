/** Heads of pages that stand elsewhere than in the middle of the paper, or say less than others of the document. */
import { describe, expect, it } from 'vitest'
import { findSwimmer } from '../../../../src/features/heat-sheets/parser/match.ts'
import { headOf, type Print, type PrintedLine, readPrinted } from '../../../support/printed-sheets.ts'

const HEADINGS: PrintedLine = [
  [20, 'Lane'],
  [42, 'Name'],
  [150, 'Age', 'right'],
  [156, 'Team'],
  [260, 'Seed Time', 'right'],
]

function body(event = 3, names = ['Quill, Ada', 'Reed, Bo']): PrintedLine[] {
  const rows = names.map(
    (name, i): PrintedLine => [
      [30, String(i + 3), 'right'],
      [42, name],
      [150, '12', 'right'],
      [156, 'MILL'],
      [260, `1:0${i}.10`, 'right'],
    ],
  )
  return [[[20, `Event ${event} Girls 11-12 100 Yard Freestyle`]], HEADINGS, [[20, 'Heat 1 of 1 Finals']], ...rows]
}

const shifted = (lines: readonly PrintedLine[], by: number): PrintedLine[] =>
  lines.map((cells) => cells.map(([x, ...rest]) => [x + by, ...rest] as const))

/** Lines side by side. */
const beside = (one: readonly PrintedLine[], other: readonly PrintedLine[]): PrintedLine[] =>
  one.map((cells, i) => [...cells, ...(other[i] ?? [])])

const MEET = { name: 'Millpond Open', start: '2031-03-07', end: '2031-03-09' }

async function meetOf(pages: readonly (readonly PrintedLine[])[], print?: Print) {
  const { sheet, reading } = await readPrinted(pages, print)
  expect(reading.leftovers).toEqual([])
  return { meet: sheet.meet, sessions: sheet.sessions, entries: sheet.entries.map(({ name, lane }) => [lane, name]) }
}

const ENTRIES = [
  [3, 'Quill, Ada'],
  [4, 'Reed, Bo'],
]

describe('a head that is not in the middle of the page', () => {
  it.each([
    ['at the left of a larger page', 0, { width: 842, height: 792 }],
    ['at the right of a larger page', 230, { width: 842, height: 792 }],
    ['on a much larger page', 90, { width: 1224, height: 792 }],
  ])('%s', async (_, by, print) => {
    const lines = shifted([...headOf({ title: 'Meet Program - Day 2' }), ...body()], by)
    const { meet, sessions, entries } = await meetOf([lines], print)
    expect(meet).toMatchObject(MEET)
    expect(sessions).toEqual([{ name: 'Day 2', date: '2031-03-08' }])
    expect(entries).toEqual(ENTRIES)
  })

  it('is read where two pages are printed beside each other', async () => {
    const left = [...headOf({ title: 'Meet Program - Day 1' }), ...body(3)]
    const right = [...headOf({ title: 'Meet Program - Day 2' }), ...body(4, ['Sedge, Cy', 'Teal, Dora'])]
    const { meet, sessions, entries } = await meetOf([beside(left, shifted(right, 612))], { width: 1224 })
    expect(meet).toMatchObject(MEET)
    expect(sessions.map(({ date }) => date)).toEqual(['2031-03-07', '2031-03-08'])
    expect(entries).toEqual([...ENTRIES, [3, 'Sedge, Cy'], [4, 'Teal, Dora']])
  })

  it('is read where two pages are printed below each other', async () => {
    const one = [...headOf({ title: 'Meet Program - Day 1' }), ...body(3)]
    const other = [...headOf({ title: 'Meet Program - Day 2' }), ...body(4, ['Sedge, Cy', 'Teal, Dora'])]
    const { meet, sessions, entries } = await meetOf([[...one, [], [], ...other]])
    expect(meet).toMatchObject(MEET)
    expect(sessions.map(({ date }) => date)).toEqual(['2031-03-07', '2031-03-08'])
    expect(entries).toEqual([...ENTRIES, [3, 'Sedge, Cy'], [4, 'Teal, Dora']])
  })
})

describe('a document whose pages name different things', () => {
  const event = [...headOf(), ...body()]

  it('is of the meet that the pages with events name, and not of the cover', async () => {
    const cover: PrintedLine[] = [
      [[306, 'Welcome to the Millpond Aquatics Centre', 'centre']],
      [],
      [[306, 'Please park behind the mill', 'centre']],
    ]
    expect((await meetOf([cover, event, event])).meet).toMatchObject(MEET)
  })

  it('is of the meet that the cover names where the pages with events name none', async () => {
    const cover: PrintedLine[] = [[[306, 'Millpond Open', 'centre']], [[306, 'March 7-9, 2031', 'centre']]]
    expect((await meetOf([cover, body()])).meet).toMatchObject(MEET)
  })

  it.each([
    'Powered by Poolside Cloud 4.2',
    '3/7/31, 9:00 AM https://meets.example.org/sheet',
    'Licensed to: Millpond Swim Club',
    'www.example.org',
    'Printed on 1 March 2031',
  ])('is not called %s', async (line) => {
    const lines: PrintedLine[] = [[[306, line, 'centre']], ...headOf().slice(1), ...body()]
    expect((await meetOf([lines, lines])).meet).toMatchObject(MEET)
  })
})

describe('days of other places', () => {
  it('warn where day and month could change places', async () => {
    const head = headOf({
      meet: 'X Torneo Millpond 2031 - 04-07-2031',
      printed: 'MEET MANAGER 8.0 - 9:00 AM 1/15/2031',
    })
    const { sheet } = await readPrinted([[...head, ...body()]])
    const { events, warnings } = findSwimmer(sheet, 'Ada Quill')
    expect(sheet.meet).toMatchObject({ name: 'X Torneo Millpond 2031', start: '2031-07-04', end: '2031-07-04' })
    expect(events).toMatchObject([{ sessionDate: '2031-07-04' }])
    expect(warnings).toEqual([
      "The sheet writes '04-07-2031', in which day and month could change places; 4 July 2031 was read.",
    ])
  })

  it('are those of sessions that a day names', async () => {
    const meet = 'Millpond Open - 16 Jan 2031 to 18 Jan 2031'
    const pages = ['16 January PM', '17 January AM'].map((title, i) => [
      ...headOf({ meet, title: `Meet Program - ${title}` }),
      ...body(3 + i),
    ])
    const { sheet } = await readPrinted(pages)
    expect(findSwimmer(sheet, 'Ada Quill')).toMatchObject({
      meetDateRange: { start: '2031-01-16', end: '2031-01-18' },
      events: [{ sessionDate: '2031-01-16' }, { sessionDate: '2031-01-17' }],
      warnings: [],
    })
  })
})
