/** Whose events a name finds, and what the warnings say. */
import { describe, expect, it } from 'vitest'
import { findSwimmer } from '../../../src/features/heat-sheets/parser/match.ts'
import { normalizeSwimmer, spoken } from '../../../src/features/heat-sheets/parser/names.ts'
import { PARSER_VERSION, type Sheet, type SheetEntry } from '../../../src/features/heat-sheets/parser/sheet.ts'
import { editDistance } from '../../../src/features/heat-sheets/parser/similar-names.ts'

const SESSION = { name: 'Saturday', date: '2031-03-08', guessed: false }

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
    ['Quill-Reed, Ada', 'Ada Quill'],
    ['Quill, Ada M', 'Ada R Quill'],
    ['Quill, Ada Lou', 'Ada Quill'],
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
    expect(warnings('Jon Quill')).toEqual(["'Jon Quill' is not on this sheet."])
    expect(warnings('Ada Reed')).toEqual(["'Ada Reed' is not on this sheet; did you mean 'Ada Lou Reed'?"])
    expect(warnings('Cy Mallard')).toEqual(["'Cy Mallard' is not on this sheet."])
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

  it('says when days are guessed or missing', () => {
    const guessed = sheetOf([{ name: 'Quill, Ada' }], { sessions: [{ ...SESSION, guessed: true }] })
    expect(findSwimmer(guessed, 'Ada Quill').warnings[0]).toContain('first day')
    const none = sheetOf([{ name: 'Quill, Ada' }], {
      meet: { name: 'Millpond Open', start: null, end: null, venue: null },
      sessions: [{ ...SESSION, date: null }],
    })
    expect(findSwimmer(none, 'Ada Quill')).toMatchObject({
      sessionDate: null,
      warnings: [expect.stringContaining('no dates')],
    })
  })

  it('says when lines of the sheet could not be read', () => {
    const warnings = findSwimmer(sheetOf([{ name: 'Quill, Ada' }], { unread: 2 }), 'Ada Quill').warnings
    expect(warnings).toEqual(['2 lines of this sheet could not be read.'])
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
