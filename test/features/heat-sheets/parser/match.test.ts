/** Whose events a name finds, and what the warnings say. */
import { describe, expect, it } from 'vitest'
import { findSwimmer } from '../../../../src/features/heat-sheets/parser/match.ts'
import { normalizeSwimmer, spoken } from '../../../../src/features/heat-sheets/parser/names.ts'
import { PARSER_VERSION, type Sheet, type SheetEntry } from '../../../../src/features/heat-sheets/parser/sheet.ts'
import { editDistance } from '../../../../src/features/heat-sheets/parser/similar-names.ts'

const SESSION = { name: 'Saturday', date: '2031-03-08' }

function sheetOf(entries: readonly (Partial<SheetEntry> & { name: string })[], changes: Partial<Sheet> = {}): Sheet {
  return {
    parser: PARSER_VERSION,
    meet: { name: 'Millpond Open', start: '2031-03-07', end: '2031-03-09', venue: null },
    sessions: [SESSION],
    events: [
      { number: 7, name: 'Women 100 Free', session: 0 },
      { number: 3, name: 'Women 50 Free', session: 0 },
      { number: 4, name: 'Men 50 Free', session: 0 },
    ],
    entries: entries.map((entry) => ({ event: 0, heat: 1, lane: 4, ...entry })),
    unread: 0,
    unreadPages: [],
    ...changes,
  }
}

function find(printed: string, asked: string): number {
  return findSwimmer(sheetOf([{ name: printed }, { name: 'Zander, Zed' }]), asked).events.length
}

describe('names that are the same', () => {
  it.each([
    ['Quill, Ada', 'Ada Quill'],
    ['Quill, Ada', 'Quill, Ada'],
    ['Quill, Ada', '  QUILL ,ada '],
    ['Quill, Ada M', 'Ada Quill'],
    ['Quill, Ada M', 'Ada M. Quill'],
    ['Quill, Ada M', 'Ada Marie Quill'],
    ['Quill, Ada', 'Ada M Quill'],
    ['Van Herp, Ada', 'Ada Van Herp'],
    ['Van Herp, Ada', 'van herp, ada'],
    ['vanHerpen, Ada', 'Ada van Herpen'],
    ['von der Mill, Ada', 'Ada von der Mill'],
    ['Quill-Reed, Ada', 'Ada Quill Reed'],
    ['Quill, Ada-Lou', 'Ada Lou Quill'],
    ['O’Dell, Ada', "Ada O'Dell"],
    ["O'Dell, Ada", 'ada odell'],
    ['Quíll, Adaë', 'Adae Quill'],
    ['Quill, Noël', 'Noe\u0308l Quill'],
    ['Sørensen, Ada', 'Ada Sorensen'],
    ['Quill S9/SB8/SM9, Ada', 'Ada Quill'],
    ['Quill_S12SB12SM1, Ada', 'Ada Quill'],
    ['Quill, Ada S9', 'Quill, Ada'],
    ['Quill S10sb9sm10, Ada', 'Ada Quill'],
    ['Ada van der Quill', 'van der Quill, Ada'],
    ['Ada M Quill', 'Ada Quill'],
    ['Ada Quill S9', 'Ada Quill'],
    ['Quill Jr, Adam', 'Adam Quill'],
    ['Quill, Adam', 'Adam Quill III'],
  ])('%s is %s', (printed, asked) => {
    expect(find(printed, asked)).toBe(1)
  })
})

describe('names that are not', () => {
  it.each([
    ['Quill, Elly', 'Elsa Quill'],
    ['Quill, Ada', 'Ada'],
    ['Quill, Ada', 'Quill'],
    ['Quill, Ada M', 'Ada R Quill'],
    ['Quill, Jon', 'Jonathan Quill'],
    ['Ada, Quill', 'Quill, Ada'],
  ])('%s is not %s', (printed, asked) => {
    expect(find(printed, asked)).toBe(0)
  })
})

describe('warnings', () => {
  it('says that a name is not there, and which are close', () => {
    const sheet = sheetOf([{ name: 'Quill, Jonathan' }, { name: 'Reed, Ada Lou' }, { name: 'Teal, Bo' }])
    const warnings = (name: string) => findSwimmer(sheet, name).warnings
    expect(warnings('Jonahtan Quill')).toEqual([
      "'Jonahtan Quill' is not on this sheet; did you mean 'Jonathan Quill'?",
    ])
    expect(warnings('Jonathan Quil')).toEqual(["'Jonathan Quil' is not on this sheet; did you mean 'Jonathan Quill'?"])
    const initial = sheetOf([{ name: "O'Reed, Hank M" }])
    expect(findSwimmer(initial, "Hnak O'Reed").warnings).toEqual([
      "'Hnak O'Reed' is not on this sheet; did you mean 'Hank M O'Reed'?",
    ])
    expect(warnings('Jon Quill')).toEqual(["'Jon Quill' is not on this sheet; did you mean 'Jonathan Quill'?"])
    expect(warnings('Cy Mallard')).toEqual([
      "'Cy Mallard' is not on this sheet; the closest names on it are 'Bo Teal', 'Ada Lou Reed', 'Jonathan Quill'.",
    ])
  })

  it('takes a name without a comma for last name first only when nobody has it otherwise', () => {
    const both = sheetOf([{ name: 'Taylor, Reed' }, { name: 'Reed, Taylor', lane: 5 }])
    expect(findSwimmer(both, 'Taylor Reed').events.map(({ lane }) => lane)).toEqual([5])
    const one = findSwimmer(sheetOf([{ name: 'Taylor, Reed' }]), 'Taylor Reed')
    expect(one.events).toHaveLength(1)
    expect(one.warnings[0]).toContain("'Reed Taylor'")
  })

  it('returns all events of one name with two ages or teams, and says so', () => {
    const sheet = sheetOf([
      { name: 'Quill, Ada', age: 12, team: 'MILL' },
      { name: 'Quill, Ada', age: 15, team: 'POND', event: 1, lane: 2 },
    ])
    const found = findSwimmer(sheet, 'Ada Quill')
    expect(found.events).toHaveLength(2)
    expect(found.warnings).toHaveLength(1)
    expect(found.warnings[0]).toContain('ages 12, 15; teams MILL, POND')
  })

  it('tells apart names that differ by Jr where both are there', () => {
    const sheet = sheetOf([{ name: 'Quill Jr, Adam' }, { name: 'Quill, Adam', lane: 5 }])
    expect(findSwimmer(sheet, 'Adam Quill').events.map(({ lane }) => lane)).toEqual([5])
    expect(findSwimmer(sheet, 'Adam Quill Jr').events.map(({ lane }) => lane)).toEqual([4])
  })

  it("does not take a relay's team for another club", () => {
    const sheet = sheetOf([
      { name: 'Quill, Ada', age: 12, team: 'MILL' },
      { name: 'Quill, Ada', age: 12, team: 'Millers', event: 1, relay: { team: 'Millers', letter: 'A', leg: 2 } },
    ])
    expect(findSwimmer(sheet, 'Ada Quill').warnings).toEqual([])
  })

  it('takes a name cut off by its column when only one swimmer can be meant', () => {
    const cut = 'Featherstonehaugh, Maximil'
    const sheet = sheetOf([{ name: cut, full: true }])
    const found = findSwimmer(sheet, 'Maximiliana Featherstonehaugh')
    expect(found.events).toHaveLength(1)
    expect(found.warnings[0]).toContain('cut off')
    const two = sheetOf([
      { name: cut, full: true },
      { name: 'Featherstonehaugh, Maximilian', lane: 2 },
    ])
    const doubtful = findSwimmer(two, 'Maximiliana Featherstonehaugh')
    expect(doubtful.events).toEqual([])
    expect(doubtful.warnings).toHaveLength(1)
    expect(findSwimmer(sheetOf([{ name: 'Quill, Jonathan' }]), 'Jonathany Quill').events).toEqual([])
  })

  it('says when days are missing, and guesses none', () => {
    const unsaid = sheetOf([{ name: 'Quill, Ada' }], { sessions: [{ ...SESSION, date: null }] })
    const found = findSwimmer(unsaid, 'Ada Quill')
    expect(found.warnings).toEqual([expect.stringContaining('7–9 March 2031')])
    expect(found).toMatchObject({ sessionDate: null, sharedWarnings: found.warnings })
    expect(found.events[0]).not.toHaveProperty('sessionDate')
    const none = sheetOf([{ name: 'Quill, Ada' }], {
      meet: { name: 'Millpond Open', start: null, end: null, venue: null },
      sessions: [{ ...SESSION, date: null }],
    })
    expect(findSwimmer(none, 'Ada Quill')).toMatchObject({
      sessionDate: null,
      warnings: [expect.stringContaining('no dates')],
    })
  })

  it('tells everybody nothing of others on the sheet', () => {
    const cut = sheetOf([
      { name: 'Featherstonehaugh, Maximil', full: true },
      { name: 'Featherstonehaugh, Maximilian', lane: 2 },
    ])
    const two = sheetOf([
      { name: 'Quill, Ada', age: 12, team: 'MILL' },
      { name: 'Quill, Ada', age: 15, team: 'POND', event: 1, lane: 2 },
    ])
    for (const [sheet, name] of [
      [cut, 'Maximiliana Featherstonehaugh'],
      [two, 'Ada Quill'],
      [two, 'Ada Quilt'],
    ] as const) {
      const { warnings, sharedWarnings } = findSwimmer(sheet, name)
      expect(warnings).toHaveLength(1)
      expect(sharedWarnings.join()).not.toMatch(/Maximilian|Ada Quilt|MILL|POND|12|15/)
    }
    expect(findSwimmer(two, 'Ada Quill').sharedWarnings[0]).toContain('More than one swimmer')
  })

  it('says when lines of the sheet could not be read', () => {
    const warnings = findSwimmer(sheetOf([{ name: 'Quill, Ada' }], { unread: 2 }), 'Ada Quill').warnings
    expect(warnings).toEqual(['2 lines of this sheet could not be read.'])
    const sheet = sheetOf([{ name: 'Quill, Ada' }], { unread: 12, unreadPages: [3, 4] })
    const text = '12 lines of this sheet could not be read (pages 3, 4).'
    expect(findSwimmer(sheet, 'Ada Quill')).toMatchObject({ warnings: [text], sharedWarnings: [text] })
  })
})

it('sorts events by day, number and heat', () => {
  const sheet = sheetOf([
    { name: 'Quill, Ada', event: 0, heat: 2 },
    { name: 'Quill, Ada', event: 0, heat: 1 },
    { name: 'Quill, Ada', event: 1, heat: 9 },
  ])
  const events = findSwimmer(sheet, 'Ada Quill').events
  expect(events.map(({ eventNumber, heatNumber }) => [eventNumber, heatNumber])).toEqual([
    [3, 9],
    [7, 1],
    [7, 2],
  ])
})

it('gives one key to every way of writing a name', () => {
  const ways = ['Ada Van Quíll', 'van quill, ADA', ' Van  Quill ,  Ada ', 'Ada Van Qui\u0301ll', 'ada VAN-quill']
  expect(new Set(ways.map(normalizeSwimmer))).toEqual(new Set(['ada van quill']))
  expect(normalizeSwimmer('Quill, Elsa')).not.toBe(normalizeSwimmer('Quill, Elly'))
  expect(normalizeSwimmer(' ,- ')).toBe('')
})

it('speaks names first name first', () => {
  expect(spoken('Van Quill S9, Ada M')).toBe('Ada M Van Quill')
  expect(spoken('Ada Quill')).toBe('Ada Quill')
})

it('counts edits, a swap of neighbours as one', () => {
  expect(editDistance('jon smith', 'john smith', 2)).toBe(1)
  expect(editDistance('jhon', 'john', 2)).toBe(1)
  expect(editDistance('elsa', 'elly', 2)).toBe(2)
  expect(editDistance('abcdefg', 'gfedcba', 2)).toBe(3)
})

describe('names that are longer on the sheet', () => {
  it.each([
    ['Quill, Ada Masquida M', 'Ada Quill'],
    ['Fernandez Quill, Dante', 'Dante Quill'],
    ['Quill-Campbell, Piper', 'Piper Quill'],
    ['Quill Campbell, Piper A', 'Quill, Piper'],
    ['de la Quill Peña, María José', 'Maria Quill'],
    ['Ada Masquida Quill', 'Ada Quill'],
    ["O'Dell-Quill, Ada", "Ada O'Dell"],
    ['Quill Reed III, Adam', 'Adam Reed'],
  ])('%s is taken for %s, and a warning says so', (printed, asked) => {
    const found = findSwimmer(sheetOf([{ name: printed }, { name: 'Zander, Zed' }]), asked)
    expect(found.events).toHaveLength(1)
    expect(found.warnings).toEqual([`'${asked}' was read as '${spoken(printed)}', whose name holds these words.`])
    expect(found.sharedWarnings).toEqual(found.warnings)
  })

  it.each([
    ['Quill, Masquida Ada', 'Ada Quill'],
    ['Van der Quill, Ada', 'Ada van der'],
    ['Quill-Reed, Ada', 'Ada Mallard Reed'],
  ])('%s is not taken for %s', (printed, asked) => {
    expect(find(printed, asked)).toBe(0)
  })

  it('are all told where there are several, and none is taken', () => {
    const sheet = sheetOf([
      { name: 'Quill, Ada Lou', age: 12, team: 'MILL' },
      { name: 'Quill-Reed, Ada', age: 14, team: 'POND', lane: 5 },
    ])
    const { events, warnings, sharedWarnings } = findSwimmer(sheet, 'Ada Quill')
    expect(events).toEqual([])
    expect(warnings).toEqual([
      "'Ada Quill' could be several swimmers of this sheet: 'Ada Lou Quill' (MILL, 12), 'Ada Quill-Reed' (POND, 14); ask for one of them.",
    ])
    expect(sharedWarnings).toEqual([])
    expect(findSwimmer(sheet, 'Ada Lou Quill').events).toHaveLength(1)
  })

  it('are one where the sheet prints one person in two ways', () => {
    const sheet = sheetOf([{ name: 'Quill, Ada Lou M' }, { name: 'Quill, Ada Lou', lane: 5 }, { name: 'Zander, Zed' }])
    expect(findSwimmer(sheet, 'Ada Quill').events).toHaveLength(2)
  })

  it('give way to the name as it is asked for', () => {
    const sheet = sheetOf([{ name: 'Quill, Ada' }, { name: 'Quill, Ada Lou', lane: 5 }])
    expect(findSwimmer(sheet, 'Ada Quill').events.map(({ lane }) => lane)).toEqual([4])
  })

  it('are joined with the shorter name of a relay leg', () => {
    const leg = { name: 'Quill, Ada', event: 1, relay: { team: 'Mill', letter: 'A', leg: 2 } }
    expect(findSwimmer(sheetOf([{ name: 'Quill, Ada Lou' }, leg]), 'Ada Quill').events).toHaveLength(2)
    expect(findSwimmer(sheetOf([{ name: 'Quill-Reed, Ada' }, leg]), 'Ada Quill').events).toHaveLength(1)
  })
})

it.each([
  ['Quill, Robert', 'Bob Quill'],
  ['Quill, Elizabeth', 'Beth Quill'],
  ['Quill, Bill', 'William Quill'],
])('suggests %s for the nickname of %s, and takes nobody', (printed, asked) => {
  const { events, warnings } = findSwimmer(sheetOf([{ name: printed }, { name: 'Zander, Zed' }]), asked)
  expect(events).toEqual([])
  expect(warnings).toEqual([`'${asked}' is not on this sheet; did you mean '${spoken(printed)}'?`])
})
